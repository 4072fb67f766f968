-- Version 1 of the journal's file. Applied in one transaction, never edited; the next version is another file.

CREATE TABLE event (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ns  INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    source TEXT NOT NULL,
    body   BLOB NOT NULL
) STRICT;

-- Readers filter by kind and walk in order; observations are most of all rows and need no index of their kind.
CREATE INDEX event_by_kind ON event (kind, seq) WHERE kind <> 'observation';
CREATE INDEX event_by_time ON event (at_ns);

-- How far each consumer has come.
CREATE TABLE consumer (
    name TEXT PRIMARY KEY,
    seq  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where each source would go on, as its newest observation says.
CREATE TABLE resume (
    source TEXT PRIMARY KEY,
    place  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Small states of the rooms above, each with its own version inside.
CREATE TABLE state (
    name TEXT PRIMARY KEY,
    data BLOB NOT NULL
) STRICT, WITHOUT ROWID;

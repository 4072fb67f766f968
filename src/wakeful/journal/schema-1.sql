-- Version 1 of the journal's file. Applied in one transaction, never edited; the next version is another file.

-- What happened, in the order in which it was written. `body` is the whole event as JSON; the other columns
-- repeat what readers ask by. Numbers are never given twice, not even after the last event was dropped.
CREATE TABLE event (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ns  INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    source TEXT NOT NULL,
    body   BLOB NOT NULL
) STRICT;

-- Readers of one kind walk in order; observations are most of all rows and are found by walking.
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

-- How many events retention has dropped so far; one row.
CREATE TABLE retention (
    dropped INTEGER NOT NULL
) STRICT;
INSERT INTO retention VALUES (0);

-- How the file says that it is a journal: "WAKE".
PRAGMA application_id = 1463896901;

-- The index's file. It can be rebuilt from the journal at any time, so a new version is simply built anew.

-- How far the journal has been read, in the journal's own words; one row.
CREATE TABLE place (
    cursor  TEXT NOT NULL,
    indexed INTEGER NOT NULL
) STRICT;
INSERT INTO place VALUES ('', 0);

-- Names of sources, so that entries need not repeat them.
CREATE TABLE source (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- The entries that can be found by words.
CREATE TABLE entry (
    seq    INTEGER PRIMARY KEY,
    at_ns  INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    source INTEGER NOT NULL
) STRICT;
CREATE INDEX entry_by_time ON entry (at_ns, seq);
CREATE INDEX entry_by_source ON entry (source, seq);
-- What was said is little beside what was seen, and is asked for by its kind.
CREATE INDEX entry_by_kind ON entry (kind, at_ns, seq) WHERE kind <> 'observation';

-- How strongly an observation claimed attention, where it did.
CREATE TABLE salience (
    seq      INTEGER PRIMARY KEY,
    salience REAL NOT NULL
) STRICT;

-- Memories in whose place a newer one stands.
CREATE TABLE superseded (
    seq    INTEGER PRIMARY KEY,
    by_seq INTEGER NOT NULL
) STRICT;

-- The newest fact about each thing.
CREATE TABLE about (
    name TEXT PRIMARY KEY,
    seq  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What there is of each kind and source, since the journal began.
CREATE TABLE tally (
    kind     TEXT NOT NULL,
    source   TEXT NOT NULL,
    events   INTEGER NOT NULL,
    first_ns INTEGER NOT NULL,
    last_ns  INTEGER NOT NULL,
    PRIMARY KEY (kind, source)
) STRICT, WITHOUT ROWID;

-- The words (of English ones the stems), without the texts. What was seen is a thousand times more than what was said about it, so what was
-- said (thoughts, questions, notifications and the like) is kept apart: then it can be searched on its own.
CREATE VIRTUAL TABLE seen USING fts5(body, content='', tokenize="porter unicode61 remove_diacritics 2");
CREATE VIRTUAL TABLE said USING fts5(body, content='', tokenize="porter unicode61 remove_diacritics 2");

-- The vectors' file. It can be rebuilt with an embedding model, which takes its time, so it is a file of its own.

-- Whose vectors these are, and how far the journal has been embedded; one row.
CREATE TABLE place (
    model      TEXT NOT NULL,
    dims       INTEGER NOT NULL,
    cursor     TEXT NOT NULL,
    generation INTEGER NOT NULL
) STRICT;
INSERT INTO place VALUES ('', 0, '', 0);

-- The sign of each number of a vector, a bit each: all of them are held in memory and searched first.
CREATE TABLE code (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    seq  INTEGER NOT NULL UNIQUE,
    code BLOB NOT NULL
) STRICT;

-- The vector in bytes: a scale (a 32-bit float), then a signed byte for each number.
CREATE TABLE exact (
    id     INTEGER PRIMARY KEY,
    vector BLOB NOT NULL
) STRICT;

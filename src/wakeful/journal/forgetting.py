"""Deleting entries so that none of their bytes is left: not in the file, not in its log, not in what was learnt."""

import contextlib
import re
import sqlite3
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from wakeful.events import Entry, Observation
from wakeful.journal.connection import open_writer
from wakeful.journal.errors import JournalBusy, translate

_VACUUM_BYTES = 200_000_000  # rewriting so much takes a second or two, and others wait no longer than that
_PIECE = 40
_PIECES = 6
_WORD = re.compile(r"\w{5,}")


def containing(connection: sqlite3.Connection, text: str) -> list[int]:
    """Numbers of the entries whose event, as it is stored, contains a text. Reads all of the journal."""
    needle = msgspec.json.encode(text)[1:-1]
    return [seq for (seq,) in connection.execute("SELECT seq FROM event WHERE instr(body, ?) ORDER BY seq", (needle,))]


def delete(connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    """Deletes entries, and overwrites where they stood.

    A state that holds words of theirs goes too: the gate keeps templates of lines, and learns from the journal again.
    """
    connection.execute("PRAGMA secure_delete = ON").fetchone()
    gone = connection.executemany("DELETE FROM event WHERE seq = ?", [(entry.seq,) for entry in entries]).rowcount
    connection.execute("UPDATE retention SET dropped = dropped + ?", (gone,))
    words = {
        word.encode()
        for entry in entries
        if isinstance(entry.event, Observation)
        for word in _WORD.findall(entry.event.text)
    }
    for name, data in connection.execute("SELECT name, data FROM state").fetchall():
        if any(word in data for word in words):
            connection.execute("DELETE FROM state WHERE name = ?", (name,))


def clean(path: Path, entries: Sequence[Entry]) -> None:
    """Empties the write-ahead log, and rewrites the file where old copies of the deleted bytes may be left in it.

    SQLite moves rows when pages fill up, and what it moved before may stand in the unused part of a page.
    Raises JournalBusy when a reader holds the log for too long; trying again helps.
    """
    try:
        with contextlib.closing(open_writer(path)) as connection:
            _empty_log(connection, path)
            if path.stat().st_size <= _VACUUM_BYTES or _left(path, _pieces(entries)):
                connection.execute("VACUUM")
                _empty_log(connection, path)
    except sqlite3.Error as error:
        raise translate(error, path) from error


def _empty_log(connection: sqlite3.Connection, path: Path) -> None:
    busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise JournalBusy(f"Another process keeps {path} busy.", path=path, hint="Try again.")


def _pieces(entries: Sequence[Entry]) -> set[bytes]:
    """Parts of what was deleted, as they stood in the file."""
    found: set[bytes] = set()
    for entry in entries:
        text = msgspec.json.encode(entry.event.body)[1:-1]
        step = max(_PIECE, len(text) // _PIECES)
        found.update(text[at : at + _PIECE] for at in range(0, len(text), step))
    return {piece for piece in found if len(piece) >= _PIECE // 4}


def _left(path: Path, pieces: Collection[bytes]) -> bool:
    """Whether any piece stands in the file. Another process looks: here, closing the file would free SQLite's locks."""
    look = (
        "import mmap, sys; f = open(sys.argv[1], 'rb'); m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ); "
        "sys.exit(any(m.find(bytes.fromhex(line.strip())) >= 0 for line in sys.stdin))"
    )
    asked = "\n".join(piece.hex() for piece in pieces)
    return subprocess.run([sys.executable, "-c", look, str(path)], input=asked, text=True, check=False).returncode != 0

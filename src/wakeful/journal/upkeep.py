"""Measuring, checking and copying the journal's file."""

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from wakeful.journal.connection import open_reader
from wakeful.journal.errors import JournalCorrupt, translate, translate_os
from wakeful.journal.reading import readable

_MAX_FINDINGS = 20


@dataclass(frozen=True, slots=True)
class Stats:
    """Size of the journal.

    events: how many it holds; dropped: how many retention has dropped so far
    bytes: on the disk, with the write-ahead log; first_ns, last_ns: when the earliest and the latest of its
    events happened, 0 for none
    """

    events: int
    dropped: int
    bytes: int
    first_ns: int
    last_ns: int


def measure(connection: sqlite3.Connection, path: Path) -> Stats:
    """The journal's size, without walking through it."""
    # Numbers are given one by one, and only retention takes events away.
    written, dropped, first_ns, last_ns = connection.execute(
        "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0), "
        "(SELECT dropped FROM retention), "
        "coalesce((SELECT min(at_ns) FROM event), 0), coalesce((SELECT max(at_ns) FROM event), 0)"
    ).fetchone()
    size = 0
    for ending in ("", "-wal"):
        with contextlib.suppress(FileNotFoundError):
            size += path.with_name(path.name + ending).stat().st_size
    return Stats(events=written - dropped, dropped=dropped, bytes=size, first_ns=first_ns, last_ns=last_ns)


def check(path: Path) -> list[str]:
    """What is wrong with the file; empty when all is well."""
    try:
        with contextlib.closing(open_reader(path)) as connection:
            findings = [str(text) for (text,) in connection.execute("PRAGMA integrity_check") if text != "ok"]
            if not findings:
                findings = _unreadable(connection)
    except JournalCorrupt as error:
        return [error.message]
    except sqlite3.Error as error:
        problem = translate(error, path)
        if isinstance(problem, JournalCorrupt):
            return [problem.message]
        raise problem from error
    return findings


def _unreadable(connection: sqlite3.Connection) -> list[str]:
    findings: list[str] = []
    for seq, body in connection.execute("SELECT seq, body FROM event ORDER BY seq"):
        if readable(body) is None:
            findings.append(f"event {seq} can't be read")
            if len(findings) == _MAX_FINDINGS:
                break
    return findings


def backup(path: Path, target: Path) -> None:
    """Copies the journal into one complete file."""
    if target.exists() and target.samefile(path):
        raise ValueError(f"{target} is the journal itself")
    partial = target.with_name(target.name + ".partial")
    try:
        _unlink(partial)
        with contextlib.closing(open_reader(path)) as source:
            # One step, since another step after a write would begin anew; writers don't wait for readers.
            with contextlib.closing(sqlite3.connect(partial)) as copy:
                source.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE").fetchone()  # no second file beside the copy
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
    except sqlite3.Error as error:
        raise translate(error, target) from error
    except OSError as error:
        raise translate_os(error, target) from error
    finally:
        with contextlib.suppress(OSError):  # what went wrong before tells more
            _unlink(partial)


def _unlink(partial: Path) -> None:
    for ending in ("", "-journal", "-wal", "-shm"):
        partial.with_name(partial.name + ending).unlink(missing_ok=True)

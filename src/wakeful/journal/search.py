"""Full-text search: how a person's words become a query, and how what is found is ranked in bounded time.

Ranking by BM25 has to visit every entry that holds one of the words, which for a word that is in half of a
million log lines takes seconds. Such words say little, so they don't choose what is found: the rarest words do,
as many of them as are in some thousands of entries together. If all are common, the newest entries that hold all
of them are chosen, then the newest that hold any.

What was chosen is ordered by the words that it holds, each counting for the logarithm of its rarity; between
entries that hold the same words the shorter one comes first, then the newer one.
"""

import math
import re
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

_MAX_QUERY_CHARS = 2000
_MAX_PHRASES = 16
_COMMON = 3000  # entries that are looked at: the rarest words choose which, as many as are in no more than these
_COUNTED_UP_TO = 50_000  # entries that hold a word; one that is in more says next to nothing beside a rare one
_CANDIDATES = 100
_POOL = 2  # times as many as are wanted are looked through for the other words
_LENGTH_SHARE = 0.1  # of an entry's length in the score: it decides between equals
_MAX_COUNTED = 20_000

Counted = dict[tuple[str, str], tuple[int, int]]
"""How many entries of a table hold a phrase, and how many entries there were when that was counted."""

_WORD = re.compile(r"\w", re.UNICODE)

# Tables by whether they hold observations.
SEEN, SAID = "seen", "said"


@dataclass(frozen=True, slots=True)
class Within:
    """Where to search: kinds and sources (none: all), and the period [since_ns, until_ns).

    seen: only observations, or (False) all but those; None for both
    """

    kinds: Collection[str] = ()
    since_ns: int | None = None
    until_ns: int | None = None
    sources: Collection[str] = ()
    seen: bool | None = None


@dataclass(frozen=True, slots=True)
class _Table:
    """One full-text table, narrowed to the entries that may be found; built as SQL text of constants."""

    name: str
    source: str
    values: tuple[str | int, ...]


def phrases(query: str) -> list[str]:
    """What a person wrote as phrases in SQLite's notation: any text is safe.

    What stands between spaces is one phrase, so `10.0.0.9` is those four numbers in a row.
    """
    clean = query[:_MAX_QUERY_CHARS].encode("utf-8", "ignore").decode().replace("\0", " ")
    words = dict.fromkeys(word.lower() for word in clean.split() if _WORD.search(word))
    return ['"' + word.replace('"', '""') + '"' for word in list(words)[:_MAX_PHRASES]]


def find(db: sqlite3.Connection, query: str, limit: int, within: Within, counted: Counted | None = None) -> list[int]:
    """Numbers of the entries that match best, best first; of equals the newest first.

    counted: what earlier searches counted, so that it need not be counted again
    """
    wanted = phrases(query)
    if not wanted or limit <= 0:
        return []
    total: int = db.execute("SELECT indexed FROM place").fetchone()[0]
    found: list[tuple[float, int]] = []
    known = counted if counted is not None else {}
    frequency = {
        name: {phrase: _frequency(db, name, phrase, total, known) for phrase in wanted} for name in (SEEN, SAID)
    }
    worth = {
        phrase: math.log1p((total + 1) / (1 + frequency[SEEN][phrase] + frequency[SAID][phrase])) for phrase in wanted
    }
    for table in _tables(db, within):
        scores = _scores(db, table, frequency[table.name], worth, limit)
        found += [(score, seq) for seq, score in scores.items()]
    return [seq for _, seq in sorted(found, reverse=True)[:limit]]


def _tables(db: sqlite3.Connection, within: Within) -> list[_Table]:
    names = [SEEN, SAID]
    if within.kinds:
        names = [SEEN] * ("observation" in within.kinds) + [SAID] * bool(set(within.kinds) - {"observation"})
    where, values = ["1"], list[str | int]()
    if within.since_ns is not None or within.until_ns is not None:
        since_ns = -(2**63) if within.since_ns is None else within.since_ns
        until_ns = 2**63 - 1 if within.until_ns is None else within.until_ns
        period = (since_ns, until_ns)
        first, last = db.execute(
            "SELECT min(seq), max(seq) FROM entry WHERE at_ns >= ? AND at_ns < ?", period
        ).fetchone()
        if first is None:
            return []
        # The range of numbers narrows the search early; the times themselves decide.
        where += ["rowid >= ?", "rowid <= ?", "entry.at_ns >= ?", "entry.at_ns < ?"]
        values += [first, last, *period]
    if within.kinds:
        where.append(f"entry.kind IN ({', '.join('?' * len(within.kinds))})")
        values += within.kinds
    if within.sources:
        where.append(f"entry.source IN (SELECT id FROM source WHERE name IN ({', '.join('?' * len(within.sources))}))")  # noqa: S608
        values += within.sources
    if within.seen is not None:
        names = [name for name in names if (name == SEEN) == within.seen]
    condition = " AND ".join(where)
    # CROSS JOIN keeps SQLite from walking the entries and asking the words for each.
    return [
        _Table(
            name,
            f"FROM {name} CROSS JOIN entry ON entry.seq = {name}.rowid "
            f"WHERE {name} MATCH ? AND {condition.replace('rowid', f'{name}.rowid')}",
            tuple(values),
        )
        for name in names
    ]


def _scores(
    db: sqlite3.Connection, table: _Table, frequency: dict[str, int], worth: dict[str, float], limit: int
) -> dict[int, float]:
    """Scores, higher for better, by the numbers of the entries that may be found."""
    there = sorted((phrase for phrase, count in frequency.items() if count), key=lambda phrase: frequency[phrase])
    leading: list[str] = []
    visited = 0
    for phrase in there:
        visited += frequency[phrase]
        if visited > _COMMON:
            break
        leading.append(phrase)
    if leading:
        following = [phrase for phrase in there[len(leading) :] if frequency[phrase] <= _COUNTED_UP_TO]
        return _scores_of_rare(db, table, leading, following, worth, max(limit, _CANDIDATES))
    if not there:
        return {}
    scores = dict.fromkeys(_newest(db, table, " AND ".join(there), limit), sum(worth[each] for each in there))
    if len(scores) < limit and len(there) > 1:
        for seq in _newest(db, table, " OR ".join(there), limit):
            scores.setdefault(seq, min(worth[each] for each in there))
    return scores


def _scores_of_rare(
    db: sqlite3.Connection,
    table: _Table,
    leading: list[str],
    following: list[str],
    worth: dict[str, float],
    limit: int,
) -> dict[int, float]:
    scores: dict[int, float] = {}
    # Without a condition the entries need not be asked one by one; those that were dropped are left out afterwards.
    source = table.source if table.values else f"FROM {table.name} WHERE {table.name} MATCH ?"
    for phrase in leading:
        for (seq,) in db.execute(f"SELECT {table.name}.rowid {source}", (phrase, *table.values)):
            scores[seq] = scores.get(seq, 0.0) + worth[phrase]
    pool = sorted(scores, key=lambda seq: (scores[seq], seq), reverse=True)[: _POOL * limit]
    there = db.execute(f"SELECT seq FROM entry WHERE seq IN ({', '.join(map(str, pool))})")  # noqa: S608
    scores = {seq: scores[seq] for (seq,) in there}
    wanted = ", ".join(map(str, scores))
    any_leading = " OR ".join(leading)
    for phrase in following:
        match = f"{phrase} AND ({any_leading})"  # quick: the rare words lead
        for (seq,) in db.execute(f"SELECT rowid FROM {table.name} WHERE {table.name} MATCH ?", (match,)):  # noqa: S608
            if seq in scores:
                scores[seq] += worth[phrase]
    sizes = db.execute(f"SELECT id, sz FROM {table.name}_docsize WHERE id IN ({wanted})")  # noqa: S608
    for seq, size in sizes:
        scores[seq] += _LENGTH_SHARE / (1 + _varint(size))
    return scores


def _newest(db: sqlite3.Connection, table: _Table, match: str, limit: int) -> list[int]:
    statement = f"SELECT {table.name}.rowid {table.source} ORDER BY {table.name}.rowid DESC LIMIT ?"
    return [seq for (seq,) in db.execute(statement, (match, *table.values, limit))]


def _frequency(db: sqlite3.Connection, name: str, phrase: str, total: int, counted: Counted) -> int:
    """In how many entries a phrase is, counted up to a bound; a count is good until there are a tenth more."""
    known = counted.get((name, phrase))
    if known is not None and known[1] <= total <= 1.1 * known[1]:
        return known[0]
    statement = f"SELECT count(*) FROM (SELECT 1 FROM {name} WHERE {name} MATCH ? LIMIT ?)"  # noqa: S608
    count = int(db.execute(statement, (phrase, _COUNTED_UP_TO + 1)).fetchone()[0])
    if len(counted) >= _MAX_COUNTED:
        counted.clear()
    counted[name, phrase] = count, total
    return count


def _varint(data: bytes) -> int:
    """The first number in SQLite's variable-length notation."""
    number = 0
    for byte in data:
        number = number << 7 | byte & 127
        if byte < 128:
            break
    return number

"""Full-text search: how a person's words become a query, and how what is found is ranked in bounded time.

Ranking by BM25 has to visit every entry that holds one of the words, which for a word that is in half of a
million log lines takes seconds. Such words say little, so they don't choose what is found: rare words do. If
all are common, the newest entries that hold all of them are chosen, then the newest that hold any.

What was chosen is ordered by the words that it holds, each counting for the logarithm of its rarity; BM25
decides between entries that hold the same words.
"""

import math
import re
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

_MAX_QUERY_CHARS = 2000
_MAX_PHRASES = 16
_COMMON = 5000  # entries; ranking this many takes some 10 ms
_CANDIDATES = 200
_RANK_SHARE = 1e-3  # of BM25 in the score: it decides between equals
_WORD = re.compile(r"\w", re.UNICODE)

# Tables by whether they hold observations.
SEEN, SAID = "seen", "said"


@dataclass(frozen=True, slots=True)
class Within:
    """Where to search: kinds and sources (none: all), and the period [since_ns, until_ns)."""

    kinds: Collection[str] = ()
    since_ns: int | None = None
    until_ns: int | None = None
    sources: Collection[str] = ()


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


def find(db: sqlite3.Connection, query: str, limit: int, within: Within) -> list[int]:
    """Numbers of the entries that match best, best first; of equals the newest first."""
    wanted = phrases(query)
    if not wanted or limit <= 0:
        return []
    total: int = db.execute("SELECT indexed FROM place").fetchone()[0]
    found: list[tuple[float, int]] = []
    frequency = {name: {phrase: _frequency(db, name, phrase) for phrase in wanted} for name in (SEEN, SAID)}
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
    rare = [phrase for phrase, count in frequency.items() if 0 < count <= _COMMON]
    common = [phrase for phrase, count in frequency.items() if count > _COMMON]
    if rare:
        return _scores_of_rare(db, table, rare, common, worth, max(limit, _CANDIDATES))
    if not common:
        return {}
    scores = dict.fromkeys(_newest(db, table, " AND ".join(common), limit), sum(worth[each] for each in common))
    if len(scores) < limit and len(common) > 1:
        for seq in _newest(db, table, " OR ".join(common), limit):
            scores.setdefault(seq, min(worth[each] for each in common))
    return scores


def _scores_of_rare(
    db: sqlite3.Connection,
    table: _Table,
    rare: list[str],
    common: list[str],
    worth: dict[str, float],
    limit: int,
) -> dict[int, float]:
    name, any_rare = table.name, " OR ".join(rare)
    ranked = f"SELECT {name}.rowid, -{name}.rank {table.source} ORDER BY {name}.rank LIMIT ?"
    ranks = db.execute(ranked, (any_rare, *table.values, limit))
    scores = {seq: _RANK_SHARE * rank for seq, rank in ranks}
    matches = {phrase: phrase for phrase in rare}
    matches |= {phrase: f"{phrase} AND ({any_rare})" for phrase in common}  # quick: the rare words lead
    for phrase, match in matches.items():
        for (seq,) in db.execute(f"SELECT rowid FROM {name} WHERE {name} MATCH ?", (match,)):  # noqa: S608
            if seq in scores:
                scores[seq] += worth[phrase]
    return scores


def _newest(db: sqlite3.Connection, table: _Table, match: str, limit: int) -> list[int]:
    statement = f"SELECT {table.name}.rowid {table.source} ORDER BY {table.name}.rowid DESC LIMIT ?"
    return [seq for (seq,) in db.execute(statement, (match, *table.values, limit))]


def _frequency(db: sqlite3.Connection, name: str, phrase: str) -> int:
    statement = f"SELECT count(*) FROM (SELECT 1 FROM {name} WHERE {name} MATCH ? LIMIT ?)"  # noqa: S608
    return int(db.execute(statement, (phrase, _COMMON + 1)).fetchone()[0])

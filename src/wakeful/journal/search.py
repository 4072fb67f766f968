"""Full-text search: how a person's words become a query, and how what is found is ranked in bounded time.

Ranking by BM25 has to visit every entry that holds one of the words, which for a word that is in half of a
million log lines takes seconds. Such words say little, so they don't choose what is found: the rarest words do,
as many of them as are in some thousands of entries together. If all are common, the newest entries that hold all
of them are chosen, then the newest that hold any.

What was chosen is ordered by the words that it holds, each counting for the logarithm of its rarity; between
entries that hold the same words the shorter one comes first, then the newer one.
"""

import heapq
import math
import re
import sqlite3
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from wakeful.journal.postings import Holders, Postings
from wakeful.journal.within import Within, column, condition, holds, numbers

_MAX_QUERY_CHARS = 2000
_MAX_PHRASES = 16
_COMMON = 3000  # entries that are looked at: the rarest words choose which, as many as are in no more than these
_CANDIDATES = 100
_POOL = 2  # times as many as are wanted are looked through for the other words
_LENGTH_SHARE = 0.1  # of an entry's length in the score: it decides between equals
_QUICKER = 8  # to go through so many numbers takes as long as to look one up

FEW = 20_000
"""Entries that are looked at one by one; where more fit, what was found is asked whether it fits."""

_WORD = re.compile(r"\w", re.UNICODE)

# Tables by whether they hold observations.
SEEN, SAID = "seen", "said"


def phrases(query: str) -> list[str]:
    """What a person wrote as phrases in SQLite's notation: any text is safe.

    What stands between spaces is one phrase, so `10.0.0.9` is those four numbers in a row.
    """
    clean = query[:_MAX_QUERY_CHARS].encode("utf-8", "ignore").decode().replace("\0", " ")
    words = dict.fromkeys(word.lower() for word in clean.split() if _WORD.search(word))
    return ['"' + word.replace('"', '""') + '"' for word in list(words)[:_MAX_PHRASES]]


def find(db: sqlite3.Connection, query: str, limit: int, within: Within, postings: Postings | None = None) -> list[int]:
    """Numbers of the entries that match best, best first; of equals the newest first.

    postings: what earlier searches read, so that it need not be read again
    """
    wanted = phrases(query)
    if not wanted or limit <= 0:
        return []
    total: int = db.execute("SELECT indexed FROM place").fetchone()[0]
    known = Postings() if postings is None else postings
    searched = dict(_tables(within))
    held = {
        name: {phrase: known.of(db, name, phrase, total, fresh=name in searched) for phrase in wanted}
        for name in (SEEN, SAID)
    }
    worth = {
        phrase: math.log1p((total + 1) / (1 + held[SEEN][phrase].count + held[SAID][phrase].count)) for phrase in wanted
    }
    found: list[tuple[float, int]] = []
    for name, narrowed in searched.items():
        there = sorted((each for each in wanted if held[name][each].count), key=lambda each: held[name][each].count)
        if there:
            table = _Table(db, name, narrowed, {phrase: held[name][phrase] for phrase in there})
            found += [(score, seq) for seq, score in _scores(table, worth, limit).items()]
    return _still_there(db, [seq for _, seq in sorted(found, reverse=True)], limit)


def _tables(within: Within) -> Iterator[tuple[str, Within]]:
    """The full-text tables that are searched, and to what each is narrowed."""
    kinds = set(within.kinds)
    if within.seen is not False and (not kinds or "observation" in kinds):
        yield SEEN, replace(within, kinds=(), seen=None)
    if within.seen is not True and (not kinds or kinds - {"observation"}):
        yield SAID, replace(within, kinds=tuple(sorted(kinds - {"observation"})), seen=None)


@dataclass(frozen=True, slots=True)
class _Table:
    """One full-text table, what the search in it is narrowed to, and the words that are in it, the rarest first."""

    db: sqlite3.Connection
    name: str
    within: Within
    held: dict[str, Holders]

    @property
    def is_open(self) -> bool:
        return self.within == Within()


def _scores(table: _Table, worth: dict[str, float], limit: int) -> dict[int, float]:
    """Scores, higher for better, by the numbers of the entries that may be found."""
    # Of a kind there are thousands: to ask of what was found whether it is of that kind is quicker than to list them.
    narrow = bool(table.within.sources) or (table.within.since_ns, table.within.until_ns) != (None, None)
    few = numbers(table.db, table.within, FEW) if narrow else None
    if few is not None and not few:
        return {}
    if few is not None:
        leading = [phrase for phrase, holders in table.held.items() if holders.seqs is not None]
        following: list[str] = []
        scores = _scores_among(table, few, leading, worth)
    else:
        leading = _leading(table)
        following = [phrase for phrase in list(table.held)[len(leading) :] if table.held[phrase].seqs is not None]
        scores = _scores_of(table, leading, worth)
    if not leading:
        return _scores_of_common(table, few, worth, limit)
    pool = _pool(table, scores, _POOL * max(limit, _CANDIDATES), ask=few is None and not table.is_open)
    return _refined(table, pool, following, worth)


def _pool(table: _Table, scores: dict[int, float], size: int, *, ask: bool) -> dict[int, float]:
    """The best `size` by score, of equals the newest. ask: whether there are some that are not within."""
    pairs = zip(scores.values(), scores.keys(), strict=True)
    if not ask:
        return {seq: score for score, seq in heapq.nlargest(size, pairs)}
    ranked = [seq for _, seq in sorted(pairs, reverse=True)]
    pool: list[int] = []
    for begin in range(0, len(ranked), size):
        some = ranked[begin : begin + size]
        fitting = holds(table.db, table.within, some)
        pool += [seq for seq in some if seq in fitting]
        if len(pool) >= size:
            break
    return {seq: scores[seq] for seq in pool[:size]}


def _leading(table: _Table) -> list[str]:
    leading: list[str] = []
    visited = 0
    for phrase, holders in table.held.items():
        visited += holders.count
        if visited > _COMMON:
            break
        leading.append(phrase)
    return leading


def _scores_of(table: _Table, leading: Sequence[str], worth: dict[str, float]) -> dict[int, float]:
    """The score of every entry that holds a leading word, by those words alone."""
    scores: dict[int, float] = {}
    for phrase in leading:
        more = worth[phrase]
        for seq in reversed(table.held[phrase].seqs or ()):
            scores[seq] = scores.get(seq, 0.0) + more
    return scores


def _scores_among(
    table: _Table, few: Sequence[int], leading: Sequence[str], worth: dict[str, float]
) -> dict[int, float]:
    """The same among these entries only."""
    scores: dict[int, float] = {}
    among = set(few)
    for phrase in leading:
        holders, more = table.held[phrase], worth[phrase]
        seqs = holders.seqs or array("q")
        near = seqs[bisect_left(seqs, few[0]) : bisect_right(seqs, few[-1])]
        if len(near) > _QUICKER * len(few):
            hits = [seq for seq in few if holders.hold(seq)]
        else:
            hits = among.intersection(near)
        for seq in hits:
            scores[seq] = scores.get(seq, 0.0) + more
    return scores


def _refined(
    table: _Table, pool: dict[int, float], following: Sequence[str], worth: dict[str, float]
) -> dict[int, float]:
    """Scores with the other words and the length counted too."""
    wanted = ", ".join(map(str, pool))
    told = f"SELECT group_concat(id), group_concat(hex(sz)) FROM {table.name}_docsize WHERE id IN ({wanted})"  # noqa: S608
    ids, sizes = table.db.execute(told).fetchone()  # in one row, as in `column`
    scores = {
        int(seq): pool[int(seq)] + _LENGTH_SHARE / (1 + _varint(bytes.fromhex(size)))
        for seq, size in zip((ids or "").split(","), (sizes or "").split(","), strict=True)
        if seq
    }
    for phrase in following:
        holders, more = table.held[phrase], worth[phrase]
        for seq in scores:
            if holders.hold(seq):
                scores[seq] += more
    return scores


def _scores_of_common(
    table: _Table, few: Sequence[int] | None, worth: dict[str, float], limit: int
) -> dict[int, float]:
    """The newest entries that hold all words, then the newest that hold any."""
    there = list(table.held)
    scores = dict.fromkeys(_newest(table, few, " AND ".join(there), limit), sum(worth[each] for each in there))
    if len(scores) < limit and len(there) > 1:
        for seq in _newest(table, few, " OR ".join(there), limit):
            scores.setdefault(seq, min(worth[each] for each in there))
    return scores


def _newest(table: _Table, few: Sequence[int] | None, match: str, limit: int) -> list[int]:
    """Numbers of the newest entries that match. few: all entries that may be found, None where they are many."""
    name = table.name
    if few is not None:
        first, last, values = few[0], few[-1], list[str | int]()
        fits = f"+rowid IN ({', '.join(map(str, few))})"  # without `+` SQLite would ask for each whether it matches
    else:
        first, last = _range(table)
        where, values = condition(table.within)
        fits = f"EXISTS (SELECT 1 FROM entry WHERE seq = {name}.rowid AND {where})"  # noqa: S608
    return column(
        table.db,
        f"SELECT rowid FROM {name} WHERE {name} MATCH ? AND rowid >= ? AND rowid <= ? AND {fits} "  # noqa: S608
        "ORDER BY rowid DESC LIMIT ?",
        (match, first, last, *values, limit),
    )


def _range(table: _Table) -> tuple[int, int]:
    """The first and last number of what happened in the period; in between there may be others."""
    period = Within(since_ns=table.within.since_ns, until_ns=table.within.until_ns)
    if period == Within():
        return 0, 2**63 - 1
    where, values = condition(period)
    return table.db.execute(f"SELECT min(seq), max(seq) FROM entry WHERE {where}", values).fetchone()  # noqa: S608


def _still_there(db: sqlite3.Connection, ranked: Sequence[int], limit: int) -> list[int]:
    """The first `limit` of these entries, without those that were dropped from the journal."""
    found: list[int] = []
    for begin in range(0, len(ranked), limit):
        some = ranked[begin : begin + limit]
        there = set(column(db, f"SELECT seq FROM entry WHERE seq IN ({', '.join(map(str, some))})", ()))  # noqa: S608
        found += [seq for seq in some if seq in there]
        if len(found) >= limit:
            break
    return found[:limit]


def _varint(data: bytes) -> int:
    """The first number in SQLite's variable-length notation."""
    number = 0
    for byte in data:
        number = number << 7 | byte & 127
        if byte < 128:
            break
    return number

"""What has to go so that something is forgotten, and how it goes: from the journal, the index and the vectors."""

from collections.abc import Collection
from typing import Any

from wakeful.events import (
    Compaction,
    Cursor,
    Entry,
    Forgotten,
    Observation,
    Salience,
    SelfModel,
    Summary,
    Thought,
    encode,
)
from wakeful.journal import Journal
from wakeful.memory.memory import Memory

_PAGE = 500
_PIECE = 60
_SHORTEST = 12
_SAID = (
    *(
        "memory",
        "self_model",
        "thought",
        "thought_failed",
        "set_aside",
        "prediction",
        "prediction_resolved",
        "intention",
        "intention_met",
        "action_request",
        "action_result",
    ),
    *("notification", "question", "answer", "summary", "compaction", "salience"),
)


async def that_must_go(journal: Journal, seqs: Collection[int]) -> list[Entry]:
    """The entries themselves, and all that cite or quote them: thoughts about them and what followed from those,
    answers, summaries, memories. In order.

    Entries that tell the same in other words and cite nothing can't be known; `Journal.containing` finds a text
    wherever it stands.
    """
    going = {entry.seq: entry for entry in await journal.get(seqs)}
    pieces = {piece for entry in going.values() for piece in _pieces(entry)}
    before = -1
    while len(going) != before:  # what cites a thought that goes, goes as well
        before = len(going)
        cycles = {entry.event.cycle for entry in going.values() if isinstance(entry.event, Thought)}
        cursor = Cursor("")
        while page := await journal.read(cursor, limit=_PAGE, kinds=_SAID):
            cursor = page[-1].cursor
            going |= {each.seq: each for each in page if _rests_on(each, going, cycles) or _quotes(each, pieces)}
    return [going[seq] for seq in sorted(going)]


async def forget(memory: Memory, entries: Collection[Entry], *, now_ns: int) -> int:
    """Deletes entries for good and journals their numbers; returns how many went. Raises a JournalError.

    A mind that is awake still has in its prompt what it was shown; it lets go of that when it starts again.
    """
    if not entries:
        return 0
    seqs = [entry.seq for entry in entries]
    await memory.index.forget(entries)  # first: it needs the words, to find where they stand
    if memory.vectors is not None:
        await memory.vectors.forget(seqs)
    count = await memory.journal.forget(seqs)
    await memory.index.forget(entries)  # a reader that had them already may have indexed them meanwhile
    await memory.journal.append([Forgotten(at_ns=now_ns, seqs=tuple(seqs))])
    return count


def _rests_on(entry: Entry, going: dict[int, Entry], cycles: set[str]) -> bool:
    event: Any = entry.event
    if isinstance(event, Salience):
        return event.about in going
    if isinstance(event, Summary):  # made of the gists of thoughts
        return any(
            event.from_seq <= seq <= event.to_seq for seq, each in going.items() if isinstance(each.event, Thought)
        )
    if isinstance(event, Compaction):  # of all that left until then
        return any(
            (seq <= event.through and isinstance(each.event, Thought)) or isinstance(each.event, SelfModel)
            for seq, each in going.items()
        )
    if getattr(event, "cycle", "") in cycles or getattr(event, "key", "") in cycles:
        return True
    cited = (*getattr(event, "evidence", ()), getattr(event, "question", 0), getattr(event, "supersedes", 0))
    return any(seq in going for seq in cited)


def _pieces(entry: Entry) -> set[str]:
    """Pieces of an entry's text by which a quotation is known."""
    event = entry.event
    if isinstance(event, SelfModel):  # its versions share their other lines
        return set()
    text = event.text if isinstance(event, Observation) else event.body
    lines = (" ".join(line.split())[:_PIECE] for line in text.splitlines())
    return {line for line in lines if len(line) >= _SHORTEST}


def _quotes(entry: Entry, pieces: Collection[str]) -> bool:
    if not pieces:
        return False
    told = " ".join(encode(entry.event).decode("utf-8", "replace").replace("\\n", " ").replace('\\"', '"').split())
    return any(piece in told for piece in pieces)

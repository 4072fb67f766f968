"""Memories as JSON Lines, to take them elsewhere: one memory a line, in the words of `Memory.add`."""

from collections.abc import AsyncIterator, Iterable

import msgspec

from wakeful.events import Cursor, MemoryForm, Provenance, Remembered, WakefulError
from wakeful.journal import Journal
from wakeful.memory.memory import Memory

_PAGE = 500


class UnreadableMemory(WakefulError):
    """A line is no memory; `line` is its number, from 1."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"Line {line} is no memory: {why}.", hint="Nothing was taken in.")
        self.line = line


class _Line(msgspec.Struct, omit_defaults=True):
    text: str
    at_ns: int
    id: int = 0
    form: MemoryForm = "note"
    source: str = ""
    about: str = ""
    until_ns: int = 0
    span: str = ""
    importance: float = 0.5
    confidence: float = 1.0
    by_model: bool = False
    provenance: Provenance = "user"


async def export(journal: Journal) -> AsyncIterator[bytes]:
    """All memories that were kept, oldest first, a line each. What they rest on is in the journal and stays there."""
    async for seq, memory in _memories(journal):
        fields = {name: getattr(memory, name) for name in _Line.__struct_fields__ if name != "id"}
        yield msgspec.json.encode(_Line(id=seq, **fields)) + b"\n"


async def take_in(memory: Memory, lines: Iterable[bytes]) -> int:
    """Adds the memories of an export, all or none; those that are there already are passed over. Returns how many.

    Raises UnreadableMemory, and JournalError.
    """
    there = {(each.text, each.at_ns, each.source) async for _, each in _memories(memory.journal)}
    events: list[Remembered] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            read = msgspec.json.decode(line, type=_Line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnreadableMemory(number, str(error)) from error
        if (read.text, read.at_ns, read.source) not in there:
            there.add((read.text, read.at_ns, read.source))
            fields = {name: getattr(read, name) for name in _Line.__struct_fields__ if name != "id"}
            events.append(Remembered(**fields))
    await memory.journal.append(events)
    return len(events)


async def _memories(journal: Journal) -> AsyncIterator[tuple[int, Remembered]]:
    cursor = Cursor("")
    while page := await journal.read(cursor, limit=_PAGE, kinds=("memory",)):
        for entry in page:
            if isinstance(entry.event, Remembered):
                yield entry.seq, entry.event
        cursor = page[-1].cursor

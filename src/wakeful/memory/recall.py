"""What the mind is reminded of: earlier thoughts about the names that are in front of it."""

from collections.abc import Collection

from wakeful.events import Entry, Observation, Question, Thought
from wakeful.memory.memory import Memory
from wakeful.memory.words import cue


class Recall:
    """Earlier thoughts, and for `kinds` that say so other memories, that relate to what is seen now."""

    def __init__(self, memory: Memory, *, kinds: Collection[str] = ("thought",)) -> None:
        self._memory = memory
        self._kinds = kinds

    async def recall(
        self, observations: Collection[Observation], *, k: int = 3, without: Collection[int] = ()
    ) -> list[Entry]:
        """The `k` best matching memories about the same names, oldest first.

        without: sequence numbers that the prompt holds already
        Returns none where the observations name nothing that could be looked for.
        """
        query = cue(observation.body for observation in observations)
        if not query:
            return []
        found = await self._memory.recall(query, 4 * k, kinds=self._kinds, neighbours=0, without=without, times=False)
        fresh: dict[str, Entry] = {}
        for each in found:
            event = each.entry.event
            # The same thing thought ten times is one memory.
            fresh.setdefault(event.assessment if isinstance(event, Thought) else event.body, each.entry)
        return sorted(list(fresh.values())[:k], key=lambda entry: entry.seq)

    async def about(self, question: Question, *, limit: int = 20, since_ns: int | None = None) -> list[Entry]:
        """Entries of any kind that may answer a person's question, best first."""
        query = cue([question.text])
        if not query:
            return []
        found = await self._memory.recall(query, limit, since=since_ns, neighbours=0, times=False)
        return [each.entry for each in found]

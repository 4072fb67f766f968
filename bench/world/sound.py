"""Whether a journal holds all that happened, once: what must be so after any number of faults."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.world.hands import ASKED, effects
from bench.world.judge import entries
from bench.world.plan import World
from bench.world.source import marked, place_of
from wakeful.events import (
    ActionRequest,
    ActionResult,
    Notification,
    Observation,
    Salience,
    SetAside,
    Thought,
    ThoughtFailed,
    ThoughtStarted,
    kind_of,
)
from wakeful.journal import Journal

_KINDS = (
    "thought_started",
    "thought",
    "thought_failed",
    "set_aside",
    "notification",
    "action_request",
    "action_result",
    "salience",
)
_MOST_TOLD = 10
_DID = ("done", "unknown")


async def unsound(world: World, folder: Path, *, until_s: float) -> list[str]:
    """What is wrong with the journal in `folder`, in words; empty when all is well.

    until_s: up to when the world was lived through
    """
    async with await Journal.open(folder / "journal.db", read_only=True) as journal:
        wrong = [f"the file: {finding}" for finding in await journal.check()]
        wrong += await _observations(world, journal, until_s)
        wrong += await _doubles(journal, folder)
        wrong += await _left(journal)
    return wrong


async def _observations(world: World, journal: Journal, until_s: float) -> list[str]:
    """Every observation of the world, in its order, once, as it was made."""
    wrong: list[str] = []
    steps = (step for step in range(world.steps) if step * 60 < until_s)
    expected = (each for step in steps for each in marked(world, step))
    seen = 0
    async for entry in entries(journal, ("observation",)):
        found = entry.event
        if not isinstance(found, Observation) or not found.resume or found.source.startswith("wakeful:"):
            continue
        seen += 1
        due = next(expected, None)
        if due is None or (due.resume, due.source, due.text) != (found.resume, found.source, found.text):
            wrong.append(f"#{entry.seq} is {found.resume} of {found.source}, expected {due and due.resume}")
            if len(wrong) >= _MOST_TOLD or due is None:
                return wrong
            while due is not None and place_of(due.resume) < place_of(found.resume):
                due = next(expected, None)
    lost = sum(1 for _ in expected)
    return [*wrong, *([f"{lost} observations after the first {seen} are lost"] if lost else [])]


async def _doubles(journal: Journal, folder: Path) -> list[str]:
    """No thought, notification or action twice, and no observation thought about twice."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in _KINDS}
    thought_about: Counter[int] = Counter()
    shown: dict[str, tuple[int, ...]] = {}
    asked: set[str] = set()
    outcomes: dict[str, str] = {}
    async for entry in entries(journal, _KINDS):
        event = entry.event
        match event:
            case ThoughtStarted():
                shown[event.cycle] = event.evidence if event.reason == "salience" else ()
            case Thought() | SetAside():
                counts[kind_of(event)][event.cycle] += 1
                about = event.evidence if isinstance(event, SetAside) else shown.get(event.cycle, ())
                thought_about.update(about)
            case ThoughtFailed():
                pass  # tried again, as often as it takes
            case Notification() | ActionRequest() | ActionResult():
                counts[kind_of(event)][event.key] += 1
                asked |= {event.key} if isinstance(event, ActionRequest) else set()
                outcomes |= {event.key: event.outcome} if isinstance(event, ActionResult) else {}
            case Salience():
                counts["salience"][str(event.about)] += 1
            case _:
                pass
    wrong = [
        f"{kind} {key} is there {times} times"
        for kind, found in counts.items()
        for key, times in found.items()
        if times > 1
    ]
    wrong += [f"#{seq} was thought about {times} times" for seq, times in thought_about.items() if times > 1]
    done = set(counts["action_result"])
    wrong += [f"the action {key} has no result" for key in asked - done]
    wrong += [f"the result {key} was never asked for" for key in done - asked]
    return [*wrong, *_effects(effects(folder), outcomes)][:_MOST_TOLD]


def _effects(left: Sequence[str], outcomes: Mapping[str, str]) -> list[str]:
    """Whether what was done is what is said to have been done; of the unknown nothing is said."""
    wrong = [f"{key} was done {times} times" for key, times in Counter(left).items() if times > 1]
    wrong += [f"{key} was done and is said to be {outcomes.get(key)}" for key in left if outcomes.get(key) not in _DID]
    done = [key for key, outcome in outcomes.items() if key.startswith(ASKED) and outcome == "done"]
    return [*wrong, *(f"{key} is said to be done and was not" for key in done if key not in set(left))]


async def _left(journal: Journal) -> list[str]:
    """Whether the mind came to the end of what there was."""
    newest = await journal.read(kinds=("observation",), limit=1, newest_first=True)
    unscored = await journal.read(await journal.cursor("attention"), kinds=("observation",)) if newest else []
    waiting = await journal.read(await journal.cursor("mind"), kinds=("salience",))
    wrong = [f"{len(unscored)} observations were never scored"] if unscored else []
    strong = [each.event for each in waiting if isinstance(each.event, Salience)]
    due = [each for each in strong if each.salience >= max(each.threshold, 0.72)]
    return [*wrong, *([f"{len(due)} critical observations wait for ever"] if due else [])]

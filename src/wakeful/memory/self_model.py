"""What the mind knows of its world, its user's wishes, its own habits and errors: a short text of which every version
is kept.

It stands in prompts, so it is kept small, and nobody writes it freely: it changes by patches that are reviewed.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from wakeful.events import ActionRequest, SelfModel, Thought
from wakeful.journal import Journal
from wakeful.memory.hygiene import NotLearnt, against

MAX_CHARS = 2400
"""Characters of the whole text, some 600 tokens."""

CONSUMER = "self_model"
"""The name under which the place in the journal is kept up to which requests were reviewed."""

MAX_LINE_CHARS = 240
MAX_CHANGED_LINES = 6
"""Lines that one patch may add or take out: a model that rewrites all of it at once is not revising but forgetting."""

_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Patch:
    """A change of the self-model, line by line.

    add, remove: lines; what is removed must stand there, letter for letter
    why: what it is for; by: who wants it, `user` or `reflection`; evidence: the entries that it rests on
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    why: str = ""
    by: str = "user"
    evidence: tuple[int, ...] = ()


async def newest(journal: Journal) -> SelfModel | None:
    """The version that is in force, None before there is one."""
    found = await journal.read(kinds=("self_model",), limit=1, newest_first=True)
    return found[0].event if found and isinstance(found[0].event, SelfModel) else None


async def versions(journal: Journal) -> list[SelfModel]:
    """All versions, oldest first."""
    found = await journal.read(kinds=("self_model",), limit=100_000)
    return [entry.event for entry in found if isinstance(entry.event, SelfModel)]


async def revise(journal: Journal, patch: Patch, *, now_ns: int) -> SelfModel:
    """Applies a patch that stands the review, as a new version. Raises NotLearnt for one that does not."""
    before = await newest(journal)
    lines = before.text.splitlines() if before is not None else []
    added = tuple(" ".join(line.split()) for line in patch.add)
    if why := reviewed(lines, added, patch.remove):
        raise NotLearnt(why)
    if patch.by != "user":
        evidence = await journal.get(patch.evidence)
        for line in added:
            if why := against(line, "model", evidence):
                raise NotLearnt(f"{why} ({line!r})")
    kept = [line for line in lines if line not in patch.remove]
    return await _keep(journal, before, "\n".join([*kept, *added]), patch, now_ns)


async def roll_back(journal: Journal, version: int, *, now_ns: int) -> SelfModel:
    """Goes back to the text of a former version, as a new one. Raises NotLearnt where there is no such version."""
    former = next((each for each in await versions(journal) if each.version == version), None)
    if former is None:
        raise NotLearnt(f"there is no version {version} of the self-model")
    patch = Patch(why=f"back to version {version}", by="rollback", evidence=former.evidence)
    return await _keep(journal, await newest(journal), former.text, patch, now_ns)


def patch_of(details: str, *, why: str, evidence: tuple[int, ...]) -> Patch:
    """The patch that a model asks for in words: lines that begin with `-` go, all others (or with `+`) come."""
    lines = [line.strip() for line in details.splitlines() if line.strip()]
    add = tuple(line.removeprefix("+").strip() for line in lines if not line.startswith("-"))
    remove = tuple(line.removeprefix("-").strip() for line in lines if line.startswith("-"))
    return Patch(add=add, remove=remove, why=why, by="reflection", evidence=evidence)


async def follow_requests(journal: Journal, *, now_ns: Callable[[], int] = time.time_ns) -> None:
    """Applies what thoughts ask for by the action `update_model`, where it stands the review; cancel to stop.

    A request that does not is passed over: what it wanted to say stays in its thought. Raises a JournalError.
    """
    place = await journal.cursor(CONSUMER)
    async for entries in journal.tail(place, kinds=("action_request",)):
        for entry in entries:
            request = entry.event
            if isinstance(request, ActionRequest) and request.action == "update_model":
                patch = patch_of(request.details, why="the mind asked for it", evidence=await _shown(journal, request))
                with contextlib.suppress(NotLearnt):  # a second time too, where it ended between these two steps
                    await revise(journal, patch, now_ns=now_ns())
        await journal.commit([], consumer=CONSUMER, expected=place, cursor=entries[-1].cursor)
        place = entries[-1].cursor


async def _shown(journal: Journal, request: ActionRequest) -> tuple[int, ...]:
    """What the thought that asks rests on."""
    newest = await journal.read(kinds=("thought",), limit=_LOOKED_AT, newest_first=True)
    thoughts = (entry.event for entry in newest if isinstance(entry.event, Thought))
    return next((thought.evidence for thought in thoughts if thought.cycle == request.cycle), ())


def reviewed(lines: list[str], add: tuple[str, ...], remove: tuple[str, ...]) -> str:
    """What is wrong with a change of these lines, "" where it may be made."""
    if not add and not remove:
        return "it changes nothing"
    if len(add) + len(remove) > MAX_CHANGED_LINES:
        return f"it changes {len(add) + len(remove)} lines, and {MAX_CHANGED_LINES} are the most at once"
    missing = [line for line in remove if line not in lines]
    if missing:
        return f"there is no line {missing[0]!r} to take out"
    known = {line.casefold() for line in lines if line not in remove}
    for line in add:
        if not line or len(line) > MAX_LINE_CHARS or not line.isprintable():
            return f"a line has 1 to {MAX_LINE_CHARS} printable characters"
        if line.casefold() in known:
            return f"it says {line!r} already"
        known.add(line.casefold())
    size = sum(len(line) + 1 for line in (*(each for each in lines if each not in remove), *add))
    if size > MAX_CHARS:
        return f"it would have {size} characters, and {MAX_CHARS} are the most: take something out"
    return ""


async def _keep(journal: Journal, before: SelfModel | None, text: str, patch: Patch, now_ns: int) -> SelfModel:
    made = SelfModel(
        at_ns=now_ns,
        version=1 if before is None else before.version + 1,
        text=text,
        why=patch.why,
        by=patch.by,
        evidence=patch.evidence,
        provenance="user" if patch.by == "user" else "model",
    )
    await journal.append([made])
    return made

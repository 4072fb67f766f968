"""The outbox: takes requests from the journal, carries each out within the policy, and journals what came of it.

What was committed is all that counts: how a request stands is read from the journal (`ledger`), what is to be done
with it is decided without I/O (`decide`), and nothing runs before its claim is on the disk. A claim moves the cursor of
one consumer by compare-and-set, and so does the kill switch: an action that is begun was neither begun before, nor
after acting was paused.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from wakeful.actions import arguments
from wakeful.actions.approvals import CLAIMS
from wakeful.actions.clean import plain
from wakeful.actions.decide import PAUSED, Ask, Over, Run, next_step
from wakeful.actions.errors import ActionError
from wakeful.actions.ledger import KINDS, Ledger, Open
from wakeful.actions.policy import Policy
from wakeful.actions.tool import Call
from wakeful.actions.toolbox import Toolbox
from wakeful.context import shorten
from wakeful.events import (
    ActionClaimed,
    ActionResult,
    ApprovalExpired,
    ApprovalRequested,
    Cursor,
    Event,
    Notification,
    Observation,
)
from wakeful.journal import CursorMoved, Journal

CONSUMER = "actions"
"""The outbox's name among the journal's consumers: every request before its place has its result."""

SOURCE = "actions"
"""The source of what the outbox itself has to say."""

_HOUR_NS = 3600 * 10**9
_REMEMBERED = 1000
_LOOK_AGAIN_S = 30.0


class Outbox:
    """Carries out what thoughts ask for, within what is allowed."""

    def __init__(
        self, journal: Journal, tools: Toolbox, policy: Policy, *, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._journal = journal
        self._tools = tools
        self._policy = policy
        self._now_ns = now_ns
        self._ledger = Ledger()
        self._low = self._claims = Cursor("")
        self._slots = asyncio.Semaphore(policy.limits.at_once)
        self._minds = asyncio.Semaphore(policy.limits.specialists_at_once)
        self._reading, self._asking = asyncio.Lock(), asyncio.Lock()
        self._claiming, self._committing = asyncio.Lock(), asyncio.Lock()
        self._changed = asyncio.Event()
        self._busy: set[str] = set()
        self._running: dict[str, asyncio.Task[str]] = {}

    async def run(self) -> None:
        """Follows the journal for ever; cancel to stop. Raises JournalError when it can't be read or written."""
        await self._restore()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._expire())
            self._advance(tasks)
            async for _ in self._journal.tail(self._ledger.through, kinds=KINDS):
                await self._catch_up()
                self._advance(tasks)

    async def _restore(self) -> None:
        """Reads how everything stands."""
        self._low = await self._journal.cursor(CONSUMER)
        self._claims = await self._journal.cursor(CLAIMS)
        results = await self._journal.read(kinds=("action_result",), limit=_REMEMBERED, newest_first=True)
        brakes = await self._journal.read(kinds=("brake",), limit=1, newest_first=True)
        done = [entry.event.key for entry in reversed(results) if isinstance(entry.event, ActionResult)]
        self._ledger = Ledger(self._low, done=done, brake=any(getattr(each.event, "on", False) for each in brakes))
        since_ns = self._now_ns() - _HOUR_NS
        for entry in await self._journal.read(kinds=("action_claimed",), since_ns=since_ns, limit=_REMEMBERED):
            self._ledger.remember(entry)
        await self._catch_up()

    async def _catch_up(self) -> None:
        """Takes in whatever the journal holds by now."""
        async with self._reading:
            while entries := await self._journal.read(self._ledger.through, kinds=KINDS):
                for entry in entries:
                    self._ledger.add(entry)
        if self._ledger.brake:
            for task in self._running.values():
                if not task.cancelling():  # it may take a moment to end its program
                    task.cancel()
        self._changed.set()

    def _advance(self, tasks: asyncio.TaskGroup) -> None:
        """Begins with every request whose turn it is."""
        for key, state in self._ledger.open.items():
            if key not in self._busy and not state.waits:
                self._busy.add(key)
                tasks.create_task(self._go_on(key, state))

    async def _go_on(self, key: str, state: Open) -> None:
        try:
            while key in self._ledger.open and not state.waits:
                async with self._slot(state):
                    await self._take_step(state)
        finally:
            self._busy.discard(key)

    def _slot(self, state: Open) -> contextlib.AbstractAsyncContextManager[None]:
        """Specialists wait for each other; what one of them asks for runs in its own place."""
        if _is_inner(state.request.key):
            return contextlib.nullcontext()
        tool = self._tools.get(state.request.tool)
        return self._minds if tool is not None and tool.speaks else self._slots

    async def _take_step(self, state: Open) -> None:
        step = self._next(state)
        if isinstance(step, Ask):
            async with self._asking:  # one at a time, so that each counts those before it
                step = self._next(state)
                if isinstance(step, Ask):
                    await self._ask(state, step)
        if isinstance(step, Over):
            await self._conclude(state, step)
        elif isinstance(step, Run):
            over = await self._claim(state, step) or await self._run(state, step)
            await self._conclude(state, over, step)

    def _next(self, state: Open) -> Over | Ask | Run:
        return next_step(state, self._tools, self._policy, self._ledger, self._now_ns())

    async def _ask(self, state: Open, ask: Ask) -> None:
        now_ns = self._now_ns()
        request = ApprovalRequested(
            at_ns=now_ns,
            key=state.request.key,
            tool=ask.tool.name,
            arguments=ask.arguments,
            shown=ask.shown,
            digest=ask.digest,
            expires_ns=now_ns + int(self._policy.limits.approval_s * 1e9),
            details=state.request.details,
        )
        await self._journal.append([request])
        await self._catch_up()

    async def _claim(self, state: Open, run: Run) -> Over | None:
        """Writes that the action begins; what stands against it where that changed while it waited for its turn."""
        async with self._claiming:
            while True:
                if self._ledger.brake:
                    return Over("declined", PAUSED)
                if not state.claims and (limit := self._policy.too_often(run.tool, self._ledger.ran, self._now_ns())):
                    return Over("declined", f"too often: {limit}")
                claim = ActionClaimed(
                    at_ns=self._now_ns(),
                    key=state.request.key,
                    tool=run.tool.name,
                    arguments=arguments.written(run.arguments),
                    shown=run.shown,
                    repeatable=run.tool.repeatable,
                )
                try:
                    await self._journal.commit([claim], consumer=CLAIMS, expected=self._claims, cursor=state.place)
                except CursorMoved as moved:  # the brake, most likely: look before trying again
                    self._claims = moved.actual
                    await self._catch_up()
                    continue
                self._claims = state.place
                await self._catch_up()
                return None

    async def _run(self, state: Open, run: Run) -> Over:
        """Runs the tool within its limits, behind a fence: whatever it does, there is a result."""
        key, tool = state.request.key, run.tool
        half_done = "declined" if tool.repeatable else "unknown"
        if self._ledger.brake:  # on since the claim: nothing has run
            return Over("declined", PAUSED)
        limit_s = self._policy.timeout_s(tool)
        task = asyncio.ensure_future(tool.run(Call(key, state.request.cycle, run.arguments)))
        self._running[key] = task
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                return Over("done", await task)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is None or current.cancelling():
                raise  # Wakeful stops; the claim tells the next run
            why = PAUSED if self._ledger.brake else "something that it waited for was cancelled"
            return Over(half_done, f"stopped while it ran: {why}")
        except TimeoutError:
            if not limit.expired():
                return Over("failed", "what it waited for took too long")
            return Over("failed" if tool.repeatable else "unknown", f"it took longer than {limit_s:g} s and was ended")
        except ActionError as error:
            return Over("failed", str(error))
        except Exception as error:  # the fence around one tool
            return Over("failed", f"{type(error).__name__}: {error}")
        finally:
            del self._running[key]

    async def _conclude(self, state: Open, over: Over, run: Run | None = None) -> None:
        """One transaction: the result, what the mind sees of it, and the outbox's place."""
        text = shorten(plain(over.text).strip(), self._policy.limits.output_chars)
        request = state.request
        result = ActionResult(at_ns=self._now_ns(), key=request.key, outcome=over.outcome, text=text, tool=request.tool)
        async with self._committing:
            low = self._ledger.low_without(request.key)
            events: Sequence[Event] = [result, *self._observed(state, result, run)]
            await self._journal.commit(events, consumer=CONSUMER, expected=self._low, cursor=low)
            self._low = low
            await self._catch_up()

    def _observed(self, state: Open, result: ActionResult, run: Run | None) -> list[Event]:
        """The result as an observation, where the mind named a tool; what is unknown is told to the user as well."""
        if result.outcome == "unknown":
            text = f"Wakeful does not know what came of its own action: {result.text}"
            seen = Observation(at_ns=result.at_ns, source=SOURCE, form="state", text=text, attrs={"priority": "3"})
            told = Notification(
                at_ns=result.at_ns,
                key=f"unknown:{result.key}",
                severity="warning",
                title="an action may or may not have been done",
                text=result.text,
            )
            return [seen, told]
        if not result.tool or (_is_inner(result.key) and state.asked is None):
            return []
        done = result.outcome == "done"
        speaks = run is not None and run.tool.speaks
        return [
            Observation(
                at_ns=result.at_ns,
                source=f"action:{plain(result.tool)[:60]}",
                form="text" if speaks and done else "output",
                text=result.text if done else f"{result.outcome}: {result.text}",
                # what was not allowed is no failure of the machine, and nothing to be woken by
                attrs={"exit_status": "1" if result.outcome == "failed" else "0", "key": result.key},
                provenance="model" if speaks else "observed",
            )
        ]

    async def _expire(self) -> None:
        """Ends what a person was asked for and did not answer in time."""
        while True:
            self._changed.clear()
            now_ns = self._now_ns()
            asked = [state.asked for state in self._ledger.open.values() if state.waits and state.asked is not None]
            over = [each for each in asked if each.expires_ns <= now_ns]
            if over:
                await self._journal.append(
                    [ApprovalExpired(at_ns=now_ns, key=each.key, digest=each.digest) for each in over]
                )
                await self._catch_up()
                continue
            soonest_s = min(((each.expires_ns - now_ns) / 1e9 for each in asked), default=_LOOK_AGAIN_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(soonest_s, _LOOK_AGAIN_S)):  # the clock may be set meanwhile
                    await self._changed.wait()


def _is_inner(key: str) -> bool:
    return "." in key

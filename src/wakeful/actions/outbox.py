"""The outbox: reads action requests from the journal, carries each out, and journals what came of it.

The result and the outbox's place in the journal are committed together, so that a request has one result however
often the program dies. What may be done so far only looks; the first action that changes something must be claimed
in the journal before it runs.
"""

import asyncio
import time
from collections.abc import Callable

from wakeful.actions.probe import look_closer
from wakeful.events import ActionRequest, ActionResult, Cursor, Entry
from wakeful.journal import Journal

CONSUMER = "actions"
"""The outbox's name among the journal's consumers."""

_PROBE_TIMEOUT_S = 30.0


class Outbox:
    """Carries out what thoughts ask for, within what is allowed.

    allowed: `observe` looks closer (reading only) and `reflect` is granted by thinking on; everything else is
    declined with the reason, since no tool and no specialist is set up.
    """

    def __init__(self, journal: Journal, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._journal = journal
        self._now_ns = now_ns

    async def run(self) -> None:
        """Follows the journal for ever; cancel to stop."""
        cursor = await self._journal.cursor(CONSUMER)
        async for entries in self._journal.tail(cursor, kinds=("action_request",)):
            for entry in entries:
                cursor = await self._carry_out(entry, cursor)

    async def _carry_out(self, entry: Entry, expected: Cursor) -> Cursor:
        request = entry.event
        assert isinstance(request, ActionRequest)
        outcome, text = await self._act(request)
        result = ActionResult(at_ns=self._now_ns(), key=request.key, outcome=outcome, text=text)
        await self._journal.commit([result], consumer=CONSUMER, expected=expected, cursor=entry.cursor)
        return entry.cursor

    async def _act(self, request: ActionRequest) -> tuple[str, str]:
        match request.action:
            case "observe":
                try:
                    async with asyncio.timeout(_PROBE_TIMEOUT_S):
                        return "done", await asyncio.to_thread(look_closer)
                except (TimeoutError, OSError) as error:
                    return "failed", f"could not look closer: {error or 'it took too long'}"
            case "reflect":
                return "done", "kept in mind for the next thought"
            case "update_model":
                return "declined", "the gate learns by itself what is normal; nothing else can be changed yet"
            case "delegate":
                return "declined", "no specialist is set up"
            case other:
                return "declined", f"{other!r} is no action that is allowed"

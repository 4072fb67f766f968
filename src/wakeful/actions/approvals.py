"""Approvals: what waits for a person, and the person's word. Each is for one exact thing, once, for a short time."""

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from wakeful.actions.errors import NoSuchApproval
from wakeful.events import (
    ActionResult,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalRequested,
    Brake,
    Cursor,
)
from wakeful.journal import CursorMoved, Journal

CLAIMS = "actions.claims"
"""The consumer that every claim and every brake moves, so that none is committed past the other unseen."""

CODE_CHARS = 8
_LOOK_BACK_S = 86_400.0 * 2
_KINDS = ("approval_requested", "approval_decided", "approval_expired", "action_result", "action_claimed")


def digest_of(key: str, tool: str, arguments: str, shown: str) -> str:
    """What an approval is bound to: this request, this tool, these arguments, and what the person was shown."""
    return hashlib.sha256(msgspec.json.encode([key, tool, arguments, shown])).hexdigest()


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a person. code: what they type, the beginning of the digest"""

    request: ApprovalRequested

    @property
    def code(self) -> str:
        """What a person types to decide it."""
        return self.request.digest[:CODE_CHARS]


class Approvals:
    """What waits for a person in a journal, from any process."""

    def __init__(self, journal: Journal, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._journal = journal
        self._now_ns = now_ns

    async def waiting(self) -> list[Waiting]:
        """What can still be decided, oldest first."""
        now_ns = self._now_ns()
        since_ns = now_ns - int(_LOOK_BACK_S * 1e9)
        open_: dict[str, ApprovalRequested] = {}
        cursor = Cursor("")
        while entries := await self._journal.read(cursor, kinds=_KINDS, since_ns=since_ns):
            for entry in entries:
                match entry.event:
                    case ApprovalRequested() as request:
                        open_[request.key] = request
                    case ApprovalDecided() | ApprovalExpired() as over:
                        asked = open_.get(over.key)
                        if asked is not None and asked.digest == over.digest:
                            del open_[over.key]
                    case ActionResult() as result:
                        open_.pop(result.key, None)
                    case _:
                        pass
            cursor = entries[-1].cursor
        return [Waiting(request) for request in open_.values() if request.expires_ns > now_ns]

    async def decide(self, code: str, *, approve: bool, by: str) -> ApprovalRequested:
        """Journals the person's word on what `code` stands for: the code, or the whole digest.

        Raises NoSuchApproval when nothing of this code waits (any more).
        """
        wanted = code.strip().casefold()
        found = [each for each in await self.waiting() if _same(each.request.digest, wanted)]
        if len(found) != 1:
            raise NoSuchApproval(
                f"Nothing with the code {wanted[: CODE_CHARS * 8]!r} waits for you.",
                hint="It may have expired, or been decided already: see `wakeful approvals`.",
            )
        request = found[0].request
        decided = ApprovalDecided(at_ns=self._now_ns(), key=request.key, digest=request.digest, approved=approve, by=by)
        await self._journal.append([decided])
        return request

    async def brake(self, *, on: bool, by: str, why: str = "") -> None:
        """Moves the kill switch. When this returns, no action begins that was not begun before."""
        while True:
            expected = await self._journal.cursor(CLAIMS)
            moved = Brake(at_ns=self._now_ns(), on=on, by=by, why=why)
            try:
                # to the journal's end, a place at which no claim ever was: whoever was about to claim has to look again
                await self._journal.commit(
                    [moved], consumer=CLAIMS, expected=expected, cursor=await self._journal.end()
                )
            except CursorMoved:  # something was claimed just now
                continue
            return


def _same(digest: str, wanted: str) -> bool:
    if len(wanted) not in (CODE_CHARS, len(digest)):
        return False
    return hmac.compare_digest(digest[: len(wanted)].encode(), wanted.encode("utf-8", "surrogatepass"))

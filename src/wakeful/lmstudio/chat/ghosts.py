"""Is the server still writing an answer that nobody waits for? After a cancel or a cut it may be.

Servers stop when the connection is dropped, but not all of them, and not at once (lmstudio-bug-tracker 1203, 1994).
A request that follows then waits its turn in silence; were it cut and sent again for that, the work would pile up.
"""

import asyncio

from wakeful.lmstudio.errors import AnswerError, LMStudioError, RequestRefused
from wakeful.lmstudio.http.transport import Transport
from wakeful.lmstudio.http.wire import as_list, as_object

_USUAL_S = 0.1
"""Seconds a token where nothing was learnt yet."""

_FIRST_LOOK_S = 0.1
_LONGEST_LOOK_S = 2.0


class Ghosts:
    """The answers that were left behind, by model."""

    def __init__(self) -> None:
        self._until_s: dict[str, float] = {}
        self._tells = True

    def left(self, model: str, tokens: int, *, now_s: float, per_token_s: float | None) -> None:
        """An answer was left that may be this many tokens from its end. per_token_s: None for unknown."""
        self._until_s[model] = now_s + max(0, tokens) * (per_token_s or _USUAL_S)

    def answered(self, model: str) -> None:
        """The model has begun another answer."""
        self._until_s.pop(model, None)

    def may_take_s(self, model: str, now_s: float) -> float:
        """How long a request may have to wait for such an answer to end, in seconds."""
        if not self._until_s:
            return 0.0
        return max(0.0, self._until_s.get(model, 0.0) - now_s)

    async def settle(self, transport: Transport, model: str) -> None:
        """Wait until the server has nothing to do, where it tells (llama.cpp's `/slots`); else return at once.

        For as long as the answer left behind can take at most.
        """
        loop = asyncio.get_running_loop()
        wait_s = _FIRST_LOOK_S
        while self._tells and self.may_take_s(model, loop.time()) > 0:
            try:
                slots = as_list(await transport.json("GET", "/slots", guarded=False))
            except (RequestRefused, AnswerError):
                self._tells = False  # this server does not say
                return
            except LMStudioError:
                return  # it is not there just now, and so writes nothing
            if not any(as_object(slot).get("is_processing") is True for slot in slots):
                self.answered(model)
                return
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_LOOK_S)

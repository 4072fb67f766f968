"""The sendings of one request: whether there is to be another, and the wait before it."""

import asyncio

from wakeful.lmstudio.errors import LMStudioError
from wakeful.lmstudio.http.retry import decide
from wakeful.lmstudio.http.transport import Transport


class Attempts:
    """Counts how often a request was sent, from now on.

    idempotent: whether sending it twice does no harm, even if the server acted on the first one
    """

    def __init__(self, transport: Transport, *, idempotent: bool = False) -> None:
        self._transport = transport
        self._idempotent = idempotent
        self._started_s = asyncio.get_running_loop().time()
        self.count = 1

    async def again(self, error: LMStudioError, *, began: bool = False) -> bool:
        """Whether to send it again, after having waited for as long as is proper; else raise `error`.

        began: whether any of the answer has reached the caller
        """
        elapsed_s = asyncio.get_running_loop().time() - self._started_s
        wait_s = decide(
            error,
            self.count,
            began=began,
            idempotent=self._idempotent,
            elapsed_s=elapsed_s,
            config=self._transport.retry,
        )
        if wait_s is None:
            error.attempts += self.count - 1
            error.waited_s = elapsed_s
            return False
        if self._transport.on_retry is not None:
            self._transport.on_retry(error, wait_s)
        await asyncio.sleep(wait_s)
        self.count += 1
        return True

"""Answers that share one context: together they may fill it, and then each goes on alone."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Pool:
    """Lets answers run side by side, until some of them ask to run alone: then one after the other."""

    def __init__(self) -> None:
        self._alone = asyncio.Lock()
        self._others = 0
        self._none = asyncio.Event()
        self._none.set()

    @asynccontextmanager
    async def turn(self, *, alone: bool) -> AsyncGenerator[None]:
        """For as long as one request runs. alone: no other one runs meanwhile."""
        if alone:
            async with self._alone:
                await self._none.wait()
                yield
            return
        if self._alone.locked():
            async with self._alone:
                pass  # those who were there before have had their turn
        self._others += 1
        self._none.clear()
        try:
            yield
        finally:
            self._others -= 1
            if not self._others:
                self._none.set()

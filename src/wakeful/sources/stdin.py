"""Standard input, until its end."""

import asyncio
import os
import select
import threading
import time
from collections.abc import AsyncGenerator, Iterator, Sequence

from wakeful.events import Observation
from wakeful.sources.lines import Line, LineReader, bundles
from wakeful.sources.source import Clock

READ_BYTES = 256 * 1024
PARTIAL_S = 5.0
"""A line without an end is told as it is when it has waited so long."""


class StdinSource:
    """Lines from standard input; at its end it says so once and is done.

    fd: the file descriptor to read, which is left open
    """

    def __init__(self, *, name: str = "stdin", fd: int = 0, now_ns: Clock = time.time_ns) -> None:
        self.name = name
        self._fd = fd
        self._now_ns = now_ns

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        """Lines as they come; returns at the end of the input. What was read before can't be read again."""
        reader = _ReadThread(self._fd)
        lines = LineReader()
        pending: asyncio.Task[bytes] | None = None
        try:
            while True:
                pending = pending or asyncio.create_task(reader.read())
                await asyncio.wait([pending], timeout=PARTIAL_S if lines.partial else None)
                if not pending.done():
                    told = lines.flush()
                else:
                    data, pending = pending.result(), None
                    if not data:
                        break
                    told = lines.feed(data)
                for observation in self._observations(told):
                    yield observation
            for observation in self._observations(lines.flush()):
                yield observation
            yield Observation(
                at_ns=self._now_ns(),
                source=self.name,
                form="state",
                text=f"source {self.name} ended",
                subject=self.name,
            )
        finally:
            if pending is not None:
                pending.cancel()
            reader.stop()

    def _observations(self, lines: Sequence[Line]) -> Iterator[Observation]:
        if not lines:
            return
        at_ns = self._now_ns()
        for bundle in bundles(lines, size=lambda line: len(line.text)):
            text = "\n".join(line.text for line in bundle)
            yield Observation(at_ns=at_ns, source=self.name, form="lines", text=text, count=len(bundle))


class _ReadThread:
    """Reads a descriptor when asked, in a thread.

    The loop's own pipe readers would make standard input non-blocking, and with it the terminal that other
    programs and our own output share; and they don't take regular files.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._wake_read, self._wake_write = os.pipe()
        self._go = threading.Semaphore(0)
        self._stopping = False
        self._answer: asyncio.Future[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="wakeful-stdin", daemon=True)
        self._thread.start()

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        self._answer = self._loop.create_future()
        self._go.release()
        return await self._answer

    def stop(self) -> None:
        """Ends the thread (on Windows, with the next input at the latest)."""
        self._stopping = True
        os.write(self._wake_write, b"x")
        self._go.release()
        if os.name == "posix":
            self._thread.join(timeout=1)
        if not self._thread.is_alive():
            os.close(self._wake_read)
        os.close(self._wake_write)

    def _run(self) -> None:
        while True:
            self._go.acquire()
            if self._stopping:
                return
            if os.name == "posix":  # elsewhere only sockets can be selected
                ready, _, _ = select.select([self._fd, self._wake_read], [], [])
                if self._wake_read in ready:
                    return
            try:
                data: bytes | OSError = os.read(self._fd, READ_BYTES)
            except OSError as error:
                data = error
            try:
                self._loop.call_soon_threadsafe(self._deliver, data)
            except RuntimeError:  # the loop was closed while we read
                return

    def _deliver(self, data: bytes | OSError) -> None:
        answer = self._answer
        if answer is None or answer.done():
            return
        if isinstance(data, OSError):
            answer.set_exception(data)
        else:
            answer.set_result(data)

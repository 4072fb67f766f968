"""Each row of the table of failures, whole and streamed, blocking and not; and that it leaves nothing behind."""

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from fault_table import FAULTS, SECTIONS, Fault, Raises, table
from raw_server import RawServer, good, serving

from wakeful.lmstudio import (
    AsyncLMStudioClient,
    ChatResult,
    ContentDelta,
    Finished,
    LMStudioClient,
    LMStudioError,
    RetryConfig,
    ServerUnreachable,
    Timeouts,
)

DOCS = Path(__file__).parents[2] / "docs" / "client" / "failures.md"
MESSAGES = [{"role": "user", "content": "hello"}]
ONE_RETRY = RetryConfig(max_retries=1, backoff_factor=0)
CALM = Timeouts(connect_s=5, first_token_s=30, between_tokens_s=30, whole_s=30, other_s=30)
IMPATIENT = Timeouts(connect_s=5, first_token_s=0.5, between_tokens_s=0.5, whole_s=0.5, other_s=0.5)
HANGS_S = 60

Ask = Callable[[], Awaitable[ChatResult]]


pytestmark = pytest.mark.usefixtures("nothing_is_left")


@dataclass
class Scene:
    """Where to ask, what it was asked, and what is to happen between two questions."""

    url: str
    server: RawServer | None = None
    between: Callable[[], Awaitable[None]] | None = None


@asynccontextmanager
async def scene_of(fault: Fault) -> AsyncGenerator[Scene]:
    async with AsyncExitStack() as stack:
        match fault.where:
            case "refused":
                with socket.socket() as sock:
                    sock.bind(("127.0.0.1", 0))
                    port = sock.getsockname()[1]
                yield Scene(f"127.0.0.1:{port}")
            case "unknown host":
                yield Scene("http://no-such-host.invalid:1234")
            case "no connection":
                yield Scene(f"127.0.0.1:{_full_queue(stack)}")
            case "restarted":
                first = AsyncExitStack()
                server = await first.enter_async_context(serving(fault.behaviour))

                async def restart() -> None:
                    await first.aclose()
                    await stack.enter_async_context(serving(good, int(server.url.rsplit(":", 1)[1])))

                yield Scene(server.url, between=restart)
            case "server":
                server = await stack.enter_async_context(serving(fault.behaviour))
                yield Scene(server.url, server)


def _full_queue(stack: AsyncExitStack) -> int:
    """The port of one who listens, and takes nobody in."""
    full = stack.enter_context(socket.socket())
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    for _ in range(4):
        caller = stack.enter_context(socket.socket())
        caller.setblocking(False)
        with suppress(BlockingIOError):
            caller.connect(full.getsockname())
    return full.getsockname()[1]


@asynccontextmanager
async def asking(way: str, scene: Scene, timeouts: Timeouts) -> AsyncGenerator[Ask]:
    """Asks one question after the other, in this way."""
    loop = asyncio.get_running_loop()

    def taken() -> None:
        if scene.server is not None:
            loop.call_soon_threadsafe(scene.server.taken.set)

    if way.startswith("blocking"):
        blocking = LMStudioClient(scene.url, timeouts=timeouts, retry=ONE_RETRY)

        def read() -> ChatResult:
            if way == "blocking whole":
                return blocking.chat(MESSAGES)
            for event in blocking.stream(MESSAGES):
                if isinstance(event, ContentDelta):
                    taken()
                elif isinstance(event, Finished):
                    return event.result
            raise AssertionError("no end")

        try:
            yield lambda: asyncio.to_thread(read)
        finally:
            await asyncio.to_thread(blocking.close)
        return

    async with AsyncLMStudioClient(scene.url, timeouts=timeouts, retry=ONE_RETRY) as client:

        async def ask() -> ChatResult:
            if way == "whole":
                return await client.chat(MESSAGES)
            async for event in client.stream(MESSAGES):
                if isinstance(event, ContentDelta):
                    taken()
                elif isinstance(event, Finished):
                    return event.result
            raise AssertionError("no end")

        yield ask


@pytest.mark.parametrize("way", ["whole", "stream", "blocking whole", "blocking stream"])
@pytest.mark.parametrize("fault", FAULTS, ids=[fault.what for fault in FAULTS])
async def test_each(fault: Fault, way: str) -> None:
    if fault.where == "no connection" and sys.platform != "linux":
        pytest.skip("other systems do not let a full queue of connections hang")
    expected = fault.stream if "stream" in way else fault.whole
    timeouts = IMPATIENT if fault.impatient else CALM
    if fault.where == "no connection":
        timeouts = replace(timeouts, connect_s=0.2)
    for behaviour in (fault.behaviour, *fault.variants):
        async with (
            asyncio.timeout(HANGS_S),
            scene_of(replace(fault, behaviour=behaviour)) as scene,
            asking(way, scene, timeouts) as ask,
        ):
            for _ in range(fault.asks - 1):
                await ask()
                if scene.between is not None:
                    await scene.between()
            if isinstance(expected, Raises):
                with pytest.raises(LMStudioError) as caught:
                    await ask()
                _holds(expected, caught.value)
            else:
                assert expected.holds(await ask())
            if scene.server is not None:
                assert len(scene.server.requests) == fault.asks + expected.again


def _holds(expected: Raises, error: LMStudioError) -> None:
    assert type(error) is expected.error, repr(error)
    assert {name: getattr(error, name) for name, _ in expected.fields} == dict(expected.fields)
    assert error.attempts == 1 + expected.again
    assert error.message
    assert error.hint
    assert error.waited_s >= 0
    if isinstance(error, ServerUnreachable):
        assert not error.partial


def test_the_docs_show_this_table() -> None:
    shown = DOCS.read_text(encoding="utf-8")
    for title, faults in SECTIONS:
        rows = table(faults)
        assert f"## {title}\n" in shown
        assert rows in shown, f"docs/client/failures.md should have under “{title}”:\n\n{rows}"

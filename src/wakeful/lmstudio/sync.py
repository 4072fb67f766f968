"""The blocking client: a view of the asynchronous one, which runs in a thread of its own. No logic here."""

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Concatenate, Generic, ParamSpec, Self, TypeVar

from wakeful.lmstudio.chat.events import ChatEvent, ChatResult
from wakeful.lmstudio.chat.stream import ChatStream
from wakeful.lmstudio.client import AsyncLMStudioClient
from wakeful.lmstudio.errors import ClientClosed
from wakeful.lmstudio.hosts.neighbour import Neighbour
from wakeful.lmstudio.http.breaker import CircuitBreaker
from wakeful.lmstudio.http.retry import RetryConfig
from wakeful.lmstudio.http.transport import OnRetry
from wakeful.lmstudio.settings import Timeouts
from wakeful.lmstudio.statistics import Observer, Statistics

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from wakeful.lmstudio.sync_endpoints import (
        BlockingCompletions,
        BlockingEmbeddings,
        BlockingMessages,
        BlockingResponses,
        BlockingV0,
        BlockingV1,
    )

P = ParamSpec("P")
R = TypeVar("R")
Inner = TypeVar("Inner")


class _Thread:
    """The event loop of one client, in a daemon thread that starts with the first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: AbstractContextManager[BlockingPortal] | None = None
        self._portal: BlockingPortal | None = None
        self._closed = False

    def run(self, work: Callable[[], Awaitable[R]]) -> R:
        """What `work` gives, run in the thread. Raises ClientClosed, and RuntimeError inside a running loop."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._started().call(work)
        raise RuntimeError("LMStudioClient would block the running event loop: use AsyncLMStudioClient here")

    def close(self, last: Callable[[], Awaitable[None]]) -> None:
        """Run `last`, then end the thread; calling it again does nothing."""
        with self._lock:
            running, portal = self._running, self._portal
            self._running = self._portal = None
            self._closed = True
        if running is not None and portal is not None:
            portal.call(last)
            running.__exit__(None, None, None)

    def _started(self) -> "BlockingPortal":
        from anyio.from_thread import start_blocking_portal  # only those who block need it

        with self._lock:
            if self._closed:
                raise ClientClosed("The client is closed.")
            if self._portal is None:
                self._running = start_blocking_portal("asyncio")
                self._portal = self._running.__enter__()
            return self._portal


class View(Generic[Inner]):
    """Something asynchronous, and the thread that it runs in."""

    def __init__(self, inner: Inner, thread: _Thread) -> None:
        self.inner = inner
        self.thread = thread


def blocking(
    method: Callable[Concatenate[Inner, P], Awaitable[R]],
) -> Callable[Concatenate[View[Inner], P], R]:
    """`method` as one that blocks until it is done; signature and docstring travel along."""

    @functools.wraps(method)
    def call(self: View[Inner], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.thread.run(lambda: method(self.inner, *args, **kwargs))

    return call


def blocking_stream(
    method: Callable[Concatenate[Inner, P], ChatStream],
) -> "Callable[Concatenate[View[Inner], P], BlockingChatStream]":
    """`method` as one whose stream is iterated over with a plain `for`."""

    @functools.wraps(method)
    def call(self: View[Inner], /, *args: P.args, **kwargs: P.kwargs) -> BlockingChatStream:
        return BlockingChatStream(method(self.inner, *args, **kwargs), self.thread)

    return call


class BlockingChatStream(View[ChatStream], Iterator[ChatEvent]):
    """The events of one answer, as `ChatStream`; leave it by its `with` or `close`, so that the server stops."""

    @property
    def text(self) -> str:
        """The answer so far."""
        return self.inner.text

    @property
    def reasoning(self) -> str:
        """The reasoning so far."""
        return self.inner.reasoning

    @property
    def result(self) -> ChatResult | None:
        """The whole answer, once it is there."""
        return self.inner.result

    @property
    def so_far(self) -> ChatResult:
        """All that there is so far, its counts and times included."""

        async def so_far() -> ChatResult:
            return self.inner.so_far  # its times are those of the thread's loop

        return self.thread.run(so_far)

    def __next__(self) -> ChatEvent:
        event = self.inner.next_ready()  # no change of thread for what has come already
        if event is None:
            event = self.thread.run(lambda: anext(self.inner, None))
        if event is None:
            raise StopIteration
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop; the server stops too. Does nothing after the end."""
        self.thread.run(self.inner.aclose)

    def cancel(self) -> ChatResult:
        """Stop from any thread; gives what there is so far. Whoever iterates gets `Finished` with it."""

        async def cancel() -> ChatResult:
            return self.inner.cancel()

        return self.thread.run(cancel)

    collect = blocking(ChatStream.collect)


class LMStudioClient(View[AsyncLMStudioClient]):
    """The client for programs without an event loop; the same methods as `AsyncLMStudioClient`, which block.

    Safe to use from several threads. Raises RuntimeError when it is called inside a running event loop.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_token: str | None = None,
        timeouts: Timeouts | None = None,
        retry: RetryConfig | None = None,
        on_retry: OnRetry | None = None,
        breaker: CircuitBreaker | None = None,
        observers: Sequence[Observer] = (),
        neighbour: Neighbour | None = None,
    ) -> None:
        inner = AsyncLMStudioClient(
            base_url,
            api_token=api_token,
            timeouts=timeouts,
            retry=retry,
            on_retry=on_retry,
            breaker=breaker,
            observers=observers,
            neighbour=neighbour,
        )
        super().__init__(inner, _Thread())

    @property
    def base_url(self) -> str:
        """The server's root, without `/v1`."""
        return self.inner.base_url

    @property
    def embeddings(self) -> "BlockingEmbeddings":
        """As `AsyncLMStudioClient.embeddings`."""
        from wakeful.lmstudio.sync_endpoints import BlockingEmbeddings

        return BlockingEmbeddings(self.inner.embeddings, self.thread)

    @property
    def completions(self) -> "BlockingCompletions":
        """As `AsyncLMStudioClient.completions`."""
        from wakeful.lmstudio.sync_endpoints import BlockingCompletions

        return BlockingCompletions(self.inner.completions, self.thread)

    @property
    def responses(self) -> "BlockingResponses":
        """As `AsyncLMStudioClient.responses`."""
        from wakeful.lmstudio.sync_endpoints import BlockingResponses

        return BlockingResponses(self.inner.responses, self.thread)

    @property
    def messages(self) -> "BlockingMessages":
        """As `AsyncLMStudioClient.messages`."""
        from wakeful.lmstudio.sync_endpoints import BlockingMessages

        return BlockingMessages(self.inner.messages, self.thread)

    @property
    def v0(self) -> "BlockingV0":
        """As `AsyncLMStudioClient.v0`."""
        from wakeful.lmstudio.sync_endpoints import BlockingV0

        return BlockingV0(self.inner.v0, self.thread)

    @property
    def v1(self) -> "BlockingV1":
        """As `AsyncLMStudioClient.v1`."""
        from wakeful.lmstudio.sync_endpoints import BlockingV1

        return BlockingV1(self.inner.v1, self.thread)

    @property
    def statistics(self) -> Statistics:
        """Tokens, times and errors of the chats so far, per model."""
        return self.inner.statistics

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections and end the thread; answers that are still coming break off."""
        self.thread.close(self.inner.close)

    list_models = blocking(AsyncLMStudioClient.list_models)
    loaded_model = blocking(AsyncLMStudioClient.loaded_model)
    chat = blocking(AsyncLMStudioClient.chat)
    chat_all = blocking(AsyncLMStudioClient.chat_all)
    respond = blocking(AsyncLMStudioClient.respond)
    stream = blocking_stream(AsyncLMStudioClient.stream)
    think_then_constrain = blocking(AsyncLMStudioClient.think_then_constrain)
    structured = blocking(AsyncLMStudioClient.structured)
    act = blocking(AsyncLMStudioClient.act)
    load_model = blocking(AsyncLMStudioClient.load_model)
    unload_model = blocking(AsyncLMStudioClient.unload_model)
    ensure_loaded = blocking(AsyncLMStudioClient.ensure_loaded)
    wait_for_model = blocking(AsyncLMStudioClient.wait_for_model)
    start_download = blocking(AsyncLMStudioClient.start_download)
    download_status = blocking(AsyncLMStudioClient.download_status)
    download_model = blocking(AsyncLMStudioClient.download_model)
    create_completion = blocking(AsyncLMStudioClient.create_completion)
    create_completion_simple = blocking(AsyncLMStudioClient.create_completion_simple)
    health_check = blocking(AsyncLMStudioClient.health_check)
    wait_for_connection = blocking(AsyncLMStudioClient.wait_for_connection)
    count_tokens = blocking(AsyncLMStudioClient.count_tokens)
    health = blocking(AsyncLMStudioClient.health)
    wait_until_up = blocking(AsyncLMStudioClient.wait_until_up)

"""The further endpoints for programs without an event loop. No logic here."""

from collections.abc import Callable, Iterator
from functools import wraps
from types import TracebackType
from typing import Concatenate, Generic, ParamSpec, Self, TypeVar

from wakeful.lmstudio.endpoints.anthropic import MessagesEndpoint
from wakeful.lmstudio.endpoints.completions import CompletionsEndpoint
from wakeful.lmstudio.endpoints.embeddings import EmbeddingsEndpoint
from wakeful.lmstudio.endpoints.responses import ResponsesEndpoint
from wakeful.lmstudio.endpoints.streams import EventStream
from wakeful.lmstudio.endpoints.v0 import V0Endpoints
from wakeful.lmstudio.endpoints.v1_chat import V1ChatEndpoint
from wakeful.lmstudio.sync import View, blocking

P = ParamSpec("P")
E = TypeVar("E")
R = TypeVar("R")
Inner = TypeVar("Inner")


class BlockingEventStream(View[EventStream[E, R]], Iterator[E], Generic[E, R]):
    """The events of one answer; leave it by its `with` or `close`, so that the server stops."""

    @property
    def text(self) -> str:
        """The answer so far, reasoning left out."""
        return self.inner.text

    @property
    def result(self) -> R | None:
        """The whole answer, once it is there."""
        return self.inner.result

    def __next__(self) -> E:
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

    def collect(self) -> R:
        """Wait for the whole answer."""
        return self.thread.run(self.inner.collect)


def streaming(
    method: Callable[Concatenate[Inner, P], EventStream[E, R]],
) -> Callable[Concatenate[View[Inner], P], BlockingEventStream[E, R]]:
    """`method` as one whose stream is iterated over with a plain `for`."""

    @wraps(method)
    def call(self: View[Inner], /, *args: P.args, **kwargs: P.kwargs) -> BlockingEventStream[E, R]:
        return BlockingEventStream(method(self.inner, *args, **kwargs), self.thread)

    return call


class BlockingEmbeddings(View[EmbeddingsEndpoint]):
    """`EmbeddingsEndpoint`, blocking."""

    create = blocking(EmbeddingsEndpoint.create)


class BlockingCompletions(View[CompletionsEndpoint]):
    """`CompletionsEndpoint`, blocking."""

    create = blocking(CompletionsEndpoint.create)
    stream = streaming(CompletionsEndpoint.stream)


class BlockingResponses(View[ResponsesEndpoint]):
    """`ResponsesEndpoint`, blocking."""

    create = blocking(ResponsesEndpoint.create)
    stream = streaming(ResponsesEndpoint.stream)


class BlockingMessages(View[MessagesEndpoint]):
    """`MessagesEndpoint`, blocking."""

    create = blocking(MessagesEndpoint.create)
    stream = streaming(MessagesEndpoint.stream)


class BlockingV0(View[V0Endpoints]):
    """`V0Endpoints`, blocking."""

    models = blocking(V0Endpoints.models)
    model = blocking(V0Endpoints.model)
    chat = blocking(V0Endpoints.chat)
    complete = blocking(V0Endpoints.complete)

    @property
    def embeddings(self) -> BlockingEmbeddings:
        """Texts to vectors, with statistics."""
        return BlockingEmbeddings(self.inner.embeddings, self.thread)


class BlockingV1(View[V1ChatEndpoint]):
    """`V1ChatEndpoint`, blocking."""

    create = blocking(V1ChatEndpoint.create)
    stream = streaming(V1ChatEndpoint.stream)

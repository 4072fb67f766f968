"""Many requests at once, a few at a time, with their answers in order."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Sequence, Sized
from contextlib import aclosing
from typing import Literal, TypeVar, Unpack, cast, overload

from wakeful.lmstudio.chat.events import ChatResult, Message
from wakeful.lmstudio.chat.request import CanChat, ChatOptions
from wakeful.lmstudio.errors import LMStudioError

T = TypeVar("T")
R = TypeVar("R")

Progress = Callable[[int, int | None], object]
"""Called with how many are done, and how many there are, None where that is not known beforehand."""


@overload
async def batch(
    work: Callable[[T], Awaitable[R]],
    inputs: Iterable[T] | AsyncIterable[T],
    *,
    concurrency: int = ...,
    on_progress: Progress | None = ...,
    errors: Literal["raise"] = ...,
) -> list[R]: ...
@overload
async def batch(
    work: Callable[[T], Awaitable[R]],
    inputs: Iterable[T] | AsyncIterable[T],
    *,
    concurrency: int = ...,
    on_progress: Progress | None = ...,
    errors: Literal["return"],
) -> list[R | LMStudioError]: ...
async def batch(
    work: Callable[[T], Awaitable[R]],
    inputs: Iterable[T] | AsyncIterable[T],
    *,
    concurrency: int = 4,
    on_progress: Progress | None = None,
    errors: Literal["raise", "return"] = "raise",
) -> list[R] | list[R | LMStudioError]:
    """What `work` gives for each input, in the order of the inputs.

    inputs: taken one by one as there is room, so it may be a generator, or an asynchronous one, of any length
    concurrency: how many are under way at most; more than the server has slots only makes them wait there
    errors: `raise` stops all others at the first error and raises it; `return` puts each LMStudioError into
        the place of its answer
    Raises ValueError when concurrency < 1.
    """
    if concurrency < 1:
        raise ValueError("concurrency has to be at least 1")
    total = len(inputs) if isinstance(inputs, Sized) else None
    waiting = _numbered(inputs)
    taking = asyncio.Lock()  # an asynchronous generator may be asked by one at a time only
    done: dict[int, R | LMStudioError] = {}

    async def worker() -> None:
        while True:
            async with taking:
                try:
                    at, each = await anext(waiting)
                except StopAsyncIteration:
                    return
            try:
                done[at] = await work(each)
            except LMStudioError as error:
                if errors == "raise":
                    raise
                done[at] = error
            if on_progress is not None:
                on_progress(len(done), total)

    try:
        async with aclosing(waiting), asyncio.TaskGroup() as group:
            for _ in range(concurrency if total is None else min(concurrency, total)):
                group.create_task(worker())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures  # callers expect the error itself
    return [done[at] for at in range(len(done))]  # pyright: ignore[reportReturnType]  # `raise` leaves no error in it


async def chat_all(
    client: CanChat,
    questions: Iterable[str | Sequence[Message]],
    *,
    concurrency: int = 4,
    on_progress: Progress | None = None,
    **options: Unpack[ChatOptions],
) -> list[ChatResult]:
    """The answers to many questions, in their order, a few at a time; the first error stops the others.

    questions: texts, or conversations; concurrency, on_progress: as of `batch`, which does more for asynchronous
        programs; on_progress is called in the client's thread
    options: as for `chat`, the same for all
    Raises what the client raises, and ValueError when concurrency < 1.
    """

    async def ask(question: str | Sequence[Message]) -> ChatResult:
        return await client.chat(question, **options)

    return await batch(ask, questions, concurrency=concurrency, on_progress=on_progress)


async def _numbered(inputs: Iterable[T] | AsyncIterable[T]) -> AsyncGenerator[tuple[int, T], None]:
    at = 0
    if isinstance(inputs, AsyncGenerator):
        generator = cast("AsyncGenerator[T, None]", inputs)
        async with aclosing(generator):  # or it would be closed some time later, by nobody
            async for each in generator:
                yield at, each
                at += 1
    elif isinstance(inputs, AsyncIterable):
        async for each in inputs:
            yield at, each
            at += 1
    else:
        for each in inputs:
            yield at, each
            at += 1

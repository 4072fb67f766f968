"""A real model in a real child process, and what it said."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from wakeful.engine.life.descriptor import Descriptor, Kind
from wakeful.engine.life.settings import LoadConfig
from wakeful.engine.llama.load import load_llama
from wakeful.engine.llama.runner import LlamaRunner
from wakeful.engine.runner.pieces import Done, Piece, Text
from wakeful.engine.runner.request import Sampling

HELLO = ({"role": "user", "content": "hello"},)
ON_AND_ON = Sampling(extra={"ignore_eos": True})


def nobody(_: float) -> None:
    return


@asynccontextmanager
async def running(
    file: Path, *, context_length: int = 2048, parallel: int = 2, kind: Kind = "llm"
) -> AsyncGenerator[LlamaRunner]:
    asked = LoadConfig(context_length=context_length, parallel=parallel, threads=1)
    runner = await load_llama(Descriptor(key="m", file=file, kind=kind), asked, nobody)
    try:
        yield runner
    finally:
        await runner.close()


async def all_of(pieces: AsyncIterator[Piece]) -> list[Piece]:
    return [piece async for piece in pieces]


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, Text))


def end_of(pieces: list[Piece]) -> Done:
    last = pieces[-1]
    assert isinstance(last, Done)
    return last


def pid_of(runner: LlamaRunner) -> int:
    pid = runner._engine.health.pid
    assert pid is not None
    return pid

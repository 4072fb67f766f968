"""What one client costs, in a process of its own: `python -m bench.lmstudio_child NAME URL PART…` prints JSON."""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from bench.lmstudio_contestants import Contestant, Floor, Ours
from bench.lmstudio_others import Httpx, LangChain, LiteLLM, LMStudioSDK, OpenAI, PydanticAI

ENTRANTS: dict[str, tuple[type[Contestant], bool]] = {
    "floor-uvloop": (Floor, True),
    "ours-uvloop": (Ours, True),
    "floor": (Floor, False),
    "ours": (Ours, False),
    "httpx": (Httpx, False),
    "lmstudio-sdk": (LMStudioSDK, False),
    "openai": (OpenAI, False),
    "pydantic-ai": (PydanticAI, False),
    "langchain": (LangChain, False),
    "litellm": (LiteLLM, False),
}
"""Each client, and whether it runs on uvloop."""

BURST_CHUNKS = 10_000
TEXTS, DIMENSIONS = 64, 768
_REQUESTS = 300
_ENOUGH_S = 4.0  # a slow client's repetitions end after so long


async def burst(client: Contestant) -> float:
    """Microseconds of CPU a chunk."""
    pieces: list[str] = []
    spent_s = await _cpu(client.stream("burst", pieces.append))
    _must(len(pieces) == BURST_CHUNKS, f"{len(pieces)} chunks came")
    return spent_s / BURST_CHUNKS * 1e6


async def request(client: Contestant) -> float:
    """Microseconds of CPU a small request, one after the other."""

    async def all_of_them() -> None:
        for _ in range(_REQUESTS):
            _must((await client.chat("small")).endswith("nine days."), "not the answer")

    return await _cpu(all_of_them()) / _REQUESTS * 1e6


def embedding(model: str) -> Callable[[Contestant], Awaitable[float]]:
    texts = [f"The disk of server {at} is nearly full." for at in range(TEXTS)]

    async def measured(client: Contestant) -> float:
        """Milliseconds of CPU for all texts."""
        begun_s = time.process_time()
        vectors = await client.embed(model, texts)
        spent_s = time.process_time() - begun_s
        _must([len(each) for each in vectors] == [DIMENSIONS] * TEXTS, "not the vectors")
        return spent_s * 1e3

    return measured


async def paced(client: Contestant, streams: int, seconds: float) -> tuple[float, float, float]:
    """Microseconds of CPU a token once all streams run, and how long a token is under way: median and p99, in ms."""
    texts: list[str] = []
    arrived_ns: list[int] = []
    begun_s = 0.0

    def on_text(text: str) -> None:
        nonlocal begun_s
        if not texts:
            begun_s = time.process_time()
        arrived_ns.append(time.monotonic_ns())
        texts.append(text)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(streams):
            tasks.create_task(client.stream(f"paced-{streams}-{seconds}", on_text))
    spent_s = time.process_time() - begun_s
    delays_ms = [
        (at_ns - int(sent_ns)) / 1e6 for text, at_ns in zip(texts, arrived_ns, strict=True) for sent_ns in text.split()
    ]
    cuts = statistics.quantiles(delays_ms, n=100)
    return spent_s / len(delays_ms) * 1e6, cuts[49], cuts[98]


_PARTS: dict[str, Callable[[Contestant], Awaitable[float]]] = {
    "burst": burst,
    "request": request,
    "floats": embedding("floats"),
    "base64": embedding("base64"),
}


async def measure(name: str, url: str, parts: list[str], repeats: int) -> dict[str, Any]:
    """Every part's figures, each after one round to warm up; a part that the client can't do has the reason instead."""
    figures: dict[str, Any] = {}
    async with ENTRANTS[name][0](url) as client:
        for part in parts:
            try:
                if part.startswith("paced"):
                    _, streams, seconds = part.split("-")
                    cost_us, p50_ms, p99_ms = await paced(client, int(streams), float(seconds))
                    figures[part] = {f"paced-{streams} us": [cost_us]}
                    figures[part] |= {f"paced-{streams} p50_ms": [p50_ms], f"paced-{streams} p99_ms": [p99_ms]}
                else:
                    figures[part] = await _repeated(_PARTS[part], client, repeats)
            except (NotImplementedError, AttributeError) as error:
                figures[part] = str(error)
    return figures


async def _repeated(part: Callable[[Contestant], Awaitable[float]], client: Contestant, repeats: int) -> list[float]:
    await part(client)
    begun_s = time.monotonic()
    values: list[float] = []
    while len(values) < repeats and (not values or time.monotonic() - begun_s < _ENOUGH_S):
        values.append(await part(client))
    return values


async def _cpu(work: Coroutine[Any, Any, None]) -> float:
    begun_s = time.process_time()
    await work
    return time.process_time() - begun_s


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise RuntimeError(what)


def main() -> None:
    name, url, repeats, *parts = sys.argv[1:]
    run: Callable[[Coroutine[Any, Any, dict[str, Any]]], dict[str, Any]] = asyncio.run
    if ENTRANTS[name][1]:
        import uvloop

        run = uvloop.run
    print(json.dumps(run(measure(name, url, parts, int(repeats)))))


if __name__ == "__main__":
    main()

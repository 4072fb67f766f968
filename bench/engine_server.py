"""The servers under measurement, each in a process of its own: ours, and llama.cpp's bare one in xllamacpp.

    python -m bench.engine_server ours|bare MODEL.gguf THREADS STREAMS CONTEXT

It prints its URL when it is ready, and ends with its standard input.
"""

import asyncio
import importlib
import importlib.util
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wakeful.engine.files.gguf import read_header
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.models import Models
from wakeful.engine.life.settings import LoadConfig
from wakeful.engine.llama.load import load_llama
from wakeful.engine.llama.memory import prompt_cache_mib
from wakeful.engine.server.app import serving

KEY = "measured"


def bare(file: str, threads: int, streams: int, context: int) -> None:
    """llama.cpp's own listener, with the settings that ours gives its child."""
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = file
    params.model_alias = {KEY}
    params.n_ctx, params.n_parallel, params.kv_unified = context, streams, True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_threads_http = streams + 3
    params.ui, params.verbosity = False, 1
    params.cache_ram_mib = prompt_cache_mib(read_header(Path(file)).cache_bytes(context))
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


async def ours(file: str, threads: int, streams: int, context: int) -> None:
    """Ours, with the model loaded."""
    model = Descriptor(key=KEY, file=Path(file))

    async def known() -> Sequence[Descriptor]:
        return [model]

    models = Models(known, load_llama)
    await models.load(KEY, LoadConfig(context_length=context, parallel=streams, threads=threads))
    try:
        async with serving(models) as url:
            print(url, flush=True)
            await _stdin_ends()
    finally:
        await models.close()


async def _stdin_ends() -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def watch() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=watch, daemon=True).start()
    await ended.wait()


def main() -> None:
    """See the module."""
    kind, file, threads, streams, context = sys.argv[1:]
    if kind == "bare":
        bare(file, int(threads), int(streams), int(context))
        return
    # on uvloop where it is installed, as `wakeful serve` does it
    factory = importlib.import_module("uvloop").new_event_loop if importlib.util.find_spec("uvloop") else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(ours(file, int(threads), int(streams), int(context)))


if __name__ == "__main__":
    main()

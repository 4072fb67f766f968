"""The engine's own process: llama.cpp on a loopback port, for as long as its parent lives.

Run as a file of its own, apart from the package, so that it loads next to nothing. It reads its settings as
one line of JSON from standard input, writes one line of JSON to standard output when it listens, and ends
when standard input ends, which it does however the parent dies. While a model is being loaded no Python code
runs to notice that; on Linux the kernel kills it then too.
"""

import importlib
import os
import signal
import sys
import threading
from typing import Any

import msgspec

EXIT_PARENT_GONE = 0
EXIT_START_FAILED = 3


class ChildSettings(msgspec.Struct, frozen=True):
    """What the child is told. port: 0 for any; gpu_layers: -1 for as many as fit, where there is a GPU."""

    model: str
    name: str
    context_tokens: int
    threads: int
    port: int
    api_token: str
    gpu_layers: int
    prompt_cache_mib: int
    parent_pid: int


class ChildReady(msgspec.Struct, frozen=True):
    """What the child says when it listens."""

    address: str


def main() -> None:
    """Load the model, listen, say so, and wait for the parent's end."""
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=ChildSettings)
    _die_with(settings.parent_pid)
    # The engine writes to the process's own standard output too; only our one line may come out there.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    threading.Thread(target=_end_with_input, name="parent-watch", daemon=True).start()
    try:
        server = _listen(settings)
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        os._exit(EXIT_START_FAILED)
    out.write(msgspec.json.encode(ChildReady(server.listening_address)) + b"\n")
    threading.Event().wait()


def _listen(settings: ChildSettings) -> Any:
    # 100 MB of library without type stubs: loaded here and nowhere else
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = settings.model
    params.model_alias = {settings.name}
    params.n_ctx = settings.context_tokens
    params.n_parallel = 1  # one mind: with more slots, each would get a part of the context
    params.n_gpu_layers = settings.gpu_layers
    params.cpuparams.n_threads = settings.threads
    params.cpuparams_batch.n_threads = settings.threads
    params.hostnames = ["127.0.0.1"]
    params.port = settings.port
    params.cache_prompt = True
    params.cache_ram_mib = settings.prompt_cache_mib
    # A web page in the user's browser can reach loopback ports: it gets neither permission nor a token.
    params.api_keys = [settings.api_token]
    params.cors_origins = ""
    params.ui = False
    params.endpoint_slots = False  # it would show prompts
    params.n_threads_http = 4
    params.verbosity = 1
    return xllamacpp.Server(params)


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(EXIT_PARENT_GONE)


def _die_with(parent_pid: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes

    pr_set_pdeathsig = 1  # linux/prctl.h
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(EXIT_PARENT_GONE)  # it died before the kernel was told


if __name__ == "__main__":
    main()

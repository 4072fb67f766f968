"""The engine's own process: llama.cpp on a loopback port, for as long as its parent lives.

Run as a file of its own, apart from the package, so that it loads next to nothing. It reads its settings as
one line of JSON from standard input, writes one line of JSON to standard output when it listens, and ends
when standard input ends, which it does however the parent dies. While a model is being loaded no Python code
runs to notice that; on Linux the kernel kills it then too.
"""

import importlib
import os
import signal
import socket
import sys
import threading
import time
from typing import Any, NoReturn

import msgspec

EXIT_PARENT_GONE = 0
EXIT_START_FAILED = 3
_LAST_WORDS_S = 0.3


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How the model is run; None for llama.cpp's own choice.

    parallel: generations at once; they share the context
    embedding: it gives vectors instead of texts
    projector: the file with which it sees images, "" for none
    batch, physical_batch: tokens read at once, as asked of the model and as really done
    keep_in_memory: its pages are never swapped out; mmap: they are read when they are needed
    k_type, v_type: of the attention cache's numbers, such as `q8_0`
    pooling: how an embedding is made of those of its tokens, such as `mean`; "" for the model's own way
    """

    parallel: int = 1
    embedding: bool = False
    projector: str = ""
    batch: int | None = None
    physical_batch: int | None = None
    flash_attention: bool | None = None
    cache_on_gpu: bool = True
    mmap: bool | None = None
    keep_in_memory: bool = False
    k_type: str = ""
    v_type: str = ""
    seed: int | None = None
    rope_base: float | None = None
    rope_scale: float | None = None
    chat_template: str = ""
    pooling: str = ""


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
    options: Options = Options()


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
        # the engine's own words may be cut off by its end, so the commonest reason is looked for here
        taken = f": couldn't bind port {settings.port}" if _is_taken(settings.port) else ""
        sys.stderr.write(f"\n{error}{taken}\n")
        sys.stderr.flush()
        _exit_with_last_words()
    out.write(msgspec.json.encode(ChildReady(server.listening_address)) + b"\n")
    threading.Event().wait()


def _listen(settings: ChildSettings) -> Any:
    # 100 MB of library without type stubs: loaded here and nowhere else
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = settings.model
    params.model_alias = {settings.name}
    params.n_ctx = settings.context_tokens
    params.n_parallel = settings.options.parallel
    params.kv_unified = True  # with several slots, each could else have only its part of the context
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
    # each answer under way keeps a thread; the others are for questions about tokens and templates
    params.n_threads_http = settings.options.parallel + 3
    params.verbosity = 1
    _set_options(xllamacpp, params, settings)
    return xllamacpp.Server(params)


def _set_options(xllamacpp: Any, params: Any, settings: ChildSettings) -> None:
    options = settings.options
    if options.embedding:
        # a text is read at once, so the batch must hold the longest that there can be
        params.embedding = True
        params.n_batch = params.n_ubatch = settings.context_tokens
        if options.pooling:
            kinds = xllamacpp.llama_pooling_type
            params.pooling_type = getattr(kinds, f"LLAMA_POOLING_TYPE_{options.pooling.upper()}")
    if options.projector:
        params.mmproj.path = options.projector
    if options.batch is not None and not options.embedding:
        params.n_batch = options.batch
        params.n_ubatch = min(options.batch, params.n_ubatch)
    if options.physical_batch is not None and not options.embedding:
        params.n_ubatch = min(options.physical_batch, params.n_batch)
    if options.flash_attention is not None:
        kinds = xllamacpp.llama_flash_attn_type
        params.flash_attn_type = (
            kinds.LLAMA_FLASH_ATTN_TYPE_ENABLED if options.flash_attention else kinds.LLAMA_FLASH_ATTN_TYPE_DISABLED
        )
    params.no_kv_offload = not options.cache_on_gpu
    modes = xllamacpp.llama_load_mode
    if options.keep_in_memory:
        params.load_mode = modes.LLAMA_LOAD_MODE_MLOCK if options.mmap is False else modes.LLAMA_LOAD_MODE_MMAP_MLOCK
    elif options.mmap is not None:
        params.load_mode = modes.LLAMA_LOAD_MODE_MMAP if options.mmap else modes.LLAMA_LOAD_MODE_NONE
    if options.k_type:
        params.cache_type_k = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{options.k_type.upper()}")
    if options.v_type:
        params.cache_type_v = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{options.v_type.upper()}")
    if options.seed is not None:
        params.sampling.seed = options.seed
    if options.rope_base is not None:
        params.rope_freq_base = options.rope_base
    if options.rope_scale is not None:
        params.rope_freq_scale = options.rope_scale
    if options.chat_template:
        params.chat_template = options.chat_template


def _exit_with_last_words() -> NoReturn:
    """End after a moment for the engine's own log, which a thread of its writes and which can't be waited for."""
    time.sleep(_LAST_WORDS_S)
    os._exit(EXIT_START_FAILED)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return port != 0
    return False


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

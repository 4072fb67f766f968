"""Loading: how settings become llama.cpp's, how far it is, what does not fit, and what a cancelled load leaves."""

import asyncio
from pathlib import Path

import msgspec
import psutil
import pytest
from chain_gguf import write_chain_gguf
from running import HELLO, ON_AND_ON, all_of, nobody, text_of
from tiny_gguf import write_tiny_gguf

from wakeful.engine.errors import LoadRefused, NotEnoughMemory
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.settings import LoadConfig
from wakeful.engine.llama.child import Options
from wakeful.engine.llama.load import gpu_layers, load_llama, options
from wakeful.engine.llama.memory import estimate_load
from wakeful.engine.llama.process import loaded_share
from wakeful.engine.llama.runner import LlamaRunner
from wakeful.engine.runner.request import Generation

PLAIN = Descriptor(key="m")


class Slot(msgspec.Struct):
    n_ctx: int


class Props(msgspec.Struct):
    total_slots: int
    default_generation_settings: Slot


async def loaded(file: Path, config: LoadConfig) -> LlamaRunner:
    return await load_llama(Descriptor(key="m", file=file), config, nobody)


async def test_settings_reach_the_model(tmp_path: Path) -> None:
    file = write_chain_gguf(tmp_path / "m.gguf", ["Hello", " there"])
    config = LoadConfig(
        context_length=512,
        parallel=3,
        threads=1,
        eval_batch_size=64,
        physical_batch_size=32,
        flash_attention=True,
        offload_kv_cache_to_gpu=False,
        mmap=False,
        k_cache_type="f32",
        v_cache_type="f32",
        rope_base=20_000.0,
        rope_scale=0.5,
        seed=7,
    )
    runner = await loaded(file, config)
    try:
        props = await runner._link.get("/props", Props)
        assert (props.total_slots, props.default_generation_settings.n_ctx) == (3, 512)
        assert text_of(await all_of(runner.generate(Generation(messages=HELLO)))) == "Hello there"
    finally:
        await runner.close()


async def test_a_seed_of_the_load_is_the_default(tiny: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        runner = await loaded(tiny, LoadConfig(context_length=512, parallel=1, threads=1, seed=7))
        try:
            asked = Generation(messages=HELLO, max_tokens=30, sampling=ON_AND_ON)
            said.append(text_of(await all_of(runner.generate(asked))))
        finally:
            await runner.close()
    assert said[0] == said[1]


def test_lm_studios_settings_in_llama_cpps_words() -> None:
    config = LoadConfig(parallel=4, flash_attention=True, k_cache_type="q8_0", v_cache_type="q8_0", mmap=True)
    made = options(PLAIN, config)
    assert made == Options(parallel=4, flash_attention=True, k_type="q8_0", v_type="q8_0", mmap=True)
    assert options(Descriptor(key="m", kind="embedding"), LoadConfig(parallel=4)) == Options(
        embedding=True, pooling="mean"
    )
    assert options(Descriptor(key="m", kind="embedding", pooled=True), LoadConfig()).pooling == ""
    assert options(Descriptor(key="m", projector=Path("eye.gguf")), LoadConfig()).projector == "eye.gguf"


def test_settings_that_can_not_be() -> None:
    with pytest.raises(LoadRefused, match="flash attention"):
        options(PLAIN, LoadConfig(v_cache_type="q8_0", flash_attention=False))
    with pytest.raises(LoadRefused, match="of type 'q3_0'"):
        options(PLAIN, LoadConfig(k_cache_type="q3_0"))


def test_a_share_of_the_layers() -> None:
    assert [gpu_layers(share, 31) for share in (None, 1.0, 0.5, 0.0)] == [-1, -1, 16, 0]
    assert [gpu_layers(share) for share in (0.5, 0.0)] == [-1, 0]


async def test_how_far_it_is_rises_to_the_end(tiny: Path) -> None:
    told: list[float] = []
    runner = await load_llama(Descriptor(key="m", file=tiny), LoadConfig(threads=1), told.append)
    await runner.close()
    assert told[0] == 0
    assert told[-1] == 1
    assert told == sorted(told)


def test_the_share_that_is_loaded_is_an_estimate_within_bounds() -> None:
    own = psutil.Process().pid
    assert loaded_share(own, 2**50) < 0.01
    assert loaded_share(own, 1) == 0.99
    assert loaded_share(2**22 + 1, 1000) == 0


async def test_a_cancelled_load_leaves_no_process(tiny: Path) -> None:
    before = set(psutil.Process().children())
    begun = asyncio.Event()

    def on_progress(_: float) -> None:
        begun.set()

    for _ in range(3):
        begun.clear()
        loading = asyncio.ensure_future(load_llama(Descriptor(key="m", file=tiny), LoadConfig(threads=1), on_progress))
        await begun.wait()
        while not set(psutil.Process().children()) - before:
            await asyncio.sleep(0.001)
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        assert set(psutil.Process().children()) == before


async def test_what_does_not_fit_is_refused_before_it_is_tried(tmp_path: Path) -> None:
    file = write_tiny_gguf(tmp_path / "long.gguf", context=2**31 - 1)
    with pytest.raises(NotEnoughMemory, match="insufficient system resources"):
        await loaded(file, LoadConfig(context_length=2**31 - 1))


async def test_estimates(tiny: Path) -> None:
    model = Descriptor(key="m", file=tiny, size_bytes=1000, max_context_tokens=2048)
    full = await estimate_load(model, LoadConfig(context_length=2048))
    assert full.model_bytes == 1000
    assert full.context_bytes == 2 * 2048 * 2 * 128
    assert await estimate_load(model, LoadConfig(context_length=9999)) == full
    small = await estimate_load(model, LoadConfig(k_cache_type="q8_0", v_cache_type="q8_0"))
    assert small.context_bytes == round(full.context_bytes * 34 / 64)
    assert small.total_bytes > small.model_bytes + small.context_bytes

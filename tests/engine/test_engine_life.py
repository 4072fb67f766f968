"""How models come into memory and go: on demand, by idleness, for one another, and in the middle of things."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from wakeful.engine.errors import EngineStartFailed, NoModelInMemory, NoSuchModel, QueueFull, UnloadedMeanwhile
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.idle import expires_s
from wakeful.engine.life.instance import Instance
from wakeful.engine.life.loads import OnProgress
from wakeful.engine.life.models import Models, is_called
from wakeful.engine.life.settings import LifeSettings, LoadConfig
from wakeful.engine.runner.pieces import Text
from wakeful.engine.runner.request import Generation
from wakeful.engine.runner.scripted import Reply, ScriptedRunner

KNOWN = (
    Descriptor(key="one", path="pub/one-gguf/one.gguf", max_context_tokens=4096, quantization="Q4_K_M"),
    Descriptor(key="two", max_context_tokens=1024),
    Descriptor(key="vectors", kind="embedding"),
)
ASKED = Generation(messages=({"role": "user", "content": "x"},))


class House:
    """Models whose loads are counted and can be held up."""

    def __init__(self, settings: LifeSettings | None = None) -> None:
        self.loads: list[str] = []
        self.cancelled: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failing = False
        self.reply = Reply(text="a b c")
        self.models = Models(self._known, self._load, settings)

    async def _known(self) -> Sequence[Descriptor]:
        return KNOWN

    async def _load(self, model: Descriptor, config: LoadConfig, on_progress: OnProgress) -> ScriptedRunner:
        self.loads.append(model.key)
        on_progress(0.5)
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled.append(model.key)
            raise
        if self.failing:
            raise EngineStartFailed("It does not start.")
        return ScriptedRunner(lambda _: self.reply, context_tokens=config.context_length or 0)


@asynccontextmanager
async def house(settings: LifeSettings | None = None) -> AsyncGenerator[House]:
    made = House(settings)
    try:
        yield made
    finally:
        made.open.set()
        await made.models.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def names(models: Models) -> list[str]:
    return [each.identifier for each in models.loaded()]


async def test_a_request_loads_what_it_names_once_however_many_ask() -> None:
    async with house() as there:
        there.open.clear()

        async def ask() -> str:
            async with there.models.use("ONE") as instance:
                return instance.reference

        asking = [asyncio.ensure_future(ask()) for _ in range(5)]
        await until(lambda: there.loads == ["one"])
        there.open.set()
        assert len(set(await asyncio.gather(*asking))) == 1
        assert there.loads == ["one"]


async def test_who_joins_a_load_is_told_how_far_it_is() -> None:
    async with house() as there:
        there.open.clear()
        told: list[tuple[str, float]] = []

        def listener(name: str) -> Callable[[Descriptor], OnProgress]:
            return lambda model: lambda share: told.append((f"{name} {model.key}", share))

        first = asyncio.ensure_future(there.models.get_or_load("one", on_load=listener("a")))
        await until(lambda: there.loads == ["one"])
        second = asyncio.ensure_future(there.models.get_or_load("one", on_load=listener("b")))
        await until(lambda: len(told) == 2)
        there.open.set()
        assert await first is await second
        assert told == [("a one", 0.5), ("b one", 0.5)]


async def test_a_load_outlives_the_request_that_began_it() -> None:
    async with house() as there:
        there.open.clear()
        asking = asyncio.ensure_future(there.models.get_or_load("one"))
        await until(lambda: there.loads == ["one"])
        asking.cancel()
        await asyncio.wait({asking})
        there.open.set()
        async with there.models.use("one"):
            assert there.loads == ["one"]
        assert not there.cancelled


async def test_an_explicit_load_ends_with_who_asked_for_it() -> None:
    async with house() as there:
        there.open.clear()
        loading = asyncio.ensure_future(there.models.load("one"))
        await until(lambda: there.loads == ["one"])
        loading.cancel()
        await asyncio.wait({loading})
        assert there.cancelled == ["one"]
        assert not there.models.loaded()


async def test_closing_ends_loads_under_way() -> None:
    async with house() as there:
        there.open.clear()
        asking = asyncio.ensure_future(there.models.get_or_load("one"))
        await until(lambda: there.loads == ["one"])
        await there.models.close()
        assert there.cancelled == ["one"]
        await asyncio.wait({asking})


async def test_a_load_that_fails_tells_all_who_wait_and_can_be_tried_again() -> None:
    async with house() as there:
        there.failing = True
        both = await asyncio.gather(*(there.models.get_or_load("one") for _ in range(2)), return_exceptions=True)
        assert [type(each) for each in both] == [EngineStartFailed] * 2
        there.failing = False
        assert (await there.models.get_or_load("one")).identifier == "one"


async def test_loading_again_makes_another_one_with_a_number() -> None:
    async with house() as there:
        made = [await there.models.load("one") for _ in range(3)]
        named = await there.models.load("one", identifier="mine")
        assert names(there.models) == ["one", "one:2", "one:3", "mine"]
        await there.models.unload("one:2")
        assert (await there.models.load("one")).identifier == "one:2"
        assert len({each.reference for each in [*made, named]}) == 4


async def test_a_load_on_demand_takes_the_place_of_the_last_one_so_loaded() -> None:
    async with house() as there:
        await there.models.load("vectors")
        await there.models.get_or_load("one")
        evicted: list[str] = []
        await there.models.get_or_load("two", on_evict=lambda gone: evicted.append(gone.identifier))
        assert evicted == ["one"]
        assert names(there.models) == ["vectors", "two"]  # what was loaded by hand stays


async def test_without_eviction_both_stay() -> None:
    async with house(LifeSettings(evict=False)) as there:
        await there.models.get_or_load("one")
        await there.models.get_or_load("two")
        assert names(there.models) == ["one", "two"]


async def test_a_model_that_writes_may_finish_before_it_makes_room() -> None:
    async with house() as there:
        async with there.models.use("one") as instance:
            switching = asyncio.ensure_future(there.models.get_or_load("two"))
            await until(lambda: instance.leaving)
            assert names(there.models) == ["one"]
            said = [piece async for piece in instance.runner.generate(ASKED)]
            assert "".join(piece.text for piece in said if isinstance(piece, Text)) == "a b c"
        await switching
        assert names(there.models) == ["two"]


async def test_a_model_that_writes_for_too_long_is_cut_off() -> None:
    async with house(LifeSettings(evict_wait_s=0.0)) as there:
        there.reply = Reply(text="a " * 100, token_s=60.0)
        async with there.models.use("one") as instance:
            pieces = instance.runner.generate(ASKED)
            await anext(pieces)
            await there.models.get_or_load("two")
            with pytest.raises(UnloadedMeanwhile):
                _ = [piece async for piece in pieces]
        assert names(there.models) == ["two"]


async def test_unused_for_its_time_a_model_goes() -> None:
    async with house(LifeSettings(jit_ttl_s=0.02)) as there:
        async with there.models.use("one") as instance:
            pass
        await until(lambda: not there.models.loaded())
        assert instance.unloaded
        await there.models.get_or_load("two", ttl_s=0.01)  # also one that was never used
        await until(lambda: not there.models.loaded())


async def test_used_or_waited_for_a_model_stays() -> None:
    async with house(LifeSettings(jit_ttl_s=0.01, parallel=1)) as there:
        async with there.models.use("one") as instance:
            waiting = asyncio.ensure_future(_use(there.models))
            await until(lambda: instance.waiting == 1)
            await asyncio.sleep(0.05)  # five times as long as it may be idle
            assert names(there.models) == ["one"]
            assert expires_s(instance) is None
        assert await waiting is instance
        await until(lambda: not there.models.loaded())


async def _use(models: Models) -> Instance:
    async with models.use("one") as instance:
        return instance


async def test_each_use_begins_the_time_anew() -> None:
    async with house() as there:
        instance = await there.models.load("one", ttl_s=100.0)
        before = expires_s(instance)
        assert before is not None
        async with there.models.use("one"):
            pass
        after = expires_s(instance)
        assert after is not None
        assert after > before


async def test_a_model_loaded_by_hand_stays() -> None:
    async with house() as there:
        instance = await there.models.load("one")
        async with there.models.use("one"):
            pass
        assert instance.ttl_s is None
        assert expires_s(instance) is None


async def test_who_waits_for_an_unloaded_model_is_told() -> None:
    async with house(LifeSettings(parallel=1)) as there:
        await there.models.load("one")
        async with there.models.use("one") as instance:
            waiting = asyncio.ensure_future(_use(there.models))
            await until(lambda: instance.waiting == 1)
            await there.models.unload("one")
        with pytest.raises(UnloadedMeanwhile):
            await waiting


async def test_a_queue_has_its_length() -> None:
    async with house(LifeSettings(parallel=1, queue=1)) as there:
        async with there.models.use("one") as instance:
            waiting = asyncio.ensure_future(_use(there.models))
            await until(lambda: instance.waiting == 1)
            with pytest.raises(QueueFull):
                await _use(there.models)
            waiting.cancel()
            await asyncio.wait({waiting})
            assert instance.waiting == 0
        assert instance.idle.is_set()


async def test_what_it_does_can_be_seen() -> None:
    async with house() as there:
        there.reply = Reply(text="a b", first_token_s=60.0)
        async with there.models.use("one") as instance:
            assert instance.status == "idle"
            pieces = instance.runner.generate(ASKED)
            await anext(pieces)
            assert instance.status == "processingPrompt"
            await pieces.aclose()
            assert instance.status == "idle"
            there.reply = Reply(text="a b")
            async for piece in instance.runner.generate(ASKED):
                if isinstance(piece, Text):
                    assert instance.status == "generating"
            assert instance.status == "idle"


async def test_names() -> None:
    async with house() as there:
        await there.models.load("one")
        for name in ("one", "One", "PUB/one-gguf/one.gguf", "pub/one-gguf", "one@q4_k_m", "", "no such model"):
            async with there.models.use(name) as instance:
                assert instance.identifier == "one"
        assert not is_called(KNOWN[0], "one@q8_0")
        await there.models.load("two")
        with pytest.raises(NoSuchModel) as caught:
            await _use_named(there.models, "no such model")
        assert caught.value.known == ("one", "two")


async def _use_named(models: Models, name: str) -> None:
    async with models.use(name):
        pass


async def test_nothing_is_loaded_for_a_request_where_that_is_off() -> None:
    async with house(LifeSettings(jit=False)) as there:
        for name in ("one", ""):
            with pytest.raises(NoModelInMemory):
                await _use_named(there.models, name)
        assert not there.loads


async def test_unloading_what_is_not_there() -> None:
    async with house() as there:
        with pytest.raises(NoSuchModel):
            await there.models.unload("one")


async def test_a_load_keeps_to_what_the_model_can() -> None:
    async with house() as there:
        instance = await there.models.load("two", LoadConfig(context_length=100_000))
        assert instance.config.context_length == instance.context_length == 1024
        assert (instance.config.parallel, instance.config.eval_batch_size) == (4, 512)

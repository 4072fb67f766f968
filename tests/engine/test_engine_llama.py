"""Real models in real child processes, behind the seam that the interfaces see."""

import asyncio
import os
import signal
from contextlib import aclosing
from pathlib import Path

import msgspec
import psutil
import pytest
from running import HELLO, ON_AND_ON, all_of, end_of, nobody, pid_of, running, text_of

from wakeful.engine.errors import DoesNotFit, ModelFileError, NotPossible, ProcessDied, UnloadedMeanwhile
from wakeful.engine.files.catalog import pilot_model
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.settings import LoadConfig
from wakeful.engine.llama.load import load_llama
from wakeful.engine.llama.runner import LlamaRunner
from wakeful.engine.runner.pieces import PromptProgress, Text
from wakeful.engine.runner.request import Generation, Sampling


async def test_an_answer_comes_in_order_and_counts_its_tokens() -> None:
    async with running(pilot_model()) as runner:
        pieces = await all_of(runner.generate(Generation(messages=HELLO, max_tokens=20, sampling=ON_AND_ON)))
    kinds = [type(piece) for piece in pieces]
    assert kinds.index(Text) > max(at for at, kind in enumerate(kinds) if kind is PromptProgress)
    done = end_of(pieces)
    assert done.stop_reason == "maxPredictedTokensReached"
    assert done.stats.completion_tokens == 20
    assert sum(piece.tokens for piece in pieces if isinstance(piece, Text)) == 20
    progress = [piece for piece in pieces if isinstance(piece, PromptProgress)]
    assert progress[-1].read == progress[-1].total == done.stats.prompt_tokens > 0
    assert done.stats.first_token_s > 0
    assert done.stats.tokens_per_second > 0


async def test_a_long_prompt_is_told_of_while_it_is_read(tiny: Path) -> None:
    config = LoadConfig(context_length=2048, parallel=1, threads=1, eval_batch_size=128)
    runner = await load_llama(Descriptor(key="m", file=tiny), config, nobody)
    try:
        pieces = await all_of(runner.generate(Generation(prompt="word " * 300, max_tokens=1)))
    finally:
        await runner.close()
    told = [piece.read for piece in pieces if isinstance(piece, PromptProgress)]
    assert len(told) > 5
    assert told == sorted(told)


async def test_the_same_beginning_is_not_read_again() -> None:
    async with running(pilot_model(), parallel=1) as runner:
        asked = Generation(messages=({"role": "user", "content": "one two three " * 20},), max_tokens=2)
        first, second = [end_of(await all_of(runner.generate(asked))) for _ in range(2)]
    assert first.stats.cached_tokens == 0
    assert second.stats.cached_tokens > 40


async def test_a_stop_string_is_named(tiny: Path) -> None:
    async with running(tiny) as runner:
        asked = Generation(
            prompt="x", max_tokens=1000, stop=("e", "a"), sampling=Sampling(seed=1, extra=ON_AND_ON.extra)
        )
        pieces = await all_of(runner.generate(asked))
    done = end_of(pieces)
    assert done.stop_reason == "stopStringFound"
    assert done.stop_string in ("e", "a")
    assert not set(text_of(pieces)) & {"e", "a"}


async def test_schema_and_grammar_bind_it(tiny: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["red"]}}, "required": ["a"]}
    async with running(tiny) as runner:
        held = await all_of(runner.generate(Generation(messages=HELLO, max_tokens=200, schema=schema)))
        ruled = await all_of(runner.generate(Generation(messages=HELLO, grammar='root ::= "yes" | "no"')))
        with pytest.raises(NotPossible, match="grammar"):
            await all_of(runner.generate(Generation(messages=HELLO, grammar="root ::= (")))
    assert '"red"' in text_of(held)
    assert text_of(ruled) in ("yes", "no")
    assert end_of(ruled).stop_reason == "eosFound"


async def test_probabilities_when_they_are_asked_for(tiny: Path) -> None:
    letters = Generation(messages=HELLO, max_tokens=5, grammar="root ::= [a-z]{9}")
    async with running(tiny) as runner:
        pieces = await all_of(runner.generate(msgspec.structs.replace(letters, logprobs=3)))
        plain = await all_of(runner.generate(letters))
    told = [choice for piece in pieces if isinstance(piece, Text) for choice in piece.logprobs]
    assert len(told) == 5
    assert all(len(choice.others) == 3 and choice.logprob <= 0 for choice in told)
    assert not any(piece.logprobs for piece in plain if isinstance(piece, Text))


async def test_a_prompt_that_is_too_long_tells_the_numbers(tiny: Path) -> None:
    async with running(tiny) as runner:
        with pytest.raises(DoesNotFit, match="context the overflows") as caught:
            await all_of(runner.generate(Generation(prompt="word " * 1000)))
    assert caught.value.context_tokens == 2048
    assert caught.value.prompt_tokens > 2048


async def test_a_context_that_fills_up_ends_the_answer(tiny: Path) -> None:
    async with running(tiny, context_length=256) as runner:
        done = end_of(await all_of(runner.generate(Generation(messages=HELLO, sampling=ON_AND_ON))))
    assert done.stop_reason == "contextLengthReached"
    assert done.stats.prompt_tokens + done.stats.completion_tokens in (255, 256, 257)


async def test_a_closed_generator_stops_the_model(tiny: Path) -> None:
    async with running(tiny, parallel=1) as runner:
        pieces = runner.generate(Generation(messages=HELLO, sampling=ON_AND_ON))
        async for piece in pieces:
            if isinstance(piece, Text):
                break
        assert runner.activity.status == "generating"
        await pieces.aclose()
        assert runner.activity.status == "idle"
        # the only slot is free, or this would wait for some 2,000 tokens
        again = await all_of(runner.generate(Generation(messages=HELLO, max_tokens=1)))
        assert end_of(again).stats.completion_tokens == 1


async def test_a_process_that_dies_is_an_error_and_comes_back(tiny: Path) -> None:
    async with running(tiny) as runner:
        pid = pid_of(runner)
        pieces = runner.generate(Generation(messages=HELLO, sampling=ON_AND_ON))
        await anext(pieces)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ProcessDied, match="crashed") as caught:
            await all_of(pieces)
        assert caught.value.exit_code == -signal.SIGKILL
        assert caught.value.retry_helps
        assert (
            end_of(await all_of(runner.generate(Generation(messages=HELLO, max_tokens=3)))).stats.completion_tokens == 3
        )
        assert pid_of(runner) != pid


async def test_unloaded_while_it_writes(tiny: Path) -> None:
    async with running(tiny) as runner:
        process = psutil.Process(pid_of(runner))
        pieces = runner.generate(Generation(messages=HELLO, sampling=ON_AND_ON))
        await anext(pieces)
        _, ended = await asyncio.gather(runner.close(), asyncio.gather(all_of(pieces), return_exceptions=True))
        assert isinstance(ended[0], UnloadedMeanwhile)
        assert not process.is_running()
        with pytest.raises(UnloadedMeanwhile):
            await runner.tokenize("x")


async def test_render_and_tokenize(tiny: Path) -> None:
    async with running(tiny) as runner:
        prompt = await runner.render([{"role": "user", "content": "hi"}])
        assert prompt == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
        assert len(await runner.tokenize("hi")) == 2
        assert len(await runner.tokenize(prompt)) < len(prompt)


async def test_several_at_once_on_one_context(tiny: Path) -> None:
    async with running(tiny, parallel=4) as runner:
        asked = Generation(messages=HELLO, max_tokens=100, sampling=ON_AND_ON)
        ends = await asyncio.gather(*(all_of(runner.generate(asked)) for _ in range(4)))
    assert [end_of(pieces).stats.completion_tokens for pieces in ends] == [100] * 4


async def test_answers_that_fill_the_context_together_go_on_alone(tiny: Path) -> None:
    asked = Generation(messages=HELLO, max_tokens=200, sampling=ON_AND_ON)
    async with running(tiny, parallel=4, context_length=512) as runner:
        ends = await asyncio.gather(*(all_of(runner.generate(asked)) for _ in range(4)))
    for pieces in ends:
        done = end_of(pieces)
        assert done.stop_reason == "maxPredictedTokensReached"
        assert done.stats.completion_tokens == 200
        kinds = [type(piece) for piece in pieces]
        assert PromptProgress not in kinds[kinds.index(Text) :]


async def test_a_rolling_window_outlives_the_context(tiny: Path) -> None:
    turns = [{"role": "user", "content": f"number {number} " * 8} for number in range(4)]
    asked = Generation(messages=tuple(turns), max_tokens=700, sampling=ON_AND_ON, overflow="rollingWindow")
    async with running(tiny, context_length=256) as runner:
        pieces = await all_of(runner.generate(asked))
    done = end_of(pieces)
    assert done.stop_reason == "maxPredictedTokensReached"
    assert abs(done.stats.completion_tokens - 700) < 10  # a letter may be several tokens, and none is cut in two
    assert done.stats.prompt_tokens < 256


async def test_a_prompt_that_is_too_long_loses_its_middle(tiny: Path) -> None:
    turns = tuple({"role": "user", "content": f"number {number} " * 20} for number in range(10))
    asked = Generation(messages=turns, max_tokens=20, sampling=ON_AND_ON, overflow="truncateMiddle")
    async with running(tiny, context_length=512) as runner:
        done = end_of(await all_of(runner.generate(asked)))
    assert 100 < done.stats.prompt_tokens <= 492
    assert done.stats.completion_tokens == 20


async def test_a_model_without_a_file() -> None:
    with pytest.raises(ModelFileError):
        await load_llama(Descriptor(key="m"), LoadConfig(), nobody)


async def test_many_answers_that_are_broken_off_leave_the_model_usable(tiny: Path) -> None:
    async def some(runner: LlamaRunner, pieces: int) -> None:
        async with aclosing(runner.generate(Generation(messages=HELLO, sampling=ON_AND_ON))) as answer:
            async for _ in answer:
                pieces -= 1
                if pieces < 0:
                    return

    async with running(tiny, parallel=4) as runner:
        for number in range(10):
            asking = [asyncio.ensure_future(some(runner, 3 * number + each)) for each in range(4)]
            if number % 2:
                await asyncio.sleep(0)  # cancelled wherever each of them happens to be
                for task in asking:
                    task.cancel()
            await asyncio.wait(asking)
        assert runner.activity.status == "idle"
        asked = Generation(messages=HELLO, max_tokens=5, sampling=ON_AND_ON)
        ends = await asyncio.gather(*(all_of(runner.generate(asked)) for _ in range(4)))
        assert [end_of(pieces).stats.completion_tokens for pieces in ends] == [5] * 4


async def test_vectors_of_a_model_that_was_made_for_other_things(tiny: Path) -> None:
    async with running(tiny, kind="embedding", context_length=128) as runner:
        near, same, far = await runner.embed(["the same words", "the same words", "x"])
        long = await runner.embed(["word " * 500])
        many = await runner.embed([f"text {number}" for number in range(70)])
        assert await runner.embed([]) == []
    assert near == same
    assert len(near) == len(far) == len(long[0]) == 64
    assert abs(sum(each * each for each in near) - 1) < 1e-3
    assert len(many) == 70


async def test_vectors_of_a_model_that_gives_none(tiny: Path) -> None:
    async with running(tiny) as runner:
        with pytest.raises(NotPossible, match="embeddings"):
            await runner.embed(["x"])


async def test_a_kept_connection_that_was_closed_is_no_error(tiny: Path) -> None:
    async with running(tiny) as runner:
        await runner.tokenize("x")
        pid = pid_of(runner)
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0)
        while pid == runner.pid:
            await asyncio.sleep(0.01)
        assert await runner.tokenize("x")

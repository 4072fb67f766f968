"""What stands for texts is shorter than they are, and says nothing that they don't."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakeful.context import Summary, TierBudgets, Tiers, extract, faults, summarise

STORY = """At 03:12 the backup of /srv/photos failed because disk sdb1 was read-only.
The service was restarted at 03:15. The service was restarted at 03:15.
Nobody noticed anything. It was a quiet night otherwise.
At 07:40 user mira mounted a new disk, and the backup ran through in 42 minutes."""


def count(text: str) -> int:
    return len(text.split())


@given(st.text(max_size=600), st.integers(0, 60))
@settings(deadline=None)
def test_an_extract_fits_and_is_made_of_the_text(text: str, limit: int) -> None:
    found = extract(text, limit, count)
    assert count(found) <= limit
    assert all(line in text for line in found.split("\n"))


def test_an_extract_keeps_what_says_most_and_says_it_once() -> None:
    found = extract(STORY, 40, count)
    assert "sdb1" in found
    assert "42 minutes" in found
    assert found.count("restarted at 03:15") <= 1
    assert "Nobody noticed anything." not in found


@pytest.mark.parametrize(
    ("summary", "wrong"),
    [
        ("The backup of /srv/photos failed at 03:12; sdb1 was read-only.", ""),
        ("The backup failed at 04:12.", "04:12"),
        ("The backup of /srv/videos failed.", "/srv/videos"),
        ("The backup failed because of Bob.", "Bob"),
        ("", "empty"),
        (STORY + " And so on.", "not shorter"),
    ],
)
def test_a_summary_is_held_to_its_source(summary: str, wrong: str) -> None:
    found = faults(summary, STORY, count)
    assert bool(found) is bool(wrong)
    assert wrong in " ".join(found)


async def test_a_model_gets_a_second_try_and_then_sentences_stand_in() -> None:
    said = ["The backup failed at 09:99.", "The backup failed at 03:12."]

    async def write(source: str, max_tokens: int) -> str:
        assert source == STORY
        assert max_tokens == 20
        return said.pop(0)

    assert await summarise([STORY], 20, count, write) == Summary("The backup failed at 03:12.", by_model=True)

    async def lie(source: str, max_tokens: int) -> str:
        return "All 99 services are well."

    stands_in = await summarise([STORY], 20, count, lie)
    assert not stands_in.by_model
    assert stands_in.text in extract(STORY, 20, count)


async def test_what_is_short_enough_is_not_summarised() -> None:
    assert await summarise(["a b", "c"], 3, count) == Summary("a b\nc")


def tokens(message: Any) -> int:
    return count(str(message["content"])) + 4


async def test_what_is_old_moves_down_and_can_still_be_found() -> None:
    tiers = Tiers(TierBudgets(working=200, short_term=120, long_term=80), tokens, count)
    tiers.add({"role": "system", "content": "Obey."})
    for number in range(120):
        tiers.add(
            {"role": "user", "content": f"Item {number} is stored at shelf S{number * 7}. " + "It is as it is. " * 4}
        )
        await tiers.settle()
        prompt = tiers.prompt()
        assert sum(map(tokens, prompt)) <= 200 + 120 + 80 + 8
        assert [each["role"] for each in prompt].count("system") == 1
        tiers.add({"role": "assistant", "content": "Understood."})
    assert tiers.long_term.text
    assert "S0" in tiers.long_term.text or "S7" in tiers.long_term.text
    assert len(tiers.short_term) >= 1


async def test_a_model_that_fails_loses_nothing() -> None:
    async def fail(source: str, max_tokens: int) -> str:
        raise ConnectionError("gone")

    tiers = Tiers(TierBudgets.of(150), tokens, count, write=fail)
    tiers.add({"role": "user", "content": "the password of the cellar is Rhubarb. " + "words " * 40})
    tiers.add({"role": "assistant", "content": "words " * 60})
    tiers.add({"role": "user", "content": "and now?"})
    with pytest.raises(ConnectionError):
        await tiers.settle()
    assert "Rhubarb" in str(tiers.prompt())


async def test_a_cancelled_summary_leaves_one_that_needs_no_model() -> None:
    begun = asyncio.Event()

    async def hang(source: str, max_tokens: int) -> str:
        begun.set()
        await asyncio.Event().wait()
        return ""

    tiers = Tiers(TierBudgets.of(150), tokens, count, write=hang)
    tiers.add({"role": "user", "content": "the cellar is flooded. " + "words " * 40})
    tiers.add({"role": "assistant", "content": "words " * 60})
    tiers.add({"role": "user", "content": "and now?"})
    task = asyncio.create_task(tiers.settle())
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert "flooded" in str(tiers.prompt())

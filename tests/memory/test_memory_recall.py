import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.events import Observation, Question, Thought
from wakeful.journal import Journal, JournalIndex
from wakeful.memory import Memory, Recall, cue


def observation(text: str) -> Observation:
    return Observation(at_ns=time.time_ns(), source="log:/x", form="lines", text=text)


def thought(focus: str, assessment: str) -> Thought:
    return Thought(
        at_ns=time.time_ns(), cycle=focus, reason="salience", focus=focus, observed="", assessment=assessment,
        severity="warning", evidence=(), expected="", prediction_error=0, confidence=0, next_prediction="",
        attention_internal=0, attention_external=1, attention_memory=0, action_needed=False, action_type="observe",
        action_details="", self_assessment="", model="m", prompt_version="base-1",
    )  # fmt: skip


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncGenerator[Journal]:
    async with await Journal.open(tmp_path / "journal.db") as opened:
        yield opened


@pytest.fixture
async def recall(journal: Journal, tmp_path: Path) -> AsyncGenerator[Recall]:
    async with JournalIndex(journal, tmp_path / "index.db") as index:
        yield Recall(Memory(journal, index))


async def test_an_earlier_thought_about_the_same_name_comes_back(journal: Journal, recall: Recall) -> None:
    await journal.append(
        [thought("trouble with postfix", "postfix can't reach its relay."), thought("disk", "/data is full.")]
    )
    [entry] = await recall.recall([observation("postfix/smtp[311]: connection timed out")])
    assert isinstance(entry.event, Thought)
    assert entry.event.focus == "trouble with postfix"


async def test_what_the_prompt_holds_already_is_not_told_twice(journal: Journal, recall: Recall) -> None:
    [kept] = await journal.append([thought("trouble with postfix", "postfix can't reach its relay.")])
    assert await recall.recall([observation("postfix: down")], without={kept.seq}) == []


async def test_the_same_thought_ten_times_is_one_memory(journal: Journal, recall: Recall) -> None:
    await journal.append([thought(f"postfix {n}", "postfix can't reach its relay.") for n in range(10)])
    assert len(await recall.recall([observation("postfix: down")])) == 1


async def test_numbers_and_everyday_words_bring_nothing_back(journal: Journal, recall: Recall) -> None:
    await journal.append([thought("cpu load", "cpu is at 97.4%.")])
    assert await recall.recall([observation("cpu 97.4%, memory 41.0%, load 2.00")]) == []


async def test_a_question_finds_observations_too(journal: Journal, recall: Recall) -> None:
    await journal.append([observation("postfix: connection refused"), observation("cron: fine")])
    found = await recall.about(Question(at_ns=0, text="what happened to postfix?"))
    assert [entry.event.body for entry in found] == ["postfix: connection refused"]


@given(st.lists(st.text(max_size=300), max_size=5))
def test_a_cue_is_short_and_plain(texts: list[str]) -> None:
    words = cue(texts).split()
    assert len(words) <= 12
    assert len(set(words)) == len(words)

"""Prompts: four stances and the user's own, journaled by version; and the pilot, which knows only its own."""

from pathlib import Path

import msgspec
import pytest
from scripted_model import ScriptedServer
from test_mind_loop import awake, line, until

from wakeful.events import Thought
from wakeful.lmstudio import AsyncLMStudioClient
from wakeful.mind import STANCES, MindSettings, PromptUnreadable, Reply, reply_schema, rules
from wakeful.mind.predictions.offer import HOLDS
from wakeful.mind.schema import FullReply


@pytest.mark.parametrize("stance", STANCES)
def test_every_stance_tells_the_model_of_every_field(stance: str) -> None:
    found = rules(pilot=False, stance=stance, tools="- look_closer(): looks")  # type: ignore[arg-type]
    assert found.version.startswith(f"{stance}-")
    for name in FullReply.__struct_fields__:
        assert all(holds in found.text for holds in HOLDS)
        if name not in ("focus", "expected", "observed", "assessment"):
            assert name in found.text, name
    assert "never" in found.text
    assert "instruction" in found.text


def test_the_pilot_keeps_the_prompt_that_it_was_trained_with(tmp_path: Path) -> None:
    assert rules(pilot=True, stance="fep", file=str(tmp_path / "own.md")).version == "pilot-1"
    assert list(reply_schema(["#1"], shown="")["properties"]) == list(Reply.__struct_fields__)


def test_a_prompt_of_the_user_has_a_version_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "own.md"
    file.write_text("Think well.\n")
    first = rules(pilot=False, file=str(file))
    assert first.text == "Think well."
    file.write_text("Think better.\n")
    assert rules(pilot=False, file=str(file)).version != first.version
    file.write_text("")
    with pytest.raises(PromptUnreadable):
        rules(pilot=False, file=str(file))
    with pytest.raises(PromptUnreadable, match="can't be read"):
        rules(pilot=False, file=str(tmp_path / "none.md"))


async def test_each_thought_journals_which_version_made_it(tmp_path: Path) -> None:
    settings = MindSettings(first_look=False, stance="metacognitive")
    async with ScriptedServer() as server, awake(tmp_path, server, settings) as (_, journal):
        await journal.append([line("ERROR one: panic")])
        [came] = await until(journal, Thought)
        assert came.prompt_version == STANCES["metacognitive"]
        assert "three levels" in server.prompts[0][0]["content"]
        assert "\nClaims may be about: any source, log:/var/log/app, …\n" in server.prompts[0][-1]["content"]
        assert server.schemas[0]["properties"]["claim"]["properties"]["about"]["enum"][:2] == ["nothing", "any source"]


async def test_the_pilot_is_asked_and_told_exactly_what_it_was_trained_with(tmp_path: Path) -> None:
    async with (
        ScriptedServer() as server,
        awake(tmp_path, server, MindSettings(first_look=False), pilot=True) as (
            mind,
            journal,
        ),
    ):
        assert mind.facts.pilot
        for number, word in enumerate(("alpha", "bravo", "charlie")):
            await journal.append([line(f"FATAL {word} corrupt", f"log:/{word}")])
            await until(journal, Thought, number + 1)
        assert isinstance(mind._thinker.client, AsyncLMStudioClient)
        for schema, messages in zip(server.schemas, server.prompts, strict=True):
            offered = schema["properties"]["evidence"]["items"]["enum"]
            wanted = reply_schema(offered, shown=messages[-1]["content"])
            assert msgspec.json.encode(schema) == msgspec.json.encode(wanted)
        for prompt in server.prompts:
            lines = prompt[-1]["content"].splitlines()
            assert [each.split(":")[0].split(" ")[0] for each in lines if not each.startswith("#")] == [
                "Observations",
                "Expected",
                "Now",
            ]

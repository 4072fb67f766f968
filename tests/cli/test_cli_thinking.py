"""The commands that look into the mind, as a person types them."""

import asyncio
import json
import re
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from wakeful.cli.app import app
from wakeful.events import Claim, Event, Notification, Observation, Prediction, PredictionResolved
from wakeful.journal import Journal


def wakeful(*arguments: str, home: Path) -> Result:
    """What a person types, in this process: each command by itself takes a second to start."""
    env = {"WAKEFUL_HOME": str(home), "XDG_CONFIG_HOME": str(home), "NO_COLOR": "1", "WAKEFUL_CONFIG": ""}
    return CliRunner().invoke(app, list(arguments), env=env)


def kept(home: Path, *events: Event) -> None:
    async def keep() -> None:
        async with await Journal.open(home / "journal.db") as journal:
            await journal.append(list(events))

    asyncio.run(keep())


def observed(text: str, ago_s: int = 60) -> Observation:
    return Observation(at_ns=time.time_ns() - ago_s * 10**9, source="log:a", form="lines", text=text)


def test_predictions_are_listed_with_outcome_calibration_and_skill(tmp_path: Path) -> None:
    claim = Claim(form="reaches", source="metrics", metric="cpu_percent", value=90)
    made = [
        Prediction(at_ns=number, cycle="c", claim="cpu rises", probability=0.8, due_ns=9, condition=claim)
        for number in range(4)
    ]
    resolved = [
        PredictionResolved(
            at_ns=9,
            prediction=seq,
            cycle="c",
            claim="cpu rises",
            form="reaches",
            outcome="true" if seq < 3 else "false",
            why="it got there",
            probability=0.8,
            base=0.5,
            brier=0.04 if seq < 3 else 0.64,
            log_score_nats=0.2,
        )
        for seq in (1, 2, 3)
    ]
    in_words = Prediction(at_ns=9, cycle="c", claim="it goes on", probability=0.5, due_ns=99)
    kept(tmp_path, *made, *resolved, in_words)
    text = wakeful("predictions", home=tmp_path).stdout
    assert "cpu_percent of metrics reaches > 90" in text
    assert re.search(r"#4 .* 80% +open +cpu rises", text)
    assert re.search(r"unverified +it goes on", text)
    assert "3 resolved, 1 open, 1 in words only" in text
    assert "Brier score 0.240" in text
    assert "skill is +0.04" in text
    assert re.search(r"said +80%, came true +67%", text)
    found = json.loads(wakeful("predictions", "--json", "-n", "1", home=tmp_path).stdout)
    assert [each["state"] for each in found["forecasts"]] == ["unverified"]
    assert found["calibration"]["bins"][0]["count"] == 3


def test_an_intention_is_tested_kept_listed_edited_and_taken_back(tmp_path: Path) -> None:
    kept(tmp_path, observed("backup failed: disk"), observed("all is well"), observed("backup failed", 30 * 86_400))
    tried = wakeful("intend", "watch for failed backups", "--test", home=tmp_path)
    assert "matched 1 of 2 observations" in tried.stdout
    assert "backup failed: disk" in tried.stdout
    assert "There are none" in wakeful("intentions", home=tmp_path).stdout
    assert "i1: tells you when" in wakeful("intend", "watch for failed backups", home=tmp_path).stdout
    assert "i2: reports" in wakeful("intend", "every friday at 17 report the week", home=tmp_path).stdout
    wakeful("intend", "watch for zeppelins", "--edit", "i1", home=tmp_path)
    rows = json.loads(wakeful("intentions", "--json", home=tmp_path).stdout)
    assert [row["intention"]["text"] for row in rows] == ["every friday at 17 report the week", "watch for zeppelins"]
    listed = wakeful("intentions", "--remove", "i2", home=tmp_path).stdout
    assert "zeppelin" in listed
    assert "friday" not in listed
    assert "i3" in wakeful("intend", "remind me in 2 hours to look", home=tmp_path).stdout
    unknown = wakeful("intentions", "--remove", "i9", home=tmp_path)
    assert unknown.exit_code == 2


@pytest.mark.parametrize("text", ["be nice", "every day at 25 report"])
def test_an_intention_that_is_not_understood_is_said_to_be_so(tmp_path: Path, text: str) -> None:
    kept(tmp_path, observed("x"))
    done = wakeful("intend", text, home=tmp_path)
    assert done.exit_code == 2
    assert "watch for failed backups" in done.stderr
    assert "Traceback" not in done.stderr


def test_why_walks_back_to_the_raw_lines_and_shows_no_markup(tmp_path: Path) -> None:
    told = Notification(at_ns=5, key="k", severity="warning", title="odd", text="[red]x[/]", evidence=(1, 77))
    kept(tmp_path, observed("ERROR \x1b[31mzeppelin[/bold]"), told)
    text = wakeful("why", "2", home=tmp_path).stdout
    assert "told you: odd. [red]x[/]" in text
    assert "evidence: #1" in text
    assert "zeppelin[/bold]" in text
    assert "\x1b" not in text
    assert "#77 is no longer in the journal" in text
    tree = json.loads(wakeful("why", "2", "--json", home=tmp_path).stdout)
    assert [each["seq"] for each in tree["because"]] == [1, 77]
    assert wakeful("why", "99", home=tmp_path).exit_code == 2

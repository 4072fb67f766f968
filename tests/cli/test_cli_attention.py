"""`wakeful attention …` and `wakeful feedback`, as a person types them."""

import csv
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wakeful.events import Feedback, Notification, Observation, Salience
from wakeful.journal import Journal


def wakeful(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wakeful.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=home,
        check=False,
        env=os.environ | {"WAKEFUL_HOME": str(home), "XDG_CONFIG_HOME": str(home), "NO_COLOR": "1"},
    )


def test_a_table_is_scored_row_by_row(tmp_path: Path) -> None:
    rng = random.Random(1)
    values = [rng.gauss(50, 1) for _ in range(1000)]
    values[800] = 90.0
    rows = [
        f"2026-01-{1 + n // 288:02} {n % 288 // 12:02}:{n % 12 * 5:02}:00,{value}" for n, value in enumerate(values)
    ]
    (tmp_path / "a.csv").write_text("when,cpu\n" + "\n".join(rows))
    done = wakeful("attention", "score", "a.csv", "--time", "when", "--value", "cpu", "--plot", "a.png", home=tmp_path)
    assert done.returncode == 0, done.stderr
    scored = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["when"] for row in scored] == [row.split(",")[0] for row in rows]
    scores = [float(row["score"]) for row in scored]
    assert all(0 <= score <= 1 for score in scores)
    assert max(scores) == scores[800]
    assert float(scored[800]["surprise_nats"]) > 6
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_log_is_scored_line_by_line(tmp_path: Path) -> None:
    lines = [f"app: request {n} served" for n in range(300)] + ["app: FATAL: out of memory"]
    (tmp_path / "app.log").write_text("\n".join(lines))
    done = wakeful("attention", "score", "app.log", home=tmp_path)
    scored = list(csv.DictReader(done.stdout.splitlines()))
    assert len(scored) == 301
    assert max(scored, key=lambda row: float(row["score"]))["text"] == lines[-1]


@pytest.mark.parametrize("arguments", [["none.csv"], ["a.csv", "--value", "other"], ["a.csv", "--time", "value"]])
def test_what_can_not_be_scored_is_said(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "a.csv").write_text("timestamp,value\n2026-01-01 00:00:00,x\n")
    done = wakeful("attention", "score", *arguments, home=tmp_path)
    assert done.returncode == 2
    assert "Invalid value" in done.stderr


async def journaled(home: Path) -> tuple[int, int]:
    """A journal with a line that woke and a notification about it; their numbers."""
    async with await Journal.open(home / "journal.db") as journal:
        now_ns = time.time_ns()
        seen = [
            Observation(at_ns=now_ns + n * 10**9, source="log:x", form="lines", text=f"job {n} done") for n in range(60)
        ]
        seen.append(Observation(at_ns=now_ns + 10**11, source="log:x", form="lines", text="FATAL: data corrupt"))
        entries = await journal.append(seen)
        seq = entries[-1].seq
        notification = Notification(
            at_ns=now_ns + 2 * 10**11, key="k", severity="critical", title="t", text="x", evidence=(seq,)
        )
        [told] = await journal.append([notification])
        return seq, told.seq


async def test_explain_and_replay_say_what_the_gate_does(tmp_path: Path) -> None:
    seq, _ = await journaled(tmp_path)
    done = wakeful("attention", "explain", str(seq), "--plot", "why.png", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "never seen before" in done.stdout
    assert "nats" in done.stdout
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")
    done = wakeful("attention", "replay", "--plot", "again.png", home=tmp_path)
    assert "would have woken 1 times" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "again.png").read_bytes().startswith(b"\x89PNG")
    assert "of 1 notifications, 0 rest on nothing" in done.stdout
    done = wakeful("attention", "replay", "--threshold", "1", "--critical", "1", home=tmp_path)
    assert "would have woken 0 times" in done.stdout
    assert "of 1 notifications, 1 rest on nothing" in done.stdout


async def test_feedback_is_journaled_with_the_sources_behind_it(tmp_path: Path) -> None:
    _, told = await journaled(tmp_path)
    assert wakeful("feedback", str(told), "useless", home=tmp_path).returncode == 0
    assert wakeful("feedback", "999999", "useful", home=tmp_path).returncode == 2
    async with await Journal.open(tmp_path / "journal.db", read_only=True) as journal:
        [entry] = await journal.read(kinds=("feedback",))
    assert isinstance(entry.event, Feedback)
    assert (entry.event.useful, entry.event.sources) == (False, ("log:x",))
    assert not isinstance(entry.event, Salience)

"""What a person types to allow, stop and acknowledge: with the real commands, and what is behind them."""

import asyncio
import time
from pathlib import Path

import pytest
import typer
from test_cli_commands import wakeful

from wakeful.actions import NoSuchApproval
from wakeful.cli.approving import acknowledge, decide, move_brake, show_approvals
from wakeful.cli.toolbox import build_tools
from wakeful.config import ActionsSection, CommandSettings, ConfigError, Settings
from wakeful.events import Acknowledged, ApprovalDecided, ApprovalRequested, Brake, Event, Notification
from wakeful.journal import Journal, JournalMissing


def write(home: Path, *events: Event) -> None:
    async def run() -> None:
        async with await Journal.open(home / "journal.db") as journal:
            await journal.append(events)

    asyncio.run(run())


def read(home: Path) -> list[Event]:
    async def run() -> list[Event]:
        async with await Journal.open(home / "journal.db", read_only=True) as journal:
            return [entry.event for entry in await journal.read()]

    return asyncio.run(run())


def test_approving_pausing_and_acknowledging(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now_ns = time.time_ns()
    write(
        tmp_path,
        ApprovalRequested(
            at_ns=now_ns, key="k", tool="run_x", arguments="{}", shown="/bin/x --all", digest="ab" * 32,
            expires_ns=now_ns + 600 * 10**9, details="because \x1b[31m",
        ),
        Notification(at_ns=now_ns, key="n", severity="critical", title="t", text="x"),
    )  # fmt: skip
    listed = wakeful("approvals", home=tmp_path)
    assert "abababab  run_x, for 10 more min" in listed.stdout
    assert "will run: /bin/x --all" in listed.stdout
    assert "\x1b" not in listed.stdout
    wrong = wakeful("approve", "abababac", home=tmp_path)
    assert wrong.returncode == 2
    assert "Nothing with the code" in wrong.stderr
    said = wakeful("approve", "ABABABAB", home=tmp_path)
    assert said.returncode == 0
    assert "Approved, once: /bin/x --all" in said.stdout
    assert "No mind is awake" in said.stdout
    assert wakeful("pause", "--why", "I am away", home=tmp_path).returncode == 0
    with pytest.raises(NoSuchApproval):
        asyncio.run(decide(tmp_path, "abababab", approve=False))
    asyncio.run(move_brake(tmp_path, on=False, why=""))
    with pytest.raises(typer.BadParameter):
        asyncio.run(acknowledge(tmp_path, 1))
    asyncio.run(acknowledge(tmp_path, 2))
    asyncio.run(show_approvals(tmp_path, as_json=True))
    assert "you have seen #2" in capsys.readouterr().out
    decided, paused, resumed, seen = read(tmp_path)[2:]
    assert isinstance(decided, ApprovalDecided)
    assert decided.approved
    assert decided.by == "terminal"
    assert isinstance(paused, Brake)
    assert (paused.on, paused.why) == (True, "I am away")
    assert isinstance(resumed, Brake)
    assert not resumed.on
    assert isinstance(seen, Acknowledged)
    assert seen.about == 2


def test_tools_are_listed_with_what_they_may_do(tmp_path: Path) -> None:
    (tmp_path / "wakeful.toml").write_text(
        "[actions]\nunits = ['nginx']\n[actions.policy]\nsockets = 'deny'\nnone = 'ask'\n"
        "[actions.commands.x]\nrun = ['/bin/x']\n"
    )
    printed = wakeful("tools", home=tmp_path).stdout
    assert "actions.policy.none fits no tool" in printed
    rows = {line.split()[0]: line.split()[1:3] for line in printed.splitlines() if line}
    assert rows["processes"] == ["read", "allow"]
    assert rows["sockets"] == ["read", "deny"]
    assert rows["unit_stop"] == ["change", "ask"]
    assert rows["run_x"] == ["change", "ask"]


def test_settings_that_make_no_tool_are_named(tmp_path: Path) -> None:
    command = {"x": CommandSettings(run=["/bin/x", "{y}"])}
    with pytest.raises(ConfigError, match=r"The command x and its choices do not fit: y\."):
        build_tools(Settings(actions=ActionsSection(commands=command)))


def test_nothing_is_made_where_there_is_no_journal(tmp_path: Path) -> None:
    assert wakeful("mcp", home=tmp_path).returncode == 5
    for command in (
        move_brake(tmp_path, on=True, why=""),
        acknowledge(tmp_path, 0),
        decide(tmp_path, "a", approve=True),
    ):
        with pytest.raises(JournalMissing):
            asyncio.run(command)
    assert not (tmp_path / "journal.db").exists()

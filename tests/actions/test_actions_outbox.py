import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from acting_house import Counted, acting, events, request, results, until

from wakeful.actions import Approvals, NoSuchApproval, look_closer
from wakeful.events import (
    ActionClaimed,
    ActionResult,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalRequested,
    Observation,
)
from wakeful.journal import Journal

ANYTHING = {"type": "object"}


def restarts(_: Mapping[str, Any]) -> str:
    return "systemctl restart nginx"


def stops(_: Mapping[str, Any]) -> str:
    return "systemctl stop sshd"


async def test_each_request_has_one_result_over_restarts(tmp_path: Path) -> None:
    async with acting(tmp_path) as journal:
        await journal.append([request("a", action="reflect"), request("b", action="reflect")])
        await results(journal, 2)
    async with acting(tmp_path) as journal:
        await journal.append([request("c", action="reflect"), request("a", action="reflect")])
        assert [result.key for result in await results(journal, 3)] == ["a", "b", "c"]
    async with acting(tmp_path) as journal:
        await journal.append([request("d", action="reflect")])
        assert [result.key for result in await results(journal, 4)] == ["a", "b", "c", "d"]


async def test_looking_closer_is_done_and_what_is_not_allowed_is_declined(tmp_path: Path) -> None:
    async with acting(tmp_path) as journal:
        await journal.append([request("a"), request("b", action="delegate"), request("c", action="rm -rf /")])
        found = {result.key: result for result in await results(journal, 3)}
    assert found["a"].outcome == "done"
    assert "busiest" in found["a"].text
    assert found["b"].outcome == found["c"].outcome == "declined"
    assert "rm -rf" in found["c"].text


def test_a_closer_look_names_processes_and_disks() -> None:
    text = look_closer()
    assert "% cpu" in text
    assert "GB" in text


async def test_a_named_tool_comes_back_as_an_observation_and_a_plain_look_does_not(tmp_path: Path) -> None:
    async with acting(tmp_path) as journal:
        await journal.append([request("a", "disk_use"), request("b")])
        await results(journal, 2)
        [seen] = await events(journal, Observation)
    assert seen.source == "action:disk_use"
    assert seen.attrs["exit_status"] == "0"


async def test_what_changes_something_waits_for_a_yes_and_runs_once(tmp_path: Path) -> None:
    counted = Counted("mend")
    async with acting(tmp_path, [counted.tool]) as journal:
        await journal.append([request("a", "mend")])
        [asked] = await until(journal, ApprovalRequested)
        assert not counted.calls
        approvals = Approvals(journal)
        [waiting] = await approvals.waiting()
        assert waiting.request == asked
        await approvals.decide(waiting.code, approve=True, by="terminal")
        [result] = await results(journal, 1)
        assert (result.outcome, len(counted.calls)) == ("done", 1)
        with pytest.raises(NoSuchApproval):
            await approvals.decide(waiting.code, approve=True, by="terminal")
        # even a second yes that somebody wrote by hand is spent
        await journal.append(
            [ApprovalDecided(at_ns=time.time_ns(), key="a", digest=asked.digest, approved=True, by="x")]
        )
        await journal.append([request("b", action="reflect")])
        await results(journal, 2)
    assert len(counted.calls) == 1


async def test_a_no_is_a_no(tmp_path: Path) -> None:
    counted = Counted("mend")
    async with acting(tmp_path, [counted.tool]) as journal:
        await journal.append([request("a", "mend")])
        [asked] = await until(journal, ApprovalRequested)
        await Approvals(journal).decide(asked.digest, approve=False, by="page")
        [result] = await results(journal, 1)
    assert (result.outcome, counted.calls) == ("refused", [])


async def test_a_yes_to_something_else_counts_for_nothing(tmp_path: Path) -> None:
    counted = Counted("mend")
    async with acting(tmp_path, [counted.tool], approval_s=1.0) as journal:
        await journal.append([request("a", "mend"), request("b", "mend", x=1)])
        [asked] = await until(journal, ApprovalRequested)
        now_ns = time.time_ns()
        forged = [
            ApprovalDecided(at_ns=now_ns, key="a", digest="0" * 64, approved=True, by="x"),
            ApprovalDecided(at_ns=now_ns, key="b", digest=asked.digest, approved=True, by="x"),
            ApprovalDecided(at_ns=asked.expires_ns, key="a", digest=asked.digest, approved=True, by="x"),
            ApprovalDecided(at_ns=asked.at_ns - 1, key="a", digest=asked.digest, approved=True, by="x"),
        ]
        await journal.append(forged)
        found = {result.key: result.outcome for result in await results(journal, 2)}
        assert len(await events(journal, ApprovalExpired)) == 1
    assert found == {"a": "expired", "b": "declined"}
    assert not counted.calls


async def test_an_approval_outlives_a_restart_but_not_other_settings(tmp_path: Path) -> None:
    before = Counted("mend", show=restarts, parameters=ANYTHING)
    async with acting(tmp_path, [before.tool]) as journal:
        await journal.append([request("a", "mend", x=1), request("b", "mend", x=2)])
        asked = await until(journal, ApprovalRequested, 2)
    async with await Journal.open(tmp_path / "journal.db") as journal:
        await Approvals(journal).decide(asked[0].digest, approve=True, by="terminal")
    async with acting(tmp_path, [before.tool]) as journal:
        [result] = await results(journal, 1)
        assert result.outcome == "done"
    async with await Journal.open(tmp_path / "journal.db") as journal:
        await Approvals(journal).decide(asked[1].digest, approve=True, by="terminal")
    after = Counted("mend", show=stops, parameters=ANYTHING)
    async with acting(tmp_path, [after.tool]) as journal:
        _, result = await results(journal, 2)
    assert result.outcome == "declined"
    assert "not what you approved" in result.text
    assert (len(before.calls), len(after.calls)) == (1, 0)


async def test_the_brake_ends_what_runs_and_lets_nothing_begin(tmp_path: Path) -> None:
    never = asyncio.Event()
    mending, looking = Counted("mend", holds=never), Counted("look", "read", holds=never)
    async with acting(tmp_path, [mending.tool, looking.tool], {"mend": "allow"}) as journal:
        await journal.append([request("a", "mend"), request("b", "look")])
        await asyncio.gather(mending.begun.wait(), looking.begun.wait())
        await Approvals(journal).brake(on=True, by="terminal")
        found = {result.key: result.outcome for result in await results(journal, 2)}
        assert found == {"a": "unknown", "b": "declined"}
        await journal.append([request("c", "mend"), request("d", "look")])
        assert [result.outcome for result in (await results(journal, 4))[2:]] == ["declined"] * 2
    async with acting(tmp_path, [mending.tool], {"mend": "allow"}) as journal:  # it holds over a restart
        await journal.append([request("e", "mend")])
        assert (await results(journal, 5))[4].outcome == "declined"
        never.set()
        await Approvals(journal).brake(on=False, by="terminal")
        await journal.append([request("f", "mend")])
        assert (await results(journal, 6))[5].outcome == "done"
    assert (len(mending.calls), len(looking.calls)) == (2, 1)


async def test_no_claim_is_written_after_the_brake(tmp_path: Path) -> None:
    """Also when the outbox has not seen it yet: both move one cursor."""
    counted = Counted("mend")
    async with acting(tmp_path, [counted.tool], {"mend": "allow"}, at_once=1, changes_per_hour=1000) as journal:
        async with await Journal.open(tmp_path / "journal.db", lock=False) as other:
            await journal.append([request(f"k{number}", "mend") for number in range(60)])
            await counted.begun.wait()
            await Approvals(other).brake(on=True, by="terminal")
        await results(journal, 60)
        entries = await journal.read(kinds=("brake", "action_claimed"))
        kinds = [isinstance(entry.event, ActionClaimed) for entry in entries]
    assert kinds[-1] is False, "something was claimed after the brake"
    assert len(counted.calls) <= sum(kinds)


async def test_a_dry_run_only_tells_what_it_would_do(tmp_path: Path) -> None:
    counted = Counted("mend", show=restarts)
    async with acting(tmp_path, [counted.tool], {"mend": "allow"}, dry_run=True) as journal:
        await journal.append([request("a", "mend"), request("b", "disk_use")])
        found = {result.key: result for result in await results(journal, 2)}
    assert found["a"].outcome == "dry run"
    assert "systemctl restart nginx" in found["a"].text
    assert found["b"].outcome == "done"
    assert not counted.calls


async def test_limits_of_the_hour_hold_over_a_restart(tmp_path: Path) -> None:
    counted = Counted("mend", per_hour=3)
    rules = {"mend": "allow"}
    async with acting(tmp_path, [counted.tool], rules) as journal:  # type: ignore[arg-type]
        await journal.append([request(key, "mend") for key in "ab"])
        await results(journal, 2)
    async with acting(tmp_path, [counted.tool], rules) as journal:  # type: ignore[arg-type]
        await journal.append([request(key, "mend") for key in "cd"])
        outcomes = [result.outcome for result in await results(journal, 4)]
    assert sorted(outcomes) == ["declined", "done", "done", "done"]
    assert len(counted.calls) == 3


async def test_a_tool_that_hangs_or_fails_has_a_result_all_the_same(tmp_path: Path) -> None:
    hanging, looking = Counted("mend", holds=asyncio.Event()), Counted("look", "read", holds=asyncio.Event())

    async def breaks(_: object) -> str:
        raise ValueError("\x1b[31mno\u202e")

    failing = Counted("fail", "read")
    object.__setattr__(failing.tool, "run", breaks)
    tools = [hanging.tool, looking.tool, failing.tool]
    async with acting(tmp_path, tools, {"mend": "allow"}, timeout_s=0.2) as journal:
        await journal.append([request("a", "mend"), request("b", "look"), request("c", "fail")])
        found: dict[str, ActionResult] = {result.key: result for result in await results(journal, 3)}
    assert {key: result.outcome for key, result in found.items()} == {"a": "unknown", "b": "failed", "c": "failed"}
    assert found["c"].text == "ValueError: no"


async def test_no_more_run_at_a_time_than_allowed(tmp_path: Path) -> None:
    most = running = 0

    async def look(_: object) -> str:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return "x" * 500

    counted = Counted("look", "read")
    object.__setattr__(counted.tool, "run", look)
    async with acting(tmp_path, [counted.tool], at_once=2, output_chars=100) as journal:
        await journal.append([request(f"k{number}", "look") for number in range(10)])
        found = await results(journal, 10)
    assert most == 2
    assert all(len(result.text) <= 103 for result in found)


async def test_a_person_is_not_asked_for_the_same_twice_nor_for_too_much(tmp_path: Path) -> None:
    async with acting(tmp_path, [Counted("mend", parameters=ANYTHING).tool]) as journal:
        await journal.append([request("a", "mend", x=0)])
        await until(journal, ApprovalRequested)
        await journal.append([request("b", "mend", x=0), *(request(f"k{n}", "mend", x=n) for n in range(1, 12))])
        found = {result.key: result.text for result in await results(journal, 3)}
        assert len(await events(journal, ApprovalRequested)) == 10
    assert "exactly this already" in found["b"]
    assert sum("10 requests wait" in text for text in found.values()) == 2

"""What may be learned, what the audit calls junk, how the self-model changes, and memories on the way out and in."""

import asyncio

import pytest
from memory_parts import WordEmbedder, opened
from test_memory_forget import thought

from wakeful.events import ActionRequest, Event, Observation, Remembered
from wakeful.memory import (
    Memory,
    NotLearnt,
    Patch,
    UnreadableMemory,
    audit,
    export,
    follow_requests,
    patch_of,
    revise,
    roll_back,
    take_in,
    versions,
)
from wakeful.memory.self_model import MAX_CHARS


async def seen(memory: Memory, text: str) -> int:
    [entry] = await memory.journal.append([Observation(at_ns=5, source="log:/x", form="lines", text=text)])
    return entry.seq


async def test_a_model_is_believed_only_where_something_observed_bears_it_out(memory: Memory) -> None:
    basis = await seen(memory, "smartd: /dev/sda has 12 bad sectors")
    assert await memory.add("The disk /dev/sda has 12 bad sectors.", provenance="model", evidence=[basis])
    for text, evidence in (
        ("The disk /dev/sdb has 12 bad sectors.", [basis]),
        ("The disk /dev/sda has 13 bad sectors.", [basis]),
        ("All is well.", []),
        ("All is well.", [await memory.add("All is well.", provenance="observed", source="x") + 100]),
    ):
        with pytest.raises(NotLearnt):
            await memory.add(text, provenance="model", evidence=evidence)


@pytest.mark.parametrize("provenance", ["recalled", "prompted"])
async def test_what_was_recalled_or_prompted_is_never_learnt_again(memory: Memory, provenance: str) -> None:
    with pytest.raises(NotLearnt):
        await memory.add("x", provenance=provenance, evidence=[await seen(memory, "x")])  # type: ignore[arg-type]


async def test_the_audit_names_each_kind_of_junk(memory: Memory) -> None:
    basis = await seen(memory, "smartd: /dev/sda has 12 bad sectors")
    junk = {
        "unsupported": Remembered(at_ns=1, text="13 bad sectors", provenance="model", by_model=True, evidence=(basis,)),
        "self-made": Remembered(at_ns=1, text="told again", provenance="recalled"),
        "duplicate": Remembered(at_ns=1, text="the proxy is nginx"),
        "stale": Remembered(at_ns=1, text="the backup runs at 3", about="backup", form="fact"),
    }
    ids = [entry.seq for entry in await memory.journal.append(list(junk.values()))]
    good = (
        Remembered(at_ns=1, text="the proxy is nginx"),
        Remembered(at_ns=2, text="the backup runs at 4", about="backup", form="fact"),
        Remembered(at_ns=2, text="12 bad sectors", provenance="model", by_model=True, evidence=(basis,)),
        Remembered(at_ns=2, text='"has 12 bad sectors" came 3 times', provenance="observed", evidence=(basis,)),
    )
    await memory.journal.append(good)
    found = await audit(memory.journal)
    assert found.junk == {name: (seq,) for name, seq in zip(junk, ids, strict=True)}
    assert found.looked_at == 8
    assert found.junk_share == 0.5


async def test_an_audit_of_what_was_kept_properly_finds_nothing(memory: Memory) -> None:
    await memory.add("the backup runs at 3", about="backup", kind="fact")
    await memory.add("the backup runs at 4", about="backup", kind="fact")
    await memory.add("the door is green")
    found = await audit(memory.journal)
    assert (found.looked_at, found.junk) == (2, {})  # the older fact no longer holds


async def test_a_newer_fact_supersedes_and_both_stay(memory: Memory) -> None:
    old = await memory.add("the backup runs at 3", about="backup", kind="fact")
    new = await memory.add("the backup runs at 4", about="backup", kind="fact")
    entry = await memory.newest_about("backup")
    assert entry is not None
    assert entry.seq == new
    assert isinstance(entry.event, Remembered)
    assert entry.event.supersedes == old
    assert [each.id for each in await memory.recall("backup")] == [new, old]


async def test_the_self_model_changes_by_patches_and_goes_back(memory: Memory) -> None:
    journal = memory.journal
    first = await revise(journal, Patch(add=("The user sleeps from 23 to 7.",)), now_ns=1)
    basis = await seen(memory, "cron: backup took 40 minutes")
    wanted = patch_of(
        "+ The backup takes 40 minutes.\n- The user sleeps from 23 to 7.", why="learnt", evidence=(basis,)
    )
    second = await revise(journal, wanted, now_ns=2)
    assert second.text == "The backup takes 40 minutes."
    third = await roll_back(journal, 1, now_ns=3)
    assert third.text == first.text
    assert [each.version for each in await versions(journal)] == [1, 2, 3]


async def test_a_patch_that_does_not_stand_the_review_changes_nothing(memory: Memory) -> None:
    journal = memory.journal
    await revise(journal, Patch(add=("one",)), now_ns=1)
    for patch in (
        Patch(),
        Patch(add=("ONE",)),
        Patch(add=("x" * 300,)),
        Patch(add=("a\x1b[31m",)),
        Patch(remove=("two",)),
        Patch(add=tuple("abcdefg")),
        Patch(add=("The disk has 7 bad sectors.",), by="reflection"),
    ):
        with pytest.raises(NotLearnt):
            await revise(journal, patch, now_ns=2)
    with pytest.raises(NotLearnt):
        await roll_back(journal, 9, now_ns=2)
    assert [each.text for each in await versions(journal)] == ["one"]


async def test_the_self_model_never_outgrows_its_bound(memory: Memory) -> None:
    refused = 0
    for number in range(30):
        try:
            await revise(memory.journal, Patch(add=(f"{number:03d} " + "x" * 200,)), now_ns=number)
        except NotLearnt as error:
            refused += "are the most" in error.why
    assert refused > 10
    assert all(len(each.text) <= MAX_CHARS for each in await versions(memory.journal))


async def test_memories_go_out_and_come_in_once(memory: Memory, tmp_path_factory: pytest.TempPathFactory) -> None:
    await memory.add("Grüße an die 磁盘", time=7, about="x", kind="fact", importance=0.9)
    await memory.add("two", source="alex")
    lines = [line async for line in export(memory.journal)]
    async with opened(tmp_path_factory.mktemp("other"), WordEmbedder()) as other:
        assert await take_in(other, lines) == 2
        assert await take_in(other, lines) == 0
        assert [line async for line in export(other.journal)] == lines
        with pytest.raises(UnreadableMemory, match="Line 2"):
            await take_in(other, [b'{"text":"new","at_ns":1}', b"{"])
        assert await other.recall("new") == []


async def test_many_add_at_once(memory: Memory) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(memory.add(f"note {number}")) for number in range(20)]
    assert len({task.result() for task in tasks}) == 20


async def test_what_the_mind_asks_for_is_reviewed_once(memory: Memory) -> None:
    journal = memory.journal
    basis = await seen(memory, "cron: backup took 40 minutes")
    requests: list[Event] = []
    for cycle, details in (("a", "The backup takes 40 minutes."), ("b", "The backup takes 50 minutes.")):
        made = thought("The backup.", (basis,), cycle=cycle)
        requests += [made, ActionRequest(at_ns=1, key=cycle, cycle=cycle, action="update_model", details=details)]
    last = (await journal.append(requests))[-1].cursor
    for _ in range(2):  # and again after a restart
        following = asyncio.create_task(follow_requests(journal, now_ns=lambda: 7))
        async with asyncio.timeout(10):
            while await journal.cursor("self_model") != last:
                await asyncio.sleep(0.01)
        following.cancel()
    assert [each.text for each in await versions(journal)] == ["The backup takes 40 minutes."]

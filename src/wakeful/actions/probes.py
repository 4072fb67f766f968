"""Looking at this machine and at the journal; nothing is changed, and nothing leaves."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import psutil

from wakeful.actions.probe import look_closer
from wakeful.actions.tool import Call, Tool
from wakeful.actions.toolbox import LOOK_CLOSER
from wakeful.context import entry_line
from wakeful.events import Entry

Search = Callable[[str, int], Awaitable[Sequence[Entry]]]
"""Entries that match a text, best first, at most so many."""

_MAX_ROWS = 25
_MAX_FOUND = 12


def probe_tools(search: Search | None = None) -> list[Tool]:
    """What may look at this machine. search: over the journal, where there is an index of it"""
    tools = [
        Tool(LOOK_CLOSER, "the busiest and largest processes and the fullest disks", _plain(look_closer)),
        Tool("processes", "all larger processes: memory, CPU time, age, owner", _plain(processes)),
        Tool("disk_use", "how full each disk is", _plain(disk_use)),
        Tool("sockets", "which programs listen on which ports, and how many connections they have", _plain(sockets)),
    ]
    if search is not None:
        tools.append(_search_tool(search))
    return tools


def processes() -> str:
    """The largest processes by resident memory, a line each."""
    rows: list[tuple[int, str]] = []
    now_s = time.time()
    for process in psutil.process_iter(["pid", "name", "username", "memory_info", "cpu_times", "create_time"]):
        seen = process.info
        memory, cpu = seen["memory_info"], seen["cpu_times"]
        if memory is None or cpu is None:
            continue
        age_h = max(now_s - (seen["create_time"] or now_s), 0.0) / 3600
        line = (
            f"{seen['pid']} {seen['name']}: {memory.rss / 1e6:.0f} MB, {cpu.user + cpu.system:.0f} s of cpu in "
            f"{age_h:.1f} h, {seen['username'] or 'unknown'}"
        )
        rows.append((memory.rss, line))
    rows.sort(reverse=True)
    return _bounded([line for _, line in rows])


def disk_use() -> str:
    """Each disk's size and what is left of it, fullest first."""
    rows: dict[str, tuple[float, str]] = {}
    for partition in psutil.disk_partitions(all=False):
        try:
            use = psutil.disk_usage(partition.mountpoint)
        except OSError:  # an empty drive, a mount that we may not enter
            continue
        line = f"{partition.mountpoint}: {use.percent:.1f}% of {use.total / 1e9:.0f} GB, {use.free / 1e9:.1f} GB free"
        rows.setdefault(partition.device, (use.percent, line))
    return _bounded([line for _, line in sorted(rows.values(), reverse=True)]) or "no disks can be seen"


def sockets() -> str:
    """Listening ports with their programs, and how many connections each port has."""
    try:
        found = psutil.net_connections(kind="inet")
    except psutil.AccessDenied:  # macOS shows them to root alone
        return "this system does not show them to its users"
    names: dict[int, str] = {}
    listening: dict[tuple[str, int], str] = {}
    connected: dict[int, int] = {}
    for each in found:
        if each.laddr and each.status == psutil.CONN_LISTEN:
            listening[(each.laddr.ip, each.laddr.port)] = _name(each.pid, names)
        elif each.laddr and each.status == psutil.CONN_ESTABLISHED:
            connected[each.laddr.port] = connected.get(each.laddr.port, 0) + 1
    return (
        _bounded(
            [
                f"{ip}:{port} {name}, {connected.get(port, 0)} connections"
                for (ip, port), name in sorted(listening.items(), key=lambda each: each[0][1])
            ]
        )
        or "nothing listens"
    )


def _search_tool(search: Search) -> Tool:
    async def run(call: Call) -> str:
        found = await search(str(call.arguments["words"]), _MAX_FOUND)
        return "\n".join(entry_line(entry) for entry in sorted(found, key=lambda entry: entry.seq)) or "nothing found"

    words = {"type": "string", "minLength": 1, "maxLength": 200}
    parameters = {
        "type": "object",
        "properties": {"words": words},
        "required": ["words"],
        "additionalProperties": False,
    }
    return Tool("search_journal", "earlier entries of the journal with any of these words", run, parameters)


def _plain(look: Callable[[], str]) -> Callable[[Call], Awaitable[str]]:
    async def run(_: Call) -> str:
        return await asyncio.to_thread(look)

    return run


def _name(pid: int | None, names: dict[int, str]) -> str:
    if pid is None:
        return "unknown"
    if pid not in names:
        try:
            names[pid] = f"{psutil.Process(pid).name()} ({pid})"
        except psutil.Error:
            names[pid] = str(pid)
    return names[pid]


def _bounded(lines: list[str]) -> str:
    more = [f"and {len(lines) - _MAX_ROWS} more"] if len(lines) > _MAX_ROWS else []
    return "\n".join(lines[:_MAX_ROWS] + more)

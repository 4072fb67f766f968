"""Units of systemd, as `systemctl show` tells them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wakeful.sources.child import Child
from wakeful.sources.errors import SourceError

LIMIT_S = 10.0
MAX_BYTES = 256 * 1024
_PROPERTIES = "Id,LoadState,ActiveState,SubState,Result,NRestarts,MemoryCurrent,ExecMainStatus"


class UnitsUnknown(SourceError):
    """There is no systemd here, or it does not answer."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit. state: systemd's word (`active`, `failed`, …); memory_bytes: None where it is not counted."""

    state: str
    sub_state: str = ""
    result: str = ""
    exit_status: int = 0
    restarts: int = 0
    memory_bytes: int | None = None

    @property
    def up(self) -> bool:
        """Whether it does its work, or is about to."""
        return self.state in ("active", "reloading", "activating")

    @property
    def told(self) -> str:
        """The state in words: `failed (exit-code, status 203)`."""
        if self.state == "failed" and self.result not in ("", "success"):
            status = f", status {self.exit_status}" if self.exit_status else ""
            return f"{self.state} ({self.result}{status})"
        return self.state

    def __str__(self) -> str:
        memory = f", {self.memory_bytes / 1e6:.1f} MB" if self.memory_bytes is not None else ""
        return f"{self.told}{memory}"


async def show_units(names: Sequence[str], *, program: str = "systemctl") -> dict[str, Unit]:
    """The units by the names that were asked for; raises UnitsUnknown where there is no systemd to ask."""
    arguments = [program, "show", f"--property={_PROPERTIES}", "--", *map(_full, names)]
    try:
        child = await Child.spawn(arguments, merge_stderr=False, env={"LC_ALL": "C", "SYSTEMD_COLORS": "0"})
    except SourceError as error:
        raise UnitsUnknown(error.message, hint=error.hint) from error
    output = b""
    try:
        async with asyncio.timeout(LIMIT_S):
            while len(output) < MAX_BYTES and (data := await child.output.read(MAX_BYTES)):
                output += data
            status = await child.process.wait()
    except TimeoutError as error:
        raise UnitsUnknown(f"{program} did not answer within {LIMIT_S:g} s") from error
    finally:
        await child.end()
    if status != 0:
        raise UnitsUnknown(f"{program} ended with status {status}", hint="Is systemd running here?")
    blocks = [_properties(block) for block in output.decode("utf-8", "replace").split("\n\n") if block.strip()]
    return {name: _unit(block) for name, block in zip(names, blocks)}


def _full(name: str) -> str:
    return name if "." in name else f"{name}.service"


def _properties(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _unit(shown: Mapping[str, str]) -> Unit:
    missing = shown.get("LoadState") in ("not-found", "error", "bad-setting")
    return Unit(
        state=shown["LoadState"] if missing else shown.get("ActiveState", "unknown"),
        sub_state=shown.get("SubState", ""),
        result=shown.get("Result", ""),
        exit_status=_number(shown.get("ExecMainStatus", "")) or 0,
        restarts=_number(shown.get("NRestarts", "")) or 0,
        memory_bytes=_number(shown.get("MemoryCurrent", "")),
    )


def _number(text: str) -> int | None:
    """systemd writes `[not set]`, or 2^64 - 1, for what it does not count."""
    number = int(text) if text.isascii() and text.isdigit() else None
    return None if number is None or number >= 2**63 else number

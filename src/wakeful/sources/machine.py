"""What psutil knows of this machine. Everything here blocks; `metrics` runs it in threads."""

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_PSEUDO = frozenset({"devfs", "devtmpfs", "iso9660", "overlay", "ramfs", "squashfs", "tmpfs", "udf"})
"""No disk that could fill up: memory, images that are full by nature, and other views of the same disk."""

_REMOTE = ("nfs", "cifs", "smb", "fuse.sshfs", "afpfs", "9p", "ceph", "glusterfs", "davfs", "webdav")
"""Asking a server that is away how full it is can block for ever."""

_VIRTUAL_NICS = (
    "lo",
    "veth",
    "br-",
    "docker",
    "virbr",
    "cali",
    "flannel",
    "cni",
    "vnet",
    "tap",
    "utun",
    "awdl",
    "llw",
)
MAX_NICS = 8
MAX_DISKS = 24
SLOW_S = 60.0
"""How often the list of disks, and what else hardly changes, is read anew; of disks at once where Linux says so."""

_MOUNTED = Path("/proc/self/mounts")


@dataclass(frozen=True, slots=True)
class Counters:
    """Running totals since boot, taken at `at` (monotonic seconds).

    totals: by the name of the rate that they make (`disk_read_bytes_per_s`, `rx_bytes_per_s:eth0`)
    """

    at: float
    totals: Mapping[str, int]

    def rates_since(self, before: "Counters") -> dict[str, float]:
        """Change a second of each total; none for one that is new, or went back because it was reset."""
        took_s = self.at - before.at
        if took_s <= 0:
            return {}
        return {
            name: (total - earlier) / took_s
            for name, total in self.totals.items()
            if (earlier := before.totals.get(name)) is not None and total >= earlier
        }


@dataclass(frozen=True, slots=True)
class Sample:
    """The machine at one moment. Shares are in percent; swap is None where there is none."""

    cpu_percent: float
    memory_percent: float
    swap_percent: float | None
    load_1: float | None
    disks_percent: Mapping[str, float]
    temperatures_c: Mapping[str, float]
    counters: Counters = field(default_factory=lambda: Counters(0.0, {}))


@dataclass(frozen=True, slots=True)
class Peek:
    """What of a sample can go wrong within seconds."""

    cpu_percent: float
    memory_percent: float
    disks_percent: Mapping[str, float]


class Machine:
    """Reads the machine; CPU shares are since the reading before."""

    def __init__(self) -> None:
        self._cpu = _cpu_times()
        self._peek_cpu = self._cpu
        self._disks: list[str] = []
        self._disks_at = -SLOW_S
        self._mount_table: bytes = b""
        self._temperatures: dict[str, float] = {}
        self._temperatures_at = -SLOW_S

    def peek(self) -> "Peek":
        """What can go wrong within seconds, the CPU since the last peek or sample. Takes some 100 µs."""
        before, self._peek_cpu = self._peek_cpu, _cpu_times()
        return Peek(_busy_percent(before, self._peek_cpu), psutil.virtual_memory().percent, self._disks_percent())

    def sample(self) -> Sample:
        """Everything, the CPU since the last sample."""
        before, self._cpu = self._cpu, _cpu_times()
        self._peek_cpu = self._cpu
        swap = psutil.swap_memory()
        return Sample(
            cpu_percent=_busy_percent(before, self._cpu),
            memory_percent=psutil.virtual_memory().percent,
            swap_percent=swap.percent if swap.total else None,
            load_1=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
            disks_percent=self._disks_percent(),
            temperatures_c=self._temperatures_c(),
            counters=_counters(),
        )

    def _disks_percent(self) -> dict[str, float]:
        now, mounted = time.monotonic(), _mounted()
        if now - self._disks_at >= SLOW_S or mounted != self._mount_table:
            self._disks, self._disks_at, self._mount_table = _mounts(), now, mounted
        percents: dict[str, float] = {}
        for mount in self._disks:
            with contextlib.suppress(OSError):  # unmounted since, or not ours to ask
                percents[mount] = psutil.disk_usage(mount).percent
        return percents

    def _temperatures_c(self) -> dict[str, float]:
        now = time.monotonic()
        if now - self._temperatures_at >= SLOW_S / 2:
            self._temperatures, self._temperatures_at = _temperatures(), now
        return self._temperatures


def _cpu_times() -> tuple[float, float]:
    """Seconds that all cores were busy, and seconds in all."""
    times = psutil.cpu_times()
    # Linux counts time of guests in user and nice already.
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total


def _busy_percent(before: tuple[float, float], after: tuple[float, float]) -> float:
    total = after[1] - before[1]
    return min(100.0, max(0.0, 100 * (after[0] - before[0]) / total)) if total > 0 else 0.0


def _mounted() -> bytes:
    """What changes whenever anything is mounted or unmounted; always the same where the platform does not tell."""
    with contextlib.suppress(OSError):
        return _MOUNTED.read_bytes()
    return b""


def _mounts() -> list[str]:
    """Where real, local file systems are mounted, each once."""
    by_device: dict[str, str] = {}
    for part in psutil.disk_partitions(all=False):
        kind = part.fstype.lower()
        if not kind or kind in _PSEUDO or kind.startswith(_REMOTE) or "cdrom" in part.opts:
            continue
        if part.mountpoint.startswith(("/snap/", "/System/Volumes/", "/var/lib/docker/", "/boot/efi")):
            continue
        known = by_device.get(part.device)
        if known is None or len(part.mountpoint) < len(known):  # the same disk, mounted again somewhere deeper
            by_device[part.device] = part.mountpoint
    mounts = sorted(by_device.values())[:MAX_DISKS]
    root_hidden = os.name == "posix" and "/" not in mounts  # an overlay, as in a container
    return ["/", *mounts] if root_hidden else mounts


def _temperatures() -> dict[str, float]:
    """The hottest sensor of each chip, where the platform tells."""
    read = getattr(psutil, "sensors_temperatures", None)
    if read is None:
        return {}
    try:
        chips = read()
    except OSError:
        return {}
    return {
        chip: max(sensor.current for sensor in sensors)
        for chip, sensors in chips.items()
        if sensors and max(sensor.current for sensor in sensors) > 0
    }


def _counters() -> Counters:
    at = time.monotonic()
    totals: dict[str, int] = {}
    # psutil's own guard (nowrap) would take a counter's reset for its overflow; we leave that rate out.
    disk = psutil.disk_io_counters(nowrap=False)
    if disk is not None:
        totals["disk_read_bytes_per_s"] = disk.read_bytes
        totals["disk_write_bytes_per_s"] = disk.write_bytes
    nics = psutil.net_io_counters(pernic=True, nowrap=False)
    real = [(name, nic) for name, nic in nics.items() if nic.bytes_recv and not name.startswith(_VIRTUAL_NICS)]
    real.sort(key=lambda each: -(each[1].bytes_recv + each[1].bytes_sent))
    for name, nic in real[:MAX_NICS]:
        totals[f"rx_bytes_per_s:{name}"] = nic.bytes_recv
        totals[f"tx_bytes_per_s:{name}"] = nic.bytes_sent
        totals[f"net_errors_per_s:{name}"] = nic.errin + nic.errout
    return Counters(at, totals)

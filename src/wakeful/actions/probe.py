"""A closer look at this machine, reading only: what runs, what is full."""

import time

import psutil

_SAMPLE_S = 0.3
_TOP = 3


def look_closer() -> str:
    """The busiest and largest processes and the fullest disks, in one line. Blocks for some 0.3 s."""
    processes = list(psutil.process_iter(["name"]))
    for process in processes:
        _cpu(process)  # the first call only starts the measurement
    time.sleep(_SAMPLE_S)
    busiest = sorted(((_cpu(process), _name(process)) for process in processes), reverse=True)[:_TOP]
    largest = sorted(((_rss_bytes(process), _name(process)) for process in processes), reverse=True)[:_TOP]
    parts = [
        "busiest " + ", ".join(f"{name} {percent:.1f}% cpu" for percent, name in busiest),
        "largest " + ", ".join(f"{name} {size / 1e9:.1f} GB" for size, name in largest),
    ]
    disks = sorted(_disks(), reverse=True)[:_TOP]
    if disks:
        parts.append("fullest " + ", ".join(f"{mount} {percent:.1f}%" for percent, mount in disks))
    return "; ".join(parts)


def _cpu(process: psutil.Process) -> float:
    try:
        return process.cpu_percent()
    except psutil.Error:  # it ended, or is not ours to see
        return 0.0


def _rss_bytes(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def _name(process: psutil.Process) -> str:
    return str(process.info["name"] or process.pid)


def _disks() -> list[tuple[float, str]]:
    found: dict[str, tuple[float, str]] = {}
    for partition in psutil.disk_partitions(all=False):
        try:
            percent = psutil.disk_usage(partition.mountpoint).percent
        except OSError:  # an empty drive, a mount that we may not enter
            continue
        found.setdefault(partition.device, (percent, partition.mountpoint))
    return list(found.values())

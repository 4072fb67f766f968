"""What is known of a metric from its name alone: which change matters, where it ends, how it is said."""

import functools
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of metric, in its own unit.

    says, label: how a value and the metric are written; divisor: from the unit to the one that is said
    change: the least change that matters; relative: the same as a share of what is usual (the larger holds)
    ends: levels near the end of a bounded resource that are worth a look whatever is usual, rising
    fills: whether it only ends when it is full, so that its pace tells when
    counter: whether it counts up for ever, so that its rate is what is judged
    """

    says: str
    label: str
    change: float = 0.0
    relative: float = 0.02
    ends: tuple[float, ...] = ()
    fills: bool = False
    counter: bool = False
    divisor: float = 1.0

    def least_change(self, usual: float) -> float:
        """The least change from `usual` that means anything, > 0."""
        return max(self.change, self.relative * abs(usual), 1e-9)

    def value(self, value: float) -> str:
        """A value as sources write it: `97.4%`."""
        return self.says.format(value / self.divisor)


_PERCENT = "{:.1f}%"
_KINDS = {
    "cpu_percent": Kind(_PERCENT, "cpu {}", change=3.0),
    "memory_percent": Kind(_PERCENT, "memory {}", change=1.5, ends=(92.0, 96.0, 99.0)),
    "swap_percent": Kind(_PERCENT, "swap {}", change=3.0, ends=(70.0, 90.0)),
    "disk_percent": Kind(_PERCENT, "disk {}", change=0.7, ends=(90.0, 95.0, 97.0, 99.0), fills=True),
    "load_1": Kind("{:.2f}", "load {}", change=0.5),
    "temperature_c": Kind("{:.0f}C", "temperature {}", change=3.0, ends=(90.0, 97.0)),
    "net_errors_per_s": Kind("{:.1f}/s", "net {} errors", change=0.5),
}
_BYTES_PER_S = 8e6  # less than this is background noise of disks and networks
_MEGABYTE = 1e6


@functools.lru_cache(maxsize=4096)
def kind_of(name: str) -> Kind:
    """The kind of the metric `name`, such as `disk_percent:/home`; by its ending where the name is unknown."""
    known = name.partition(":")[0]
    if known in _KINDS:
        return _KINDS[known]
    words = known.replace("_", " ")
    if known.endswith("bytes_per_s"):
        label = words.removesuffix(" bytes per s") + " {}"
        return Kind("{:.1f} MB/s", label, change=_BYTES_PER_S, relative=0.5, divisor=_MEGABYTE)
    if known.endswith("_bytes"):
        return Kind("{:.1f} MB", words.removesuffix(" bytes") + " {}", relative=0.1, change=16e6, divisor=_MEGABYTE)
    if known.endswith("_percent"):
        return Kind(_PERCENT, words.removesuffix(" percent") + " {}", change=3.0)
    if known.endswith("_c"):
        return Kind("{:.0f}C", words.removesuffix(" c") + " {}", change=2.0)
    if known.endswith("_total"):
        return Kind("{:.2f}/s", words.removesuffix(" total") + " {}", counter=True)
    return Kind("{:.2f}", words + " {}")


def said(name: str, value: float) -> str:
    """A metric as sources write it: `cpu 97.4%`, `disk /home 71.0%`, `net eth0 errors 3.0/s`."""
    kind = kind_of(name)
    label = kind.label.format(name.partition(":")[2]).strip()
    return f"{label} {kind.value(value)}"

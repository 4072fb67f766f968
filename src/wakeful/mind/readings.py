"""Which readings of a machine are high at first look: worked out here so that no model need compare numbers."""

from collections.abc import Mapping

HIGH = 90.0
"""Percent, or degrees Celsius, from which a reading is named at first look, when nothing is known of its past."""

_PLAIN = {"cpu_percent": "cpu", "memory_percent": "memory", "swap_percent": "swap"}


def reasons(values: Mapping[str, float]) -> tuple[str, ...]:
    """Why a moment of metrics is shown at first look: the worst of what is high in it, or that nothing is.

    The highest is the worst, a busy processor the least.
    """
    high = sorted(
        (name == "cpu_percent", -value, said)
        for name, value in values.items()
        if value >= HIGH and (said := _said(name, value))
    )
    return ("first look", f"{high[0][-1]} is high") if high else QUIET


QUIET = ("first look", "nothing is high")


def _said(name: str, value: float) -> str:
    """A reading in the words of the line of metrics, "" where a high one means nothing."""
    kind, _, which = name.partition(":")
    if kind == "disk_percent":
        return f"disk {which} {value:.1f}%"
    if kind == "temperature_c":
        return f"temperature {which} {value:.0f}C"
    return f"{_PLAIN[kind]} {value:.1f}%" if kind in _PLAIN else ""

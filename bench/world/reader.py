"""The scripted model: reads what it is shown as a careful person would, by a few plain rules, and knows nothing else.

It is no oracle: it sees the prompt and nothing of the plan. What it is for: its judgement costs nothing and never
changes, so that what differs from run to run is the gate and the loop.
"""

import json
import re
from typing import Any

Messages = list[dict[str, str]]

_LINE = re.compile(r"^(#\d+) [\d:]{8} (\S+): (.*?)(?: \[([^\[\]]*)\])?$")
_CRITICAL = re.compile(
    r"out of memory|killed for memory|no space left|panic|i/o error|has expired|\bfatal\b|exited with code [1-9]",
    re.IGNORECASE,
)
_WARNING = re.compile(
    r"error|fail|refused|too many|unhealthy|is down|link is down|throttled|times in all|answers 5\d\d|permitrootlogin"
    r"|ends in [1-7] days|ends in 24 hours|no line like|says nothing|no space|denied|full in about|timed out|missing",
    re.IGNORECASE,
)
_GRAVE = ("info", "warning", "critical")
_SHOWN = 140


def answer(messages: Messages, offered: list[str]) -> str:
    """A thought, as JSON, about the moment that the last message shows."""
    shown = messages[-1]["content"].partition("\nRemembered:")[0].splitlines()
    lines = {found[1]: _judged(line) for line in shown if (found := _LINE.match(line))}
    grave, name, says = max(lines.values(), key=lambda each: each[0], default=(0, "nothing", "nothing was seen"))
    worst = {cited: each[2] for cited, each in lines.items() if each[0] == grave and cited in offered}
    told = "; ".join(dict.fromkeys(worst.values()))[:290]
    thought: dict[str, Any] = {
        "focus": f"{name}: {says}"[:150],
        "evidence": list(worst),
        "observed": says[:200],
        "assessment": told,
        "severity": _GRAVE[grave],
        "expected": "no warning follows",
        "prediction_error": 0.1 + 0.4 * grave,
        "attention": {"internal": 0.1, "external": 0.8, "memory": 0.1},
        "action_needed": grave > 0,
        "action_type": "observe",
        "action_details": f"look at {name}: {says}"[:180] if grave else "",
        "next_prediction": f"more errors of {name}" if grave else "no warning follows",
        "confidence": 0.6 if grave else 0.8,
        "self_assessment": "by rule",
    }
    return json.dumps(thought)


def _judged(line: str) -> tuple[int, str, str]:
    """How grave an observation is, where it comes from, and what of it is worth repeating."""
    found = _LINE.match(line)
    assert found is not None
    source, text, why = found[2], found[3], found[4] or ""
    if why.startswith("first look"):
        return 0, source, "all as at first look"
    figures = "usually" in why or "full in about" in why
    if figures and _of_figures(text):
        who = re.search(r"busiest (\S+)", text) if why.startswith(("cpu", "load", "temperature")) else None
        who = re.search(r"largest (\S+)", text) if why.startswith("memory") else who
        named = source.startswith(("containers", "http:"))  # elsewhere the reason says what it is about
        subject = text.removeprefix("container ").split()[0] if named else ""
        why = why.split("; ")[0]
        return 1, source, " ".join(part for part in (who[0] if who else "", subject, why) if part)[:_SHOWN]
    grave = 2 if _CRITICAL.search(text) else 1 if _WARNING.search(text) else 0
    if grave == 0 and "rate" in why:
        grave = 1
    return grave, source, text[:_SHOWN]


def _of_figures(text: str) -> bool:
    return bool(re.match(r"cpu \d|container \S+ cpu|\S+ (?:answers|is down)|home/", text))

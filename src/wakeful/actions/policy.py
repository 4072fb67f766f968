"""The policy: whether a tool may run, must be asked for, or may not; and how often, how long, how much."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from wakeful.actions.tool import Risk, Tool

Verdict = Literal["allow", "ask", "deny"]

DEFAULTS: Mapping[Risk, Verdict] = {"read": "allow", "change": "ask", "outside": "ask"}
_HOUR_NS = 3600 * 10**9
_STRICTNESS: tuple[Verdict, ...] = ("allow", "ask", "deny")


@dataclass(frozen=True, slots=True)
class Limits:
    """What acting may take.

    timeout_s: seconds that one action may run; output_chars: characters of its result that are kept
    per_hour: actions within an hour; changes_per_hour: of those that do more than look; at_once: at a time
    approval_s: seconds for which an approval may be given; specialists_at_once: of them at a time
    """

    timeout_s: float = 30.0
    output_chars: int = 8000
    per_hour: int = 60
    changes_per_hour: int = 6
    at_once: int = 2
    approval_s: float = 900.0
    specialists_at_once: int = 1


@dataclass(frozen=True, slots=True)
class Ran:
    """That a tool was begun, for the count of the hour."""

    at_ns: int
    tool: str
    repeatable: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """What the user allows.

    rules: verdicts by a tool's name, by a pattern of names (`mcp_github_*`), or by a class of risk
    dry_run: what does more than look is only told, not done
    """

    rules: Mapping[str, Verdict] = field(default_factory=dict[str, Verdict])
    limits: Limits = Limits()
    dry_run: bool = False

    def verdict(self, tool: Tool) -> Verdict:
        """The rule of its name; else of the patterns that fit the strictest; else of its class; else the default.

        A tool that has become another one is asked for where it was allowed.
        """
        verdict = self._rule(tool)
        return "ask" if tool.changed and verdict == "allow" else verdict

    def _rule(self, tool: Tool) -> Verdict:
        if tool.name in self.rules:
            return self.rules[tool.name]
        fitting = [self.rules[each] for each in self.rules if _is_pattern(each) and fnmatchcase(tool.name, each)]
        if fitting:
            return _STRICTNESS[max(map(_STRICTNESS.index, fitting))]
        return self.rules[tool.risk] if tool.risk in self.rules else DEFAULTS[tool.risk]

    def too_often(self, tool: Tool, ran: Iterable[Ran], now_ns: int) -> str:
        """Which limit of the hour the tool would break, "" for none."""
        lately = [each for each in ran if 0 <= now_ns - each.at_ns < _HOUR_NS]
        own = sum(each.tool == tool.name for each in lately)
        if tool.per_hour is not None and own >= tool.per_hour:
            return f"{tool.name} may run {tool.per_hour} times an hour"
        if len(lately) >= self.limits.per_hour:
            return f"{self.limits.per_hour} actions an hour are allowed"
        changes = sum(not each.repeatable for each in lately)
        if not tool.repeatable and changes >= self.limits.changes_per_hour:
            return f"{self.limits.changes_per_hour} actions an hour that change something are allowed"
        return ""

    def timeout_s(self, tool: Tool) -> float:
        """Seconds that it may run."""
        return self.limits.timeout_s if tool.timeout_s is None else tool.timeout_s


def _is_pattern(rule: str) -> bool:
    return any(each in rule for each in "*?[")

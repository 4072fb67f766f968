"""What the mind changes about itself: one thing at a time, within the user's bounds, checked, and taken back. Pure.

The rules are few and plain, and each names the figure that has to get better for it. Where the user set no bounds for a
parameter, it is never touched.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from wakeful.events import Entry, Event, ParameterChange, ParameterVerdict, WakeReason
from wakeful.mind.metacognition.vitals import Vitals

TUNING_KINDS = ("parameter_change", "parameter_verdict")
"""What has to be read for it."""

THRESHOLD, IDLE, KEEP, STANCE = "threshold", "idle_every_s", "keep_share", "stance"
Bounds = Mapping[str, tuple[float, float]]
"""From where to where a parameter may be changed."""

Choices = Mapping[str, Sequence[str]]
"""What a parameter that has names may be changed to."""

LEAST_THOUGHTS = 10
"""Thoughts from which on a figure says something."""

HELPED_BY = 0.05
"""By how much a share has to get better for a change to have helped."""

_REST_NS = 7 * 86_400 * 10**9  # before what did not help is tried again
_STEP = 0.05  # of the threshold


@dataclass(frozen=True, slots=True)
class Rule:
    """When a parameter is changed, and what for.

    reasons: the thoughts that it looks at, () for all; measure: a share of `Vitals`; above, below: the share at which
        it acts
    factor, step: how a size changes; what has names changes to the next that may be
    spends: it makes more of something good, and may lose up to half of what each brings
    """

    parameter: str
    reasons: tuple[WakeReason, ...]
    measure: Literal["led", "repeated", "contradicting", "failed", "reread"]
    expected: Literal["higher", "lower"]
    why: str
    above: float = 1.1
    below: float = -0.1
    factor: float = 1.0
    step: float = 0.0
    spends: bool = False


RULES = (
    Rule(THRESHOLD, ("salience",), "led", "higher", "most that woke it led to nothing", below=0.2, step=_STEP),
    Rule(IDLE, ("idle",), "repeated", "lower", "most idle thoughts repeat earlier ones", above=0.5, factor=2.0),
    Rule(IDLE, ("idle",), "led", "lower", "most idle thoughts led to something", above=0.6, factor=0.5, spends=True),
    Rule(STANCE, (), "failed", "lower", "many of its answers are unusable", above=0.2),
    Rule(STANCE, (), "contradicting", "lower", "its thoughts contradict each other", above=0.2),
    Rule(KEEP, (), "repeated", "lower", "its thoughts repeat what may have left the prompt", above=0.5, factor=2.0),
    Rule(KEEP, (), "reread", "lower", "most of each prompt is read anew", above=0.5, factor=0.5),
)


class Tuning:
    """Knows the parameters as they are, and the change that is being tried.

    defaults: what the settings say; bounds, choices: what may be changed, and how far, or to what
    """

    def __init__(
        self, defaults: Mapping[str, float | str], bounds: Bounds, choices: Choices = MappingProxyType({})
    ) -> None:
        self._defaults = dict(defaults)
        self._bounds = bounds
        self._choices = choices
        self._values: dict[str, float | str] = {}
        self._tried: tuple[int, ParameterChange] | None = None
        self._failed_ns: dict[tuple[str, str, float | str], int] = {}

    @property
    def since_ns(self) -> int:
        """When the change that is being tried was made, 0 for none."""
        return self._tried[1].at_ns if self._tried is not None else 0

    def value(self, parameter: str) -> float:
        """A parameter as it is now: as the settings say, unless it was changed and may still be."""
        default = float(self._defaults[parameter])
        if parameter not in self._bounds:
            return default
        low, high = self._bounds[parameter]
        return min(max(float(self._values.get(parameter, default)), low), high)

    def chosen(self, parameter: str) -> str:
        """The same of a parameter that has names."""
        default, value = str(self._defaults[parameter]), str(self._values.get(parameter, ""))
        return value if value in self._choices.get(parameter, ()) else default

    def learn(self, entry: Entry) -> None:
        """Takes in a change or a verdict, in order."""
        event = entry.event
        if isinstance(event, ParameterChange):
            self._values[event.parameter] = event.after_name or event.after
            self._tried = None if event.undoes else (entry.seq, event)
        elif isinstance(event, ParameterVerdict) and self._tried is not None and self._tried[0] == event.change:
            if not event.kept:
                self._failed_ns[_name(self._tried[1])] = event.at_ns
            self._tried = None

    def judge(self, figures: Mapping[tuple[WakeReason, ...], Vitals], now_ns: int) -> list[Event]:
        """Whether the change that is being tried helped, from figures since it was made; then it is kept or undone.

        Nothing as long as that can't be told.
        """
        if self._tried is None:
            return []
        seq, change = self._tried
        rule = next((rule for rule in RULES if _made_by(rule, change)), None)
        found = figures.get(rule.reasons) if rule is not None else None
        if rule is None or found is None or found.thoughts < LEAST_THOUGHTS:
            return []
        now = float(getattr(found, rule.measure))
        gain = now - change.was if change.expected == "higher" else change.was - now
        # Thinking more often may cost some of what each thought brings, but not most of it.
        kept = now >= change.was / 2 if rule.spends else gain >= HELPED_BY
        verdict = ParameterVerdict(at_ns=now_ns, change=seq, kept=kept, was=change.was, now=now)
        if kept:
            return [verdict]
        undone = ParameterChange(
            at_ns=now_ns,
            parameter=change.parameter,
            before=change.after,
            after=change.before,
            reason=f"it did not help: {change.measure} was {change.was:.2f}, and is {now:.2f}",
            measure=change.measure,
            expected=change.expected,
            was=now,
            undoes=seq,
            before_name=change.after_name,
            after_name=change.before_name,
        )
        return [verdict, undone]

    def propose(self, figures: Mapping[tuple[WakeReason, ...], Vitals], now_ns: int) -> list[Event]:
        """The next change, where the figures ask for one, the bounds allow it, and no other is being tried."""
        if self._tried is not None:
            return []
        for rule in RULES:
            found = figures.get(rule.reasons)
            if found is None or found.thoughts < LEAST_THOUGHTS:
                continue
            measured = float(getattr(found, rule.measure))
            if not (measured > rule.above or measured < rule.below):
                continue
            for before, after in self._steps(rule):
                failed_ns = self._failed_ns.get((rule.parameter, rule.why, after), -_REST_NS)
                if now_ns - failed_ns >= _REST_NS:
                    return [_change(rule, before, after, measured, now_ns)]
        return []

    def _steps(self, rule: Rule) -> Iterator[tuple[float | str, float | str]]:
        """From where to where a rule may change its parameter, what it would rather do first."""
        if rule.parameter in self._bounds:
            before = self.value(rule.parameter)
            low, high = self._bounds[rule.parameter]
            after = min(max(before * rule.factor + rule.step, low), high)
            if after != before:
                yield before, after
        elif names := list(self._choices.get(rule.parameter, ())):
            now = self.chosen(rule.parameter)
            begin = names.index(now) + 1 if now in names else 0
            yield from ((now, name) for name in (*names[begin:], *names[:begin]) if name != now)


def _change(rule: Rule, before: float | str, after: float | str, measured: float, now_ns: int) -> ParameterChange:
    return ParameterChange(
        at_ns=now_ns,
        parameter=rule.parameter,
        before=before if isinstance(before, float) else 0.0,
        after=after if isinstance(after, float) else 0.0,
        reason=rule.why,
        measure=rule.measure,
        expected=rule.expected,
        was=measured,
        before_name=before if isinstance(before, str) else "",
        after_name=after if isinstance(after, str) else "",
    )


def _made_by(rule: Rule, change: ParameterChange) -> bool:
    return (rule.parameter, rule.why) == (change.parameter, change.reason)


def _name(change: ParameterChange) -> tuple[str, str, float | str]:
    return change.parameter, change.reason, change.after_name or change.after

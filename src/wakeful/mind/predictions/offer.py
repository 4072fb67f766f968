"""What a model may predict: the metrics and sources that the journal really has, by names that it can only choose."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wakeful.events import Claim, ClaimForm, Comparison, Observation
from wakeful.mind.schema import MAX_CLAIM_MINUTES, ClaimReply

NOTHING, ANYTHING = "nothing", "any source"
MAX_METRICS, MAX_SOURCES = 40, 20
"""Names that are offered; the schema is read by the server each time."""

MAX_TOLD = 6
"""Metrics, and sources, that the prompt names; those of what is shown come first."""

_MIN_MINUTES = 1.0
_OF_METRIC: dict[str, tuple[ClaimForm, Comparison]] = {
    "rises above": ("reaches", ">"),
    "falls below": ("reaches", "<"),
    "stays above": ("stays", ">"),
    "stays below": ("stays", "<"),
    "ends above": ("ends", ">"),
    "ends below": ("ends", "<"),
}
_OF_TEXT: dict[str, ClaimForm] = {"says": "comes", "does not say": "stays_away"}
HOLDS = (*_OF_METRIC, *_OF_TEXT)
"""What may be claimed."""

_OWN = "wakeful:"


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be predicted, by the names that stand in the schema."""

    metrics: Mapping[str, tuple[str, str, str]] = field(default_factory=dict[str, tuple[str, str, str]])
    sources: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """The nearest names in one line of a prompt: a server may hold a model to a schema that it does not see."""
        near = [ANYTHING, *list(self.metrics)[:MAX_TOLD], *self.sources[:MAX_TOLD]]
        return f"Claims may be about: {', '.join(near)}, …"

    @property
    def names(self) -> list[str]:
        """All names, those that claim nothing or of anything first."""
        return [NOTHING, ANYTHING, *self.metrics, *self.sources]


def offer(shown: Iterable[Observation], known: Iterable[Observation]) -> Offer:
    """What may be predicted now: of what the thought is shown, then of the newest of each source."""
    metrics: dict[str, tuple[str, str, str]] = {}
    sources: dict[str, None] = {}
    for each in (*shown, *known):
        if each.source.startswith(_OWN):
            continue
        if each.form != "metrics" and len(sources) < MAX_SOURCES:
            sources.setdefault(each.source)
        for name in each.values:
            if len(metrics) < MAX_METRICS:
                of = f"{each.source} {each.subject}" if each.subject else each.source
                metrics.setdefault(f"{name} of {of}", (each.source, each.subject, name))
    return Offer(metrics, tuple(sources))


def claim_from(reply: ClaimReply, offered: Offer) -> tuple[Claim, float] | None:
    """The claim that a model chose, and its time in seconds; None where it claims nothing that can be checked."""
    minutes = min(max(reply.within_minutes, _MIN_MINUTES), MAX_CLAIM_MINUTES)
    if reply.about in offered.metrics and reply.holds in _OF_METRIC:
        source, subject, metric = offered.metrics[reply.about]
        form, comparison = _OF_METRIC[reply.holds]
        claim = Claim(
            form=form, source=source, subject=subject, metric=metric, comparison=comparison, value=reply.value
        )
        return claim, minutes * 60
    source = "" if reply.about == ANYTHING else reply.about
    if reply.holds in _OF_TEXT and reply.text.strip() and (not source or source in offered.sources):
        return Claim(form=_OF_TEXT[reply.holds], source=source, text=reply.text.strip()), minutes * 60
    return None

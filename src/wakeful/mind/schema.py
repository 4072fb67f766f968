"""The shape of a thought as the model writes it, and the JSON Schema that holds the model to it."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from wakeful.events import SEVERITIES, ActionType, Severity
from wakeful.mind import wording

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class AttentionShares(msgspec.Struct, frozen=True):
    """How the model divided its attention; each share in [0, 1]."""

    internal: Share
    external: Share
    memory: Share


class Reply(msgspec.Struct, frozen=True):
    """One thought, field by field in the order in which it is written: what is seen comes before the verdict.

    evidence: citations such as `#1234`, each of them offered in the prompt
    """

    focus: str
    evidence: list[str]
    observed: str
    assessment: str
    severity: Severity
    expected: str
    prediction_error: Share
    attention: AttentionShares
    action_needed: bool
    action_type: ActionType
    action_details: str
    next_prediction: str
    confidence: Share
    self_assessment: str


_ENDLESS = re.compile(r"(.{1,8}?)\1{11,}", re.DOTALL)
_LEAST_ENDLESS_CHARS = 24


def garbled(reply: Reply, shown: str) -> str:
    """What is wrong with a reply in which a few letters come again and again, as small models write; "" for nothing.

    Rows of dashes, the zeros of an address, and what stands so in what was shown, are no such thing.
    """
    for name in ("focus", "assessment"):
        for found in _ENDLESS.finditer(getattr(reply, name)):
            row = found[0]
            if len(row) < _LEAST_ENDLESS_CHARS or row[:_LEAST_ENDLESS_CHARS] in shown:
                continue
            if any(letter.isalnum() for letter in found[1]):
                return f"{name} says {found[1]!r} again and again"
    return ""


class ClaimReply(msgspec.Struct, frozen=True):
    """`next_prediction` in a form that a program can check.

    about: a metric or a source by its name in the offer, or `nothing`; holds: what will be so of it
    value: what the metric is compared with; text: words that a line holds; within_minutes: by when
    """

    about: str
    holds: str
    value: float = 0.0
    text: str = ""
    within_minutes: float = 60.0


class CallReply(msgspec.Struct, frozen=True):
    """What is to be done, by which tool; `tool` is "" for none. The outbox checks both, and asks the user's policy."""

    tool: str
    arguments: dict[str, Any] = {}


class FullReply(Reply, frozen=True):
    """A thought of a model that can be asked more than the pilot."""

    claim: ClaimReply | None = None
    call: CallReply | None = None


class AskReply(msgspec.Struct, frozen=True):
    """The answer to a person's question, with the journal entries that it used."""

    answer: str
    evidence: list[str]


MAX_CLAIM_MINUTES = 1440
"""The furthest that a claim may reach: later than that nobody remembers why it was made."""

_MAX_CITATIONS = 12


def reply_schema(
    citable: Sequence[str],
    *,
    shown: str | None = None,
    claimable: Sequence[str] = (),
    holds: Sequence[str] = (),
    call: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """JSON Schema of `Reply` in which `evidence` can name nothing but `citable`.

    claimable: what a claim may be about; where there is any, it is the schema of `FullReply`, whose claim can speak of
        nothing else; holds: what may be claimed of it
    call: schema of a call of a tool, None where there are no tools
    shown: for the pilot model, what it is shown now: `observed` is a stretch of an observation, its other texts are of
        words of the observations (`expected`: of all) and those that it was taught, and so short that even if it loops
        the object ends within the answer's tokens; its shares are tenths, since a grammar made of a schema knows no
        bounds of numbers
    Written out by hand, since servers differ in which keywords they obey: no `$ref` or `$schema`, and `pattern` for the
    pilot alone, which our own engine serves.
    """
    share: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}
    if shown is not None:
        share = {"enum": [tenth / 10 for tenth in range(11)]}

    word = "" if shown is None else _word("\n".join(wording.observed(shown)))
    quoted = wording.quotation(shown or "")
    observed, assessment = _text(300), _text(300)
    if word:
        observed = {"type": "string", "pattern": f"^{quoted}$"} if quoted else wording.text(word, 3)
        assessment = wording.text(word, 13, quoted)

    def text(most_chars: int, most_words: int) -> dict[str, Any]:
        return wording.text(word, most_words) if word else _text(most_chars)

    shares = {
        "type": "object",
        "properties": {"internal": share, "external": share, "memory": share},
        "required": ["internal", "external", "memory"],
        "additionalProperties": False,
    }
    properties: dict[str, Any] = {
        "focus": text(160, 8),
        "evidence": _citations(citable),
        "observed": observed,
        "assessment": assessment,
        "severity": {"type": "string", "enum": list(SEVERITIES)},
        "expected": _text(200) if shown is None else wording.text(_word(shown), 8),
        "prediction_error": share,
        "attention": shares,
        "action_needed": {"type": "boolean"},
        "action_type": {"type": "string", "enum": ["observe", "reflect", "delegate", "update_model"]},
        "action_details": text(200, 8),
        **({"call": call} if call is not None else {}),
        "next_prediction": text(200, 8),
        "confidence": share,
        "self_assessment": text(160, 8),
    }
    if claimable:
        properties["claim"] = _object(
            {
                "about": {"type": "string", "enum": list(claimable)},
                "holds": {"type": "string", "enum": list(holds)},
                "value": {"type": "number"},
                "text": _text(80),
                "within_minutes": {"type": "number", "minimum": 1, "maximum": MAX_CLAIM_MINUTES},
            }
        )
    return _object(properties)


def ask_schema(citable: Sequence[str]) -> dict[str, Any]:
    """JSON Schema of `AskReply`."""
    return _object({"answer": _text(800), "evidence": _citations(citable)})


def _word(shown: str) -> str:
    return wording.word(wording.taught() | wording.words(shown))


def _text(max_chars: int) -> dict[str, Any]:
    """A text of bounded length: a small model that loops still comes to the end of its object."""
    return {"type": "string", "maxLength": max_chars}


def _citations(citable: Sequence[str]) -> dict[str, Any]:
    if not citable:
        return {"type": "array", "items": {"type": "string"}, "maxItems": 0}
    most = min(len(citable), _MAX_CITATIONS)  # a small model may cite for ever
    return {"type": "array", "items": {"type": "string", "enum": list(citable)}, "maxItems": most}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }

"""How is the next token chosen, and how do options become the body of a request?"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import msgspec

MAX_TOKENS = 1024
"""Tokens of an answer unless told otherwise; never unlimited, since a model may loop."""


class Extra(TypedDict, total=False):
    """What every endpoint takes. extra: further fields of the request, which win over all others."""

    extra: Mapping[str, object] | None


class Sampling(Extra, total=False):
    """How tokens are chosen, as the OpenAI-compatible endpoints take it; what is left out is left to the server.

    stop: texts at which to stop, not part of the answer
    ttl_s: seconds without use after which a model that this request loads is unloaded
    """

    temperature: float | None
    top_p: float
    top_k: int
    min_p: float
    repeat_penalty: float
    presence_penalty: float
    frequency_penalty: float
    logit_bias: Mapping[str, float]
    seed: int
    stop: str | Sequence[str]
    ttl_s: int


_RENAMED = {"ttl_s": "ttl"}


def body_of(fixed: Mapping[str, object], options: Mapping[str, Any], known: type) -> bytes:
    """The request as JSON: `fixed`, then the options in the order in which `known` declares them.

    Equal requests are equal bytes. Options that are None are left out.
    known: the TypedDict of the options
    Raises TypeError for an option that it does not have.
    """
    names = known.__annotations__
    if unknown := options.keys() - names.keys():
        raise TypeError(f"no such option: {', '.join(sorted(unknown))}; what the server alone knows goes into `extra`")
    body = {name: value for name, value in fixed.items() if value is not None}
    for name in names:
        if name != "extra" and (value := options.get(name)) is not None:
            body[_RENAMED.get(name, name)] = value
    body.update(options.get("extra") or {})
    return msgspec.json.encode(body)

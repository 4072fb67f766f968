"""Events to bytes and back, across versions of Wakeful."""

from functools import cache
from typing import Any

import msgspec

from wakeful.events import acting, model, remembering, talking, thinking
from wakeful.events.model import Event

_FILES = (model, acting, remembering, talking, thinking)
_encoder = msgspec.json.Encoder()


class UnknownEvent(Event, frozen=True, kw_only=True, tag="unknown"):
    """An event of a kind that this version does not know (written by a newer one); kept, never rewritten.

    kind_name: the kind as written; raw: the whole event as JSON text
    """

    kind_name: str
    raw: str


@cache
def _kinds() -> dict[str, type[Event]]:
    return {kind_of(cls): cls for file in _FILES for cls in vars(file).values() if _is_kind(cls)}


@cache
def _decoder() -> msgspec.json.Decoder[Any]:
    union: Any = None
    for cls in _kinds().values():
        union = cls if union is None else union | cls
    return msgspec.json.Decoder(union)


def _is_kind(cls: object) -> bool:
    return isinstance(cls, type) and issubclass(cls, Event) and cls is not Event


def kind_of(event: Event | type[Event]) -> str:
    """The kind's name as it is written in the journal."""
    if isinstance(event, UnknownEvent):
        return event.kind_name
    return str(event.__struct_config__.tag)


def encode(event: Event) -> bytes:
    """The event as JSON, with its kind in the field `kind`."""
    if isinstance(event, UnknownEvent):
        return event.raw.encode()
    return _encoder.encode(event)


def decode(data: bytes) -> Event:
    """The event that `data` holds.

    A kind that this version does not know comes back as `UnknownEvent`, so that a journal written by a newer
    version can be read. Raises msgspec.DecodeError when `data` is no event at all.
    """
    try:
        return _decoder().decode(data)
    except msgspec.ValidationError:
        head = msgspec.json.decode(data, type=dict[str, Any])
        kind = head.get("kind")
        if not isinstance(kind, str) or kind in _kinds():
            raise
        at_ns = head.get("at_ns")
        return UnknownEvent(
            at_ns=at_ns if isinstance(at_ns, int) else 0, kind_name=kind, raw=data.decode("utf-8", "replace")
        )

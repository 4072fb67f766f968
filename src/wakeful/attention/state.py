"""All that attention has learnt, to bytes and back."""

import logging
import math
from array import array
from typing import Any

import msgspec

from wakeful.attention.budget import Spent
from wakeful.attention.numbers import Metric
from wakeful.attention.precision import Record
from wakeful.attention.rhythm import Rhythm
from wakeful.attention.text import Speaker

VERSION = 5
"""Of the bytes that `encode` writes. Of versions 3 and 4 all but the models of metrics is taken over, which learn anew
within a day or so; others are not read, and attention begins anew."""

_log = logging.getLogger(__name__)


class Series(msgspec.Struct, array_like=True):
    """The metrics of one subject of a source.

    told_s, told_nats: the last departure that was told
    missing, rhythms: which of them are said to be silent, and when those that ever were should come
    """

    metrics: dict[str, Metric] = msgspec.field(default_factory=dict[str, Metric])
    told_s: float = -math.inf
    told_nats: float = 0.0
    missing: list[str] = msgspec.field(default_factory=list[str])
    rhythms: dict[str, Rhythm] = msgspec.field(default_factory=dict[str, Rhythm])


class _Lasting(msgspec.Struct, kw_only=True):
    """What did not change since version 3."""

    speakers: dict[str, Speaker] = msgspec.field(default_factory=dict[str, Speaker])
    records: dict[str, Record] = msgspec.field(default_factory=dict[str, Record])
    exits: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    spent: Spent = msgspec.field(default_factory=Spent)
    observed: int = 0
    habituated: int = 0
    at_ns: int = 0
    awake_s: float = 0.0
    looked_s: float = 0.0


class State(_Lasting, kw_only=True):
    """series by source and subject; speakers, records and exits by source; the least recently used come first.

    awake_s, looked_s: since when observations have come without a long break; when silence was last looked for
    """

    version: int = VERSION
    series: dict[str, Series] = msgspec.field(default_factory=dict[str, Series])


class _Head(msgspec.Struct):
    version: int = 0


def encode(state: State | Metric) -> bytes:
    """The state as MessagePack; under 4 KB a metric, 60 bytes a shape of line, 300 of one that comes often."""
    return msgspec.msgpack.encode(state, enc_hook=_profile_bytes)


def decode(data: bytes) -> State:
    """The state that `data` holds, or a fresh one, said in the log, where it can't be read."""
    try:
        version = msgspec.msgpack.decode(data, type=_Head).version
        if version == VERSION:
            return msgspec.msgpack.decode(data, type=State, dec_hook=_profile)
        if version in (3, 4):
            lasting = msgspec.msgpack.decode(data, type=_Lasting)
            _log.info("attention's state is of version %d: what is usual for each metric is learnt anew", version)
            return State(**msgspec.structs.asdict(lasting))
        _log.info("attention's state is of version %d, not %d: it learns anew", version, VERSION)
    except (msgspec.DecodeError, ValueError) as error:
        _log.warning("attention's state can't be read (%s): it learns anew", error)
    return State()


def _profile_bytes(value: object) -> object:
    if isinstance(value, array):
        return value.tobytes()
    raise NotImplementedError


def _profile(kind: type, value: Any) -> object:
    """A profile; what `tobytes` wrote in four-byte floats of this machine's byte order."""
    made = array("f")
    made.frombytes(value)
    return made

"""How is an answer asked for in one piece, and read without losing the fields that we do not know?"""

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec.inspect import AnyType, ListType, NoneType, StructType, UnionType, VarTupleType, type_info

from wakeful.lmstudio.errors import LMStudioError, MalformedAnswer
from wakeful.lmstudio.http.attempts import Attempts
from wakeful.lmstudio.http.transport import Reply, Transport, check, unreadable
from wakeful.lmstudio.http.wire import as_object

T = TypeVar("T")
R = TypeVar("R", bound="Record")

UNKNOWN = "?"
"""The tag under which `Record`s with a `type` that we do not know are read, where their union has one for them."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an answer. extra: its fields that we do not know, as the server sent them."""

    extra: dict[str, Any] = {}


class Tagged(Record, frozen=True, kw_only=True, tag_field="type"):
    """A part of an answer whose kind the server names."""

    @property
    def type(self) -> str:
        """Its kind, in the server's word."""
        return str(self.__struct_config__.tag)


class Unknown(Tagged, frozen=True, kw_only=True, tag=UNKNOWN):
    """A part of an answer whose kind we do not know. kind: the server's word for it; extra: all that is in it."""

    kind: str = ""

    @property
    def type(self) -> str:
        """As `kind`."""
        return self.kind


async def ask(
    transport: Transport,
    path: str,
    body: bytes | None,
    read: Callable[[Reply, bytes], T],
    *,
    idempotent: bool = False,
    method: str = "POST",
    limit_s: float | None = None,
) -> T:
    """The whole answer to a request, as `read` makes it; sent again under the transport's rules.

    idempotent: whether sending it twice does no harm, even if the server acted on the first one; GET never does
    limit_s: how long one sending may take, `Timeouts.whole_s` unless given
    Raises LMStudioError.
    """
    attempts = Attempts(transport, idempotent=idempotent or method == "GET")
    limit_s = transport.timeouts.whole_s if limit_s is None else limit_s
    while True:
        try:
            deadline_s = asyncio.get_running_loop().time() + limit_s
            async with transport.open(method, path, body, head_s=limit_s) as reply:
                return read(reply, await reply.read_all(deadline_s, "whole"))
        except LMStudioError as error:
            if not await attempts.again(error):
                raise


def reader(kind: type[R]) -> Callable[[Reply, bytes], R]:
    """Makes whole answers to records. What it gives raises the error that the answer is, if it is one."""

    def read(reply: Reply, raw: bytes) -> R:
        check(reply, raw)
        try:
            data: Any = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise unreadable(reply, raw) from error
        if not isinstance(data, dict):
            raise unreadable(reply, raw)
        return to_record(data, kind)

    return read


def to_record(data: Any, kind: Any) -> Any:
    """Decoded JSON as `kind`: a record, or a union of tagged ones.

    Fields that no record has go into its `extra`; nulls where none may be are left to the default.
    Raises MalformedAnswer where a field has another type than it should.
    """
    fold, holder = _form(kind)
    try:
        return msgspec.convert({"it": fold(data)}, holder).it
    except msgspec.ValidationError as error:
        raise MalformedAnswer("The server's answer has another form than it should.", detail=str(error)) from error


Fold = Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


@cache
def _form(kind: Any) -> tuple[Fold, Any]:
    """How values of a type are brought into the form in which msgspec finds the unknown fields in `extra`.

    With it a struct to hold one: msgspec prepares the types of fields once, but a bare union at each use.
    """
    return _fold_of(type_info(kind)), msgspec.defstruct("Holder", [("it", kind)])


def _fold_of(info: Any) -> Fold:
    match info:
        case StructType():
            return _struct(info)
        case UnionType():
            return _union(list(info.types))
        case ListType() | VarTupleType():
            item = _fold_of(info.item_type)
            return _same if item is _same else lambda value: _each(item, value)
        case _:
            return _same


def _each(fold: Fold, values: Any) -> Any:
    return [fold(value) for value in cast("list[Any]", values)] if isinstance(values, list) else values


def _struct(info: Any) -> Fold:
    folds: dict[str, tuple[Fold, bool]] = {}
    for field in info.fields:
        may_be_none = isinstance(field.type, NoneType | AnyType) or (
            isinstance(field.type, UnionType) and any(isinstance(one, NoneType) for one in field.type.types)
        )
        if field.name != "extra":
            folds[field.encode_name] = (_fold_of(field.type), may_be_none)
    tag_field: str | None = info.tag_field

    def fold(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        known: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for name, each in cast("dict[str, Any]", value).items():
            if name == tag_field:
                known[name] = each
            elif (found := folds.get(name)) is None:
                extra[name] = each
            elif each is not None or found[1]:
                known[name] = found[0](each)
        known["extra"] = extra
        return known

    return fold


def _union(types: list[Any]) -> Fold:
    """Objects by their tag, lists by their items; all else as it is."""
    structs = [one for one in types if isinstance(one, StructType)]
    items = next((_fold_of(one) for one in types if isinstance(one, ListType | VarTupleType)), _same)
    if not structs:
        return items
    by_tag = {one.tag: _struct(one) for one in structs}
    tag_field = structs[0].tag_field or ""
    [only] = by_tag.values() if len(by_tag) == 1 else [None]

    def fold(value: Any) -> Any:
        if not isinstance(value, dict):
            return items(value)
        fields = as_object(value)
        if not tag_field and only is not None:
            return only(fields)
        tag = fields.get(tag_field)
        chosen = by_tag.get(tag) if isinstance(tag, str) and tag != UNKNOWN else None
        if chosen is None and UNKNOWN in by_tag:
            return {tag_field: UNKNOWN, "kind": str(tag or ""), "extra": fields}
        return fields if chosen is None else chosen(fields)

    return fold

"""Which loaded model a client means."""

from typing import Any, Literal

import msgspec


class _Names(msgspec.Struct, frozen=True, rename="camel"):
    """What is said of it; all of it has to fit."""

    domain: Literal["llm", "embedding"] | None = None
    device_identifier: str | None = None
    identifier: str | None = None
    path: str | None = None
    vision: bool | None = None


class Query(msgspec.Struct, frozen=True, tag_field="type", tag="query"):
    """Any that fits."""

    query: _Names

    def shown(self) -> dict[str, Any]:
        """The query as it came."""
        whole: dict[str, Any] = msgspec.to_builtins(self.query)
        return {key: value for key, value in whole.items() if value is not None}


class Reference(msgspec.Struct, frozen=True, tag_field="type", tag="instanceReference", rename="camel"):
    """This very one."""

    instance_reference: str


Specifier = Query | Reference

"""How much a request may hold, and what is said to one that holds more."""

import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from wakeful.engine.server.refusals import Refused
from wakeful.engine.server.settings import Limits

_IMAGE = re.compile(r"data:image/(?:png|jpe?g|gif|bmp);base64,", re.IGNORECASE)
"""LM Studio takes no WebP, and says the same of it as of an address."""


def check_depth(value: Any, limit: int) -> None:
    """Lists and objects within each other. Raises Refused."""
    level: list[Any] = [value]
    for _ in range(limit + 1):
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner += _nested(cast("Mapping[str, Any]", each).values())
            elif isinstance(each, list):
                inner += _nested(cast("Sequence[Any]", each))
        if not inner:
            return
        level = inner
    raise Refused(f"The request's JSON is nested deeper than {limit} levels.", code="too_deep", plain=True)


def check_count(name: str, values: Sequence[Any], limit: int) -> None:
    """How many there are. Raises Refused."""
    if len(values) > limit:
        raise Refused(
            f"'{name}' has {len(values)} entries; at most {limit} are allowed.",
            code="array_above_max_length",
            param=name,
            plain=True,
        )


def check_image(url: str, limits: Limits, param: str) -> None:
    """An image as a data URL. Raises Refused, in LM Studio's words."""
    found = _IMAGE.match(url)
    try:
        size_bytes = len(binascii.a2b_base64(url[found.end() :], strict_mode=True)) if found else 0
    except ValueError:  # no base64, or not even ASCII
        size_bytes = 0
    if not size_bytes:
        raise Refused("'url' field must be a base64 encoded image.", code="invalid_value", param=param, plain=True)
    if size_bytes > limits.image_bytes:
        raise Refused(
            f"The image at '{param}' is larger than {limits.image_bytes} bytes.",
            code="image_too_large",
            param=param,
            plain=True,
        )


def _nested(values: Iterable[Any]) -> list[Any]:
    return [each for each in values if isinstance(each, dict | list) and each]

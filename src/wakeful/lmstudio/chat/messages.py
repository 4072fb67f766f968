"""How a conversation is built up, images among its messages."""

import base64
import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast, overload

from wakeful.lmstudio.chat.events import ChatResult, Message

MAX_IMAGE_BYTES = 20 * 1024 * 1024

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})

Image = str | Path | bytes
"""A file (a path, or text that is one), the bytes of one, a `data:` URL, or an `http(s):` URL."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
)


class Chat(Sequence[Message]):
    """A conversation, in order. It is a sequence of messages, so it goes wherever messages are taken.

    history: messages in OpenAI form, another chat, or the text of a first message by the user
    Each method that adds a message gives the chat back, so that they can be chained.
    Raises ValueError when the history has something else in it than messages.
    """

    def __init__(self, history: "str | Iterable[Message]" = (), *, system: str = "") -> None:
        self._messages: list[dict[str, Any]] = []
        if system:
            self.system(system)
        if isinstance(history, str):
            self.user(history)
        else:
            self.extend(history)

    def system(self, text: str) -> Self:
        """Add what the model is to be or to obey."""
        return self._add({"role": "system", "content": text})

    def user(self, text: str, *, images: Iterable[Image] = ()) -> Self:
        """Add what the user says. Raises ValueError for an image that is too large or of no known type, OSError."""
        shown = [image_part(image) for image in images]
        if not shown:
            return self._add({"role": "user", "content": text})
        return self._add({"role": "user", "content": [{"type": "text", "text": text}, *shown]})

    def assistant(self, answer: str | ChatResult) -> Self:
        """Add an answer of the model, with the tool calls in it. Its reasoning is left out, as templates expect."""
        return self._add(
            {"role": "assistant", "content": answer} if isinstance(answer, str) else answer_message(answer)
        )

    def tool(self, call_id: str, text: str) -> Self:
        """Add what the call of a tool gave."""
        return self._add({"role": "tool", "tool_call_id": call_id, "content": text})

    def function(self, name: str, text: str) -> Self:
        """Add what a function gave, in the form before there were tools."""
        return self._add({"role": "function", "name": name, "content": text})

    def extend(self, messages: Iterable[Message]) -> Self:
        """Add messages in OpenAI form. Raises ValueError for what is none."""
        self._messages += [_checked(message) for message in messages]
        return self

    def copy(self) -> "Chat":
        """An independent copy, to try one conversation in two ways."""
        return Chat(self._messages)

    @overload
    def __getitem__(self, at: int) -> Message: ...
    @overload
    def __getitem__(self, at: slice) -> "Chat": ...
    def __getitem__(self, at: int | slice) -> "Message | Chat":
        return self._messages[at] if isinstance(at, int) else Chat(self._messages[at])

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chat) and self._messages == other._messages

    __hash__ = None  # type: ignore[assignment]  # it changes, so it can't be a key

    def __repr__(self) -> str:
        return f"Chat({self._messages!r})"

    def _add(self, message: dict[str, Any]) -> Self:
        self._messages.append(message)
        return self


def answer_message(answer: ChatResult) -> dict[str, Any]:
    """The answer as a message for what comes next."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.tool_calls:
        message["tool_calls"] = [
            # arguments that are no JSON break some templates; the model is told by the tool's message
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": "{}" if call.error else call.arguments},
            }
            for call in answer.tool_calls
        ]
    return message


def image_part(image: Image) -> dict[str, Any]:
    """An image as a part of a message; files and bytes travel as a `data:` URL.

    Raises ValueError when it is larger than 20 MiB or of no type that is known, and OSError of a file.
    """
    return {"type": "image_url", "image_url": {"url": _url(image)}}


def _url(image: Image) -> str:
    if isinstance(image, str) and image.startswith("data:") and not image.startswith("data:image/"):
        raise ValueError("a `data:` URL of an image begins with `data:image/`")
    if isinstance(image, str) and image.startswith(("data:image/", "https://", "http://")):
        if len(image) > MAX_IMAGE_BYTES * 4 // 3 + 64:
            raise ValueError(f"the image is larger than {MAX_IMAGE_BYTES:,} bytes")
        return image
    if isinstance(image, str | Path):
        path = Path(image)
        if path.stat().st_size > MAX_IMAGE_BYTES:
            raise ValueError(f"{path.name} is larger than {MAX_IMAGE_BYTES:,} bytes")
        image = path.read_bytes()
    if len(image) > MAX_IMAGE_BYTES:
        raise ValueError(f"the image is larger than {MAX_IMAGE_BYTES:,} bytes")
    kind = "image/webp" if image[:4] == b"RIFF" and image[8:12] == b"WEBP" else ""
    kind = kind or next((kind for magic, kind in _MAGIC if image.startswith(magic)), "")
    if not kind:
        raise ValueError("an image has to be PNG, JPEG, GIF, WebP or BMP")
    return f"data:{kind};base64,{base64.b64encode(image).decode()}"


def _checked(message: object) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise ValueError(f"a message is a mapping with `role` and `content`, not {type(message).__name__}")
    # a copy to its depth: what the caller does to a list of parts later is not to change the conversation
    fields = copy.deepcopy(dict(cast("Mapping[str, Any]", message)))
    if fields.get("role") not in ROLES:
        raise ValueError(f"a message's role is one of {', '.join(sorted(ROLES))}, not {fields.get('role')!r}")
    content = fields.get("content")
    if content is None and not fields.get("tool_calls") and not fields.get("function_call"):
        raise ValueError(f"the message of role {fields['role']} has no content")
    if content is not None and not isinstance(content, str | list):
        raise ValueError("a message's content is text or a list of parts")
    if isinstance(content, list):
        for part in cast("list[object]", content):
            if not isinstance(part, Mapping) or not isinstance(cast("Mapping[str, Any]", part).get("type"), str):
                raise ValueError("a part of a message's content is a mapping with `type`")
    return fields

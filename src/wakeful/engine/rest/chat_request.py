"""What REST v1's chat is asked."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.openai.options import Whole
from wakeful.engine.rest import shown, strict
from wakeful.engine.runner.request import Generation, Message, Sampling
from wakeful.engine.server.limits import check_count, check_image
from wakeful.engine.server.refusals import Refused
from wakeful.engine.server.settings import Limits

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1, lt=2**31)]


class _Item(msgspec.Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    pass


class TextItem(_Item, frozen=True, forbid_unknown_fields=True, tag="text"):
    """Something said, as the examples of the documentation have it."""

    content: str


class MessageItem(_Item, frozen=True, forbid_unknown_fields=True, tag="message"):
    """Something said, as the table of the documentation has it."""

    content: str


class ImageItem(_Item, frozen=True, forbid_unknown_fields=True, tag="image"):
    """Something shown."""

    data_url: str


class Plugin(_Item, frozen=True, forbid_unknown_fields=True, tag="plugin"):
    """A server of `mcp.json`."""

    id: str
    allowed_tools: list[str] | None = None


class EphemeralMCP(_Item, frozen=True, forbid_unknown_fields=True, tag="ephemeral_mcp"):
    """A server that the request names itself."""

    server_label: str
    server_url: str
    allowed_tools: list[str] | None = None
    headers: dict[str, str] | None = None


class ChatRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that may be asked, and nothing else."""

    model: str
    input: str | list[TextItem | MessageItem | ImageItem]
    system_prompt: str | None = None
    integrations: list[str | Plugin | EphemeralMCP] | None = None
    stream: bool = False
    temperature: Annotated[float, msgspec.Meta(ge=0)] | None = None
    top_p: Share | None = None
    top_k: Whole | None = None
    min_p: Share | None = None
    repeat_penalty: Annotated[float, msgspec.Meta(ge=0)] | None = None
    max_output_tokens: Count | None = None
    reasoning: Literal["off", "on", "low", "medium", "high", "xhigh"] | None = None
    context_length: Count | None = None
    store: bool = True
    previous_response_id: str | None = None

    def check(self) -> None:
        """Raises Refused for what can be seen without a model."""
        for each in self.integrations or ():
            raise _integration(each)
        previous = self.previous_response_id
        if previous is not None and not previous.startswith("resp_"):
            raise strict.invalid("'previous_response_id' must start with \"resp_\"", "previous_response_id")

    def check_reasoning(self, model: Descriptor) -> None:
        """Raises Refused where the model can't think so."""
        allowed = shown.EFFORTS if model.reasoning else ()
        if self.reasoning is not None and self.reasoning not in allowed:
            can = ", ".join(f"'{each}'" for each in allowed) or "none"
            text = f"Reasoning setting '{self.reasoning}' is not supported by model '{model.key}'. Supported: {can}"
            raise strict.invalid(text, "reasoning")

    def turns(self, limits: Limits) -> list[Message]:
        """What is new. Raises Refused."""
        if isinstance(self.input, str):
            return [{"role": "user", "content": self.input}]
        check_count("input", self.input, limits.messages)
        if not self.input:
            raise strict.invalid("'input' must not be empty", "input")
        images = [at for at, item in enumerate(self.input) if isinstance(item, ImageItem)]
        check_count("input", images, limits.images)
        if not images:
            return [{"role": "user", "content": "\n".join(_said(item) for item in self.input)}]
        return [{"role": "user", "content": [_part(item, at, limits) for at, item in enumerate(self.input)]}]

    def generation(self, before: Sequence[Message], new: Sequence[Message]) -> Generation:
        """What the model is asked. A new system prompt takes the place of those before: templates allow one."""
        turns = [*before, *new]
        systems = [turn for turn in turns if turn["role"] == "system"]
        return Generation(
            messages=(*systems[-1:], *(turn for turn in turns if turn["role"] != "system")),
            sampling=Sampling(
                temperature=self.temperature,
                top_p=self.top_p,
                top_k=self.top_k,
                min_p=self.min_p,
                repeat_penalty=self.repeat_penalty,
            ),
            max_tokens=self.max_output_tokens,
            effort=self.reasoning,
        )

    def system(self) -> list[Message]:
        """The system prompt as a message, if there is one."""
        return [] if self.system_prompt is None else [{"role": "system", "content": self.system_prompt}]


def _integration(each: str | Plugin | EphemeralMCP) -> Refused:
    """As LM Studio with its switches for this off, as they are by default."""
    if isinstance(each, EphemeralMCP):
        return Refused(
            f"Cannot connect to MCP server '{each.server_label}': per-request MCP servers are not allowed on this "
            "server.",
            kind="mcp_connection_error",
            param="integrations",
        )
    name = each if isinstance(each, str) else each.id
    text = f"Cannot use plugin '{name}': calling servers from mcp.json is not allowed on this server."
    return Refused(text, kind="plugin_connection_error", param="integrations")


def _said(item: TextItem | MessageItem | ImageItem) -> str:
    return "" if isinstance(item, ImageItem) else item.content


def _part(item: TextItem | MessageItem | ImageItem, at: int, limits: Limits) -> Mapping[str, Any]:
    if not isinstance(item, ImageItem):
        return {"type": "text", "text": item.content}
    check_image(item.data_url, limits, f"input.{at}.data_url")
    return {"type": "image_url", "image_url": {"url": item.data_url}}

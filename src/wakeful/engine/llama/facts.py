"""What a model's prompt template can do, as far as llama.cpp and its text tell. No I/O."""

import re
from typing import Any, cast

import msgspec

from wakeful.engine.runner.request import Generation, Message

_THINKING = re.compile(r"<think>|enable_thinking|reasoning_content|<\|channel\|>|\[THINK\]|<seed:think>|thinking")
_TOOLS = re.compile(r"\btools\b")


def template_thinks(template: str) -> bool:
    """Whether a template knows of thinking before the answer."""
    return _THINKING.search(template) is not None


def template_calls(template: str) -> bool:
    """Whether a template knows of tools."""
    return _TOOLS.search(template) is not None


class TemplateCaps(msgspec.Struct):
    """llama.cpp's own view of a template."""

    supports_tools: bool = False
    supports_tool_calls: bool = False


class Modalities(msgspec.Struct):
    """What it takes besides text."""

    vision: bool = False


class TemplateFacts(msgspec.Struct):
    """What `/props` tells of the model that runs."""

    chat_template: str = ""
    chat_template_caps: TemplateCaps = msgspec.field(default_factory=TemplateCaps)
    modalities: Modalities = msgspec.field(default_factory=Modalities)
    thinks: bool = False

    def __post_init__(self) -> None:
        self.thinks = template_thinks(self.chat_template)

    @property
    def calls_tools(self) -> bool:
        """Whether the template itself tells the model of tools."""
        return self.chat_template_caps.supports_tools

    def needs_parser(self, generation: Generation) -> bool:
        """Whether the answer may hold more than text, or the question does.

        llama.cpp's parser reads the whole answer anew at each token, so it is asked only where there is need.
        """
        return self.thinks or bool(generation.tools) or any(map(_has_image, generation.messages))


def _has_image(message: Message) -> bool:
    content: Any = message.get("content")
    if not isinstance(content, list):
        return False
    parts = cast("list[Any]", content)
    return any(isinstance(part, dict) and cast("dict[str, Any]", part).get("type") != "text" for part in parts)

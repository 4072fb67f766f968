"""The fields that requests of several interfaces share, and what a generation makes of them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from wakeful.engine.runner.request import Effort, Sampling
from wakeful.engine.server.bodies import as_object, convert
from wakeful.engine.server.limits import check_count
from wakeful.engine.server.refusals import Refused
from wakeful.engine.server.settings import Limits

Whole = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
Seed = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
"""As far as JavaScript's numbers are whole ones."""

_EFFORTS: dict[str, Effort] = {
    "none": "off",
    "off": "off",
    "on": "on",
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
}
_JSON_OBJECT = "'response_format.type' must be 'json_schema' or 'text'"
_JS_TYPES: dict[type, str] = {bool: "boolean", int: "number", float: "number"}
_BIAS = Annotated[float, msgspec.Meta(ge=-1000, le=1000)]


class SamplingFields(msgspec.Struct, kw_only=True):
    """How the next token is drawn, by OpenAI's names and those that LM Studio adds."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: Whole | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: Seed | None = None
    logit_bias: dict[Whole, _BIAS] | None = None
    stop: str | list[str] | None = None
    ttl: Any = None

    def sampling(self) -> Sampling:
        """As the runner takes it."""
        bias = {str(token): value for token, value in self.logit_bias.items()} if self.logit_bias else None
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            min_p=self.min_p,
            repeat_penalty=self.repeat_penalty,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            seed=self.seed,
            logit_bias=bias,
        )

    def stops(self, limits: Limits) -> tuple[str, ...]:
        """The strings that end the answer. Raises Refused."""
        return stop_strings(self.stop, limits, "stop")

    @property
    def ttl_s(self) -> float | None:
        """See `ttl_seconds`."""
        return ttl_seconds(self.ttl)


def ttl_seconds(ttl: Any) -> float | None:
    """How long a model that is loaded for this request stays; what makes no sense counts as not given."""
    return float(ttl) if isinstance(ttl, int | float) and not isinstance(ttl, bool) and 0 < ttl < 1e9 else None


def stop_strings(stop: str | Sequence[str] | None, limits: Limits, name: str) -> tuple[str, ...]:
    """Those that are not empty. Raises Refused."""
    stops = [stop] if isinstance(stop, str) else list(stop or ())
    check_count(name, stops, limits.stop_strings)
    return tuple(each for each in stops if each)


def token_limit(*given: int | None) -> int | None:
    """The first limit that is given; negative ones mean none, as with LM Studio's -1."""
    limit = next((each for each in given if each is not None), None)
    return None if limit is None or limit < 0 else limit


def effort(value: str | None, param: str) -> Effort | None:
    """How much may be thought. Raises Refused."""
    if value is None:
        return None
    if value not in _EFFORTS:
        allowed = ", ".join(f"'{each}'" for each in _EFFORTS)
        raise Refused(f"Invalid '{param}': must be one of {allowed}", code="invalid_value", param=param, plain=True)
    return _EFFORTS[value]


class _Schema(msgspec.Struct):
    schema: dict[str, Any]


class _Format(msgspec.Struct):
    type: str = ""
    json_schema: Any = None


def schema_of(response_format: Any) -> Mapping[str, Any] | None:
    """The JSON schema that the answer must keep to. Raises Refused, for `json_object` in LM Studio's words."""
    if response_format is None:
        return None
    given = convert(response_format, _Format, "response_format")
    if given.type == "text":
        return None
    if given.type != "json_schema":
        raise Refused(_JSON_OBJECT, param="response_format.type", plain=True)
    return convert(given.json_schema, _Schema, "response_format.json_schema").schema


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(msgspec.Struct):
    function: _Function
    type: Literal["function"] = "function"


def tools_of(tools: Sequence[Any] | None, limits: Limits) -> tuple[Mapping[str, Any], ...]:
    """Functions that the model may call, in OpenAI's form. Raises Refused, in the words of LM Studio's validator."""
    given = tools or ()
    check_count("tools", given, limits.tools)
    wrong = [at for at, each in enumerate(given) if _is_no_object(each)]
    if wrong:
        raise Refused(msgspec.json.format(msgspec.json.encode([_issue(at) for at in wrong])).decode(), plain=True)
    return tuple(function(convert(each, _Tool, f"tools.{at}").function) for at, each in enumerate(given))


def function(given: _Function) -> Mapping[str, Any]:
    """A tool without whatever the request says of it besides."""
    told: dict[str, Any] = {"name": given.name}
    if given.description is not None:
        told["description"] = given.description
    told["parameters"] = given.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": told}


def tool_choice_of(choice: Any) -> Literal["auto", "none", "required"]:
    """Raises Refused, in LM Studio's words: it takes no object that names a function."""
    if choice is None:
        return "auto"
    if choice in ("auto", "none", "required"):
        return choice
    if isinstance(choice, str):
        text = f"Invalid tool_choice value: '{choice}'. Supported string values: none, auto, required"
    else:
        kind = next((name for each, name in _JS_TYPES.items() if isinstance(choice, each)), "object")
        text = f"Invalid tool_choice type: '{kind}'. Supported string values: none, auto, required"
    raise Refused(text, param="tool_choice", plain=True)


def _is_no_object(tool: Any) -> bool:
    """Whether a function's parameters are given, but are not those of an object."""
    parameters = as_object(as_object(tool).get("function")).get("parameters")
    return isinstance(parameters, dict) and as_object(parameters).get("type") != "object"


def _issue(at: int) -> dict[str, Any]:
    return {
        "code": "invalid_union_discriminator",
        "options": ["object"],
        "path": [at, "function", "parameters", "type"],
        "message": "Invalid discriminator value. Expected 'object'",
    }

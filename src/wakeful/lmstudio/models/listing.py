"""What the server has: its lists of models, in their three forms, as one kind of record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from wakeful.lmstudio.errors import ModelNotFound, NoModelLoaded
from wakeful.lmstudio.http.wire import as_list, as_object

ModelKind = Literal["llm", "vlm", "embedding", "unknown"]
ModelState = Literal["loaded", "not_loaded", "unknown"]


@dataclass(frozen=True, slots=True)
class LoadedInstance:
    """A model in memory. id: what requests name; context_length: tokens it can hold, None where not said."""

    id: str
    context_length: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the server offers.

    key: its name in the server's list
    state: `unknown` where the list does not tell (a bare OpenAI-style list)
    max_context_length: tokens that the model was trained for
    size_bytes: its file's size
    """

    key: str
    kind: ModelKind = "unknown"
    state: ModelState = "unknown"
    instances: tuple[LoadedInstance, ...] = ()
    max_context_length: int | None = None
    display_name: str = ""
    architecture: str = ""
    quantization: str = ""
    parameters: str = ""
    format: str = ""
    size_bytes: int | None = None
    vision: bool = False
    tool_use: bool = False
    reasoning_options: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """What a request should name: the loaded instance, else the key."""
        return self.instances[0].id if self.instances else self.key

    @property
    def context_length(self) -> int | None:
        """Tokens that the loaded instance can hold, None where nobody says."""
        return self.instances[0].context_length if self.instances else None

    @property
    def thinks(self) -> bool:
        """Whether it can hold a conversation, as far as the list tells."""
        return self.kind != "embedding"


def choose_model(models: Sequence[Model], wanted: str = "", *, may_load: bool = False) -> Model:
    """The model to think with: what is loaded, so that nothing has to be evicted for us.

    wanted: a key or an instance's id, "" for whichever is loaded (the largest context first)
    may_load: whether a model that is not loaded may be chosen when no other is; the request then loads it
    Raises ModelNotFound, NoModelLoaded.
    """
    thinking = [model for model in models if model.thinks]
    loaded = [model for model in thinking if model.state == "loaded"]
    if wanted:
        return _named(thinking, loaded, wanted, may_load=may_load)
    if loaded:
        return max(loaded, key=lambda model: model.context_length or 0)
    unsaid = [model for model in thinking if model.state == "unknown"]
    if len(unsaid) == 1:
        return unsaid[0]
    if unsaid:
        raise NoModelLoaded(
            f"The server lists {len(unsaid)} models and does not say which one is loaded.",
            hint=f"Name one, such as {unsaid[0].key!r}, as the model to use.",
        )
    if thinking and may_load:
        return thinking[0]
    raise NoModelLoaded("The server is up, but no model is loaded.")


def models_from_v1(data: Any) -> list[Model] | None:
    """LM Studio's `/api/v1/models`; None when `data` is no such list."""
    return _each(data, "models", _from_v1)


def models_from_v0(data: Any) -> list[Model] | None:
    """LM Studio's `/api/v0/models`; None when `data` is no such list."""
    items = _items(data, "data")
    if items is None or (items and not any("state" in item for item in items)):
        return None
    return _each(data, "data", _from_v0)


def models_from_openai(data: Any) -> list[Model] | None:
    """`/v1/models`, with what llama.cpp and vLLM add to it; None when `data` is no such list."""
    return _each(data, "data", _from_openai)


def with_props(model: Model, props: Any) -> Model:
    """`model` with the context length that llama.cpp's `/props` tells, if it does."""
    context = _int(as_object(as_object(props).get("default_generation_settings")).get("n_ctx"))
    if context is None:
        return model
    return replace(model, state="loaded", instances=(LoadedInstance(model.key, context),))


def _named(thinking: list[Model], loaded: list[Model], wanted: str, *, may_load: bool) -> Model:
    matches = [model for model in thinking if _answers_to(model, wanted)]
    if not matches:
        known = ", ".join(model.key for model in thinking[:5]) or "none"
        raise ModelNotFound(f"The server has no model {wanted!r}; it has: {known}.")
    match = next((model for model in matches if model.state != "not_loaded"), matches[0])
    if match.state == "not_loaded" and not (may_load and not loaded):
        others = f", but {loaded[0].key!r} is" if loaded else ""
        raise NoModelLoaded(f"The model {wanted!r} is not loaded{others}.")
    return match


def _answers_to(model: Model, wanted: str) -> bool:
    # LM Studio matches keys whatever their case, but instance identifiers exactly
    return model.key.casefold() == wanted.casefold() or any(each.id == wanted for each in model.instances)


def _from_v1(item: dict[str, Any]) -> Model:
    capabilities = as_object(item.get("capabilities"))
    instances = tuple(
        LoadedInstance(_str(each.get("id")), _int(as_object(each.get("config")).get("context_length")))
        for each in _items(item, "loaded_instances") or ()
        if each.get("id")
    )
    vision = capabilities.get("vision") is True
    kind = _kind(item.get("type"))
    reasoning = as_object(capabilities.get("reasoning")).get("allowed_options")
    return Model(
        key=_str(item.get("key")),
        kind="vlm" if kind == "llm" and vision else kind,
        state="loaded" if instances else "not_loaded",
        instances=instances,
        max_context_length=_int(item.get("max_context_length")),
        display_name=_str(item.get("display_name")),
        architecture=_str(item.get("architecture")),
        quantization=_str(as_object(item.get("quantization")).get("name")),
        parameters=_str(item.get("params_string")),
        format=_str(item.get("format")),
        size_bytes=_int(item.get("size_bytes")),
        vision=vision,
        tool_use=capabilities.get("trained_for_tool_use") is True,
        reasoning_options=_strings(reasoning),
    )


def _from_v0(item: dict[str, Any]) -> Model:
    key = _str(item.get("id"))
    loaded = item.get("state") == "loaded"
    kind = _kind(item.get("type"))
    return Model(
        key=key,
        kind=kind,
        state="loaded" if loaded else "not_loaded",
        instances=(LoadedInstance(key, _int(item.get("loaded_context_length"))),) if loaded else (),
        max_context_length=_int(item.get("max_context_length")),
        architecture=_str(item.get("arch")),
        quantization=_str(item.get("quantization")),
        format=_str(item.get("compatibility_type")),
        vision=kind == "vlm",
        tool_use="tool_use" in _strings(item.get("capabilities")),
    )


def _from_openai(item: dict[str, Any]) -> Model:
    key = _str(item.get("id"))
    meta = as_object(item.get("meta"))
    context = _int(meta.get("n_ctx")) or _int(item.get("max_model_len"))  # llama.cpp's name, vLLM's name
    running = bool(meta) or item.get("owned_by") == "llamacpp" or context is not None
    embedding = "embed" in key.casefold()
    return Model(
        key=key,
        kind="embedding" if embedding else "unknown",
        state="loaded" if running else "unknown",
        instances=(LoadedInstance(key, context),) if running else (),
        max_context_length=_int(meta.get("n_ctx_train")),
        quantization=_str(meta.get("ftype")),
        format="gguf" if running and meta else "",
        size_bytes=_int(meta.get("size")),
    )


def _kind(value: Any) -> ModelKind:
    match value:
        case "llm" | "vlm" | "embedding":
            return value
        case "embeddings":
            return "embedding"
        case _:
            return "unknown"


def _each(data: Any, name: str, read: Callable[[dict[str, Any]], Model]) -> list[Model] | None:
    items = _items(data, name)
    if items is None:
        return None
    return [model for model in map(read, items) if model.key]


def _items(data: Any, name: str) -> list[dict[str, Any]] | None:
    found = as_object(data).get(name)
    if not isinstance(found, list):
        return None
    return [as_object(item) for item in as_list(found)]


def _str(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(item for item in as_list(value) if isinstance(item, str))

"""Lists of models in their three forms, and which model is chosen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.lmstudio import LoadedInstance, Model, ModelNotFound, NoModelLoaded, choose_model
from wakeful.lmstudio.models.listing import models_from_openai, models_from_v0, models_from_v1, with_props

V1 = {
    "models": [
        {
            "type": "llm",
            "publisher": "qwen",
            "key": "qwen/qwen3-8b",
            "display_name": "Qwen3 8B",
            "architecture": "qwen3",
            "quantization": {"name": "Q4_K_M", "bits_per_weight": 4},
            "size_bytes": 5_000_000_000,
            "params_string": "8B",
            "loaded_instances": [{"id": "qwen/qwen3-8b:2", "config": {"context_length": 16_384, "parallel": 1}}],
            "max_context_length": 40_960,
            "format": "gguf",
            "capabilities": {
                "vision": False,
                "trained_for_tool_use": True,
                "reasoning": {"allowed_options": ["off", "on"], "default": "on"},
            },
        },
        {
            "type": "llm",
            "key": "gemma",
            "quantization": None,
            "size_bytes": 1,
            "params_string": None,
            "loaded_instances": [],
            "max_context_length": 8192,
            "format": None,
            "capabilities": {"vision": True, "trained_for_tool_use": False},
        },
        {"type": "embedding", "key": "nomic", "loaded_instances": [{"id": "nomic", "config": {}}]},
    ]
}


def test_lm_studio_v1() -> None:
    models = models_from_v1(V1)
    assert models is not None
    qwen, gemma, nomic = models
    assert (qwen.kind, qwen.state, qwen.id, qwen.context_length) == (
        "llm",
        "loaded",
        "qwen/qwen3-8b:2",
        16_384,
    )
    assert (qwen.max_context_length, qwen.quantization, qwen.parameters) == (40_960, "Q4_K_M", "8B")
    assert (qwen.tool_use, qwen.reasoning_options) == (True, ("off", "on"))
    assert (gemma.kind, gemma.state, gemma.id, gemma.context_length) == ("vlm", "not_loaded", "gemma", None)
    assert (nomic.kind, nomic.thinks, nomic.context_length) == ("embedding", False, None)
    assert choose_model(models) is qwen


def test_lm_studio_v0() -> None:
    models = models_from_v0(
        {
            "object": "list",
            "data": [
                {
                    "id": "a",
                    "type": "vlm",
                    "arch": "x",
                    "state": "loaded",
                    "max_context_length": 32_768,
                    "loaded_context_length": 4096,
                    "capabilities": ["tool_use"],
                },
                {"id": "b", "type": "embeddings", "state": "not-loaded"},
            ],
        }
    )
    assert models is not None
    assert (models[0].kind, models[0].state, models[0].context_length, models[0].tool_use) == (
        "vlm",
        "loaded",
        4096,
        True,
    )
    assert (models[1].kind, models[1].state) == ("embedding", "not_loaded")


def test_llama_cpp_tells_its_context() -> None:
    meta = {"n_ctx": 4096, "n_ctx_train": 131_072, "size": 99, "ftype": "F16"}
    models = models_from_openai({"data": [{"id": "pilot", "owned_by": "llamacpp", "meta": meta}]})
    assert models is not None
    assert (models[0].state, models[0].context_length, models[0].max_context_length) == (
        "loaded",
        4096,
        131_072,
    )


def test_an_older_llama_cpp_tells_it_elsewhere() -> None:
    (model,) = models_from_openai({"data": [{"id": "m", "owned_by": "llamacpp"}]}) or []
    assert (model.state, model.context_length) == ("loaded", None)
    assert with_props(model, {"default_generation_settings": {"n_ctx": 512}}).context_length == 512
    assert with_props(model, {"n_ctx": "many"}) is model


def test_a_bare_list_tells_no_state() -> None:
    (model,) = models_from_openai({"data": [{"id": "m", "object": "model", "owned_by": "me"}]}) or []
    assert (model.state, model.context_length, model.id) == ("unknown", None, "m")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["models", "data", "id", "key", "loaded_instances", "config", "meta", "capabilities"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_no_list_upsets_us(data: object) -> None:
    for read in (models_from_v1, models_from_v0, models_from_openai):
        for model in read(data) or []:
            assert model.key
            assert isinstance(model.id, str)


def loaded(key: str, context: int = 4096) -> Model:
    return Model(key, kind="llm", state="loaded", instances=(LoadedInstance(key, context),))


IDLE = Model("idle", kind="llm", state="not_loaded")
EMBEDDER = Model("e", kind="embedding", state="loaded", instances=(LoadedInstance("e"),))


def test_thinks_with_what_is_loaded() -> None:
    assert choose_model([IDLE, EMBEDDER, loaded("a"), loaded("b", 8192)]).key == "b"


def test_a_named_model_is_found_by_key_in_any_case_and_by_instance() -> None:
    model = Model("Org/A", state="loaded", instances=(LoadedInstance("mine"),))
    assert choose_model([model], "org/a") is model
    assert choose_model([model], "mine") is model
    with pytest.raises(ModelNotFound, match="Org/A"):
        choose_model([model], "MINE")


def test_nothing_is_evicted_for_us() -> None:
    with pytest.raises(NoModelLoaded, match="not loaded, but 'a' is"):
        choose_model([IDLE, loaded("a")], "idle", may_load=True)


def test_loading_is_only_chosen_when_allowed() -> None:
    with pytest.raises(NoModelLoaded):
        choose_model([IDLE, EMBEDDER])
    with pytest.raises(NoModelLoaded):
        choose_model([IDLE], "idle")
    assert choose_model([IDLE], may_load=True) is IDLE
    assert choose_model([IDLE], "idle", may_load=True) is IDLE


def test_one_unknown_is_taken_and_of_several_one_must_be_named() -> None:
    one, two = Model("one"), Model("two")
    assert choose_model([one]) is one
    assert choose_model([one, two], "two") is two
    with pytest.raises(NoModelLoaded, match="does not say") as caught:
        choose_model([one, two])
    assert "'one'" in caught.value.hint


def test_an_embedding_model_is_never_chosen() -> None:
    with pytest.raises(NoModelLoaded):
        choose_model([EMBEDDER])

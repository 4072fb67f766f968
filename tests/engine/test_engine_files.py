"""Which models a server finds, and what it says of them."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_gguf import write_tiny_gguf

from wakeful.engine.errors import ModelFileError
from wakeful.engine.files.library import Library, called, describe, with_keys
from wakeful.engine.files.quantization import bits_of, quantization_of, without_quantization
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.models import is_called

TOOLS = "{% if tools %}{{ tools }}{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}"


def library(*places: Path) -> Library:
    return Library(places, lmstudio=False, pilot=False)


async def keys(found: Library) -> list[str]:
    return [model.key for model in await found.known()]


async def test_what_a_file_says_of_itself(tmp_path: Path) -> None:
    more = {"general.file_type": 15, "general.size_label": "7B", "tokenizer.chat_template": TOOLS + "<think>"}
    write_tiny_gguf(tmp_path / "Pub" / "Nice-7B-GGUF" / "Nice-7B-Instruct.gguf", more=more)
    (model,) = await library(tmp_path).known()
    assert model.key == "nice-7b-instruct"
    assert model.path == "Pub/Nice-7B-GGUF/Nice-7B-Instruct.gguf"
    assert (model.publisher, model.display_name, model.architecture) == ("Pub", "tiny", "llama")
    assert (model.quantization, model.bits_per_weight, model.params) == ("Q4_K_M", 4, "7B")
    assert (model.kind, model.max_context_tokens, model.layers) == ("llm", 2048, 2)
    assert (model.tools, model.reasoning, model.vision) == (True, True, False)
    assert model.file is not None
    assert model.size_bytes == model.file.stat().st_size


async def test_the_pilot_is_there() -> None:
    (model,) = await Library(lmstudio=False).known()
    assert (model.key, model.params, model.quantization) == ("pilot", "3.7M", "F16")
    assert (model.tools, model.reasoning) == (False, False)


async def test_lm_studios_own_folder_is_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    write_tiny_gguf(tmp_path / ".lmstudio" / "models" / "a" / "b" / "c.gguf")
    assert await keys(Library(pilot=False)) == ["c"]


async def test_embedding_models(tmp_path: Path) -> None:
    write_tiny_gguf(tmp_path / "plain.gguf")
    write_tiny_gguf(tmp_path / "pooled.gguf", more={"llama.pooling_type": 1})
    found = {model.key: model for model in await library(tmp_path).known()}
    assert (found["plain"].kind, found["plain"].pooled) == ("llm", False)
    assert (found["pooled"].kind, found["pooled"].pooled) == ("embedding", True)


async def test_a_projector_belongs_to_the_model_beside_it(tmp_path: Path) -> None:
    write_tiny_gguf(tmp_path / "p" / "one" / "seer-Q4_0.gguf")
    write_tiny_gguf(tmp_path / "p" / "one" / "seer-Q8_0.gguf")
    write_tiny_gguf(tmp_path / "p" / "one" / "mmproj-F16.gguf")
    write_tiny_gguf(tmp_path / "p" / "two" / "a.gguf")
    write_tiny_gguf(tmp_path / "p" / "two" / "b.gguf")
    write_tiny_gguf(tmp_path / "p" / "two" / "mmproj-b.gguf")
    found = {model.key: model for model in await library(tmp_path).known()}
    assert set(found) == {"seer@q4_0", "seer@q8_0", "a", "b"}
    assert [key for key in sorted(found) if found[key].vision] == ["b", "seer@q4_0", "seer@q8_0"]
    assert found["b"].projector == tmp_path / "p" / "two" / "mmproj-b.gguf"


async def test_files_and_folders_may_be_given_twice(tmp_path: Path) -> None:
    file = write_tiny_gguf(tmp_path / "x.gguf")
    assert await keys(library(file, tmp_path, tmp_path / "none.gguf", tmp_path / "no folder")) == ["x"]


async def test_a_changed_file_is_read_again_and_only_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counting(file: Path, path: str, size_bytes: int) -> Descriptor:
        read.append(file)
        return describe(file, path, size_bytes)

    monkeypatch.setattr("wakeful.engine.files.library.describe", counting)
    file = write_tiny_gguf(tmp_path / "x.gguf")
    found = library(tmp_path)
    for _ in range(3):
        (model,) = await found.known()
    assert len(read) == 1
    write_tiny_gguf(file, more={"general.name": "another"})
    os.utime(file, ns=(1, 1))
    (model,) = await found.known()
    assert model.display_name == "another"
    file.write_bytes(b"no model any more")
    assert await keys(found) == []
    file.unlink()
    assert await keys(found) == []


async def test_what_is_no_model_is_passed_over(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "garbage.gguf").write_bytes(b"garbage")
    os.truncate(shutil.copy(tiny, tmp_path / "cut.gguf"), 3000)
    write_tiny_gguf(tmp_path / "lora.gguf", more={"general.type": "adapter"})
    shutil.copy(tiny, tmp_path / "half-00001-of-00002.gguf")
    assert await keys(library(tmp_path)) == []
    with pytest.raises(ModelFileError):
        describe(tmp_path / "garbage.gguf", "a/b/c", 7)


def test_paths() -> None:
    root = Path("/models")
    assert called(root / "a" / "b" / "c.gguf", root) == "a/b/c.gguf"
    assert called(root / "b" / "c.gguf", root) == "local/b/c.gguf"
    assert called(root / "c.gguf", root) == "local/models/c.gguf"


@pytest.mark.parametrize(
    ("stem", "quantization", "base", "bits"),
    [
        ("Qwen2.5-7B-Instruct-Q4_K_M", "Q4_K_M", "Qwen2.5-7B-Instruct", 4),
        ("gemma-3-4b-it-IQ2_XXS", "IQ2_XXS", "gemma-3-4b-it", 2),
        ("gpt-oss-20b-MXFP4", "MXFP4", "gpt-oss-20b", 4),
        ("model.f16", "F16", "model", 16),
        ("Llama-3.2-1B-UD-Q4_K_XL", "UD-Q4_K_XL", "Llama-3.2-1B", 4),
        ("q4_model", "Q8_0", "q4_model", 8),
    ],
)
def test_quantisations(stem: str, quantization: str, base: str, bits: int) -> None:
    assert quantization_of(stem, 7) == quantization
    assert without_quantization(stem) == base
    assert bits_of(quantization) == bits


NAMES = st.sampled_from(("a", "b", "a@q4_0"))
MODELS = st.lists(
    st.builds(
        Descriptor,
        key=NAMES,
        publisher=st.sampled_from(("p", "q")),
        quantization=st.sampled_from(("", "Q4_0", "Q8_0")),
        bits_per_weight=st.sampled_from((0.0, 4.0, 8.0)),
    ),
    max_size=12,
)


@given(MODELS)
def test_keys_are_unique_and_none_is_lost(models: list[Descriptor]) -> None:
    made = [model.key for model in with_keys(models)]
    assert len(set(made)) == len(models)


def test_the_plain_key_names_the_one_nearest_to_four_bits() -> None:
    models = [
        Descriptor(key="x", quantization=name, bits_per_weight=bits, path=f"p/x/{name}")
        for name, bits in (("F16", 16), ("Q4_K_M", 4), ("Q8_0", 8))
    ]
    made = with_keys(models)
    assert [model.key for model in made] == ["x@q4_k_m", "x@q8_0", "x@f16"]
    assert next(model.key for model in made if is_called(model, "X")) == "x@q4_k_m"
    assert next(model.key for model in made if is_called(model, "x@F16")) == "x@f16"

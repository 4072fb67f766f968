"""GGUF headers whatever is in them, and the models that LM Studio left on a machine."""

import json
import os
import struct
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_gguf import fact, text, write_tiny_gguf

from wakeful.engine import ModelFileError, best_model, choose_model, find_models, models_folder, read_header


def gguf(facts: list[bytes], *, version: int = 3, count: int | None = None) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(facts) if count is None else count) + b"".join(facts)


def written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_the_facts_of_a_real_file(tiny: Path) -> None:
    header = read_header(tiny)
    assert (header.architecture, header.name, header.context_tokens) == ("llama", "tiny", 2048)
    assert (header.layers, header.kv_width, header.thinks) == (2, 128, True)
    assert header.cache_bytes(1000) == 2 * 1000 * 2 * 128


def test_numbers_per_layer_count_as_their_largest(tmp_path: Path) -> None:
    facts = [
        fact("general.architecture", "x"),
        fact("x.block_count", 3),
        fact("x.embedding_length", 64),
        fact("x.attention.head_count", 8),
        fact("x.attention.head_count_kv", [0, 4, 2]),
        fact("x.attention.key_length", 16),
    ]
    header = read_header(written(tmp_path / "m.gguf", gguf(facts)))
    assert header.kv_width == 4 * (16 + 8)


def test_facts_after_the_tokenizer_are_found_when_the_architecture_is_among_them(tmp_path: Path) -> None:
    facts = [fact("tokenizer.tokens", ["a", "b"]), fact("general.architecture", "bert")]
    header = read_header(written(tmp_path / "m.gguf", gguf(facts)))
    assert (header.architecture, header.thinks) == ("bert", False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no usable GGUF"),
        (b"GGU", "no usable GGUF"),
        (b"garbage!" * 10, "no GGUF file"),
        (gguf([], version=1), "version 1"),
        (gguf([], version=0x03000000), "version"),
        (gguf([], count=2**60), "claims"),
        (gguf([], count=3), "too early"),
        (gguf([struct.pack("<Q", 2**63)]), "text of"),
        (gguf([text("k") + struct.pack("<I", 99)]), "unknown kind 99"),
        (gguf([text("k") + struct.pack("<IIQ", 9, 0, 2**62)]), "too early"),
        (gguf([text("k") + struct.pack("<IIQ", 9, 8, 2**62)]), "too early"),
        (gguf([text("k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 20]), "nested"),
        (gguf([fact("a", 1)]), "architecture"),
    ],
)
def test_what_is_no_gguf_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        read_header(written(tmp_path / "m.gguf", data))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_upset_the_reader(tmp_path: Path, data: bytes, looks_right: bool) -> None:
    path = written(tmp_path / "m.gguf", (b"GGUF\x03\0\0\0" + bytes(8) if looks_right else b"") + data)
    with suppress(ModelFileError):
        read_header(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=150)
@given(st.data())
def test_no_damage_upsets_the_reader(tmp_path: Path, tiny: Path, data: st.DataObject) -> None:
    damaged = bytearray(tiny.read_bytes()[:6000])
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, 700))] = data.draw(st.integers(0, 255))
    path = written(tmp_path / "m.gguf", bytes(damaged[: data.draw(st.integers(0, 6000))]))
    try:
        header = read_header(path)
    except ModelFileError:
        return
    assert header.cache_bytes(100) >= 0


def test_lm_studios_home(tmp_path: Path) -> None:
    assert models_folder(tmp_path) == tmp_path / ".lmstudio" / "models"
    (tmp_path / ".cache" / "lm-studio").mkdir(parents=True)
    assert models_folder(tmp_path) == tmp_path / ".cache" / "lm-studio" / "models"
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / ".lmstudio-home-pointer").write_text(f"{elsewhere}\n")
    assert models_folder(tmp_path) == elsewhere / "models"
    written(elsewhere / "settings.json", json.dumps({"downloadsFolder": str(tmp_path / "big disk")}).encode())
    assert models_folder(tmp_path) == tmp_path / "big disk"


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"downloadsFolder": 5}', b'{"downloadsFolder": ""}', b"\xff", b"[" * 5000]
)
def test_settings_that_can_not_be_read_are_passed_over(tmp_path: Path, content: bytes) -> None:
    written(tmp_path / ".lmstudio" / "settings.json", content)
    assert models_folder(tmp_path) == tmp_path / ".lmstudio" / "models"


def test_only_what_can_be_used_is_listed(tmp_path: Path, tiny: Path) -> None:
    folder = tmp_path / ".lmstudio" / "models" / "org" / "repo"
    data = tiny.read_bytes()
    written(folder / "good.gguf", data)
    written(folder / "UPPER.GGUF", data)
    written(folder / "split-00001-of-00002.gguf", data)
    written(folder / "split-00002-of-00002.gguf", data)
    written(folder / "halfway-00001-of-00002.gguf", data)
    written(folder / "mmproj-model-f16.gguf", data)
    written(folder / "model-mmproj.gguf", data)
    written(folder / "downloading_x.gguf", data)
    written(folder / "partial.gguf.part", data)
    written(folder / "garbage.gguf", b"garbage")
    written(folder / "empty.gguf", b"")
    written(folder / "notes.txt", data)
    (folder / "folder.gguf").mkdir()
    found = {model.path.name: model.size_bytes for model in find_models(tmp_path)}
    assert found == {
        "good.gguf": len(data),
        "UPPER.GGUF": len(data),
        "split-00001-of-00002.gguf": 2 * len(data),
    }


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_are_followed_and_may_not_lead_in_circles(tmp_path: Path, tiny: Path) -> None:
    folder = tmp_path / ".lmstudio" / "models"
    (folder / "org").mkdir(parents=True)
    os.symlink(tiny, folder / "org" / "linked.gguf")
    os.symlink(tmp_path / "gone.gguf", folder / "org" / "dangling.gguf")
    os.symlink(folder, folder / "org" / "circle")
    written(tmp_path / "other disk" / "far.gguf", tiny.read_bytes())
    os.symlink(tmp_path / "other disk", folder / "far")
    assert sorted(model.path.name for model in find_models(tmp_path)) == ["far.gguf", "linked.gguf"]


def test_no_lm_studio_no_models(tmp_path: Path) -> None:
    assert find_models(tmp_path) == []


def test_the_best_that_fits(tmp_path: Path) -> None:
    folder = tmp_path / ".lmstudio" / "models"
    for name, padding in (("small", 0), ("large", 100_000), ("huge", 1_000_000)):
        path = write_tiny_gguf(written(folder / f"{name}.gguf", b""))
        path.write_bytes(path.read_bytes() + bytes(padding))
    written(folder / "embedder.gguf", gguf([fact("general.architecture", "nomic-bert")]) + bytes(150_000))
    models = find_models(tmp_path)
    assert len(models) == 4
    best = best_model(models, 700_000)
    assert best is not None
    assert best.path.name == "large.gguf"
    assert best_model(models, 1000) is None


def test_a_named_file_wins(tiny: Path) -> None:
    assert choose_model(tiny, auto=True) == tiny

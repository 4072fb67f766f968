"""What the pages on sources show is tried."""

import re
import types
from pathlib import Path
from typing import get_args

import pytest

import wakeful.sources
from wakeful.cli.watching import build_sources
from wakeful.config import SourceSettings, load

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted((ROOT / "docs" / "sources").glob("*.md"))
ENV = {"CLOUD_TOKEN": "Bearer x", "KUMA_HOOK_TOKEN": "0123456789abcdef", "MQTT_PASSWORD": "x"}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "own"], ids=lambda page: page.stem)
def test_the_settings_shown_make_a_source(page: Path, tmp_path: Path) -> None:
    [text] = blocks(page, "toml")
    file = tmp_path / "wakeful.toml"
    file.write_text(text)
    built = build_sources(load(file, env=ENV).settings, ())
    kind = "log" if page.stem == "index" else page.stem
    assert any(source.name.partition(":")[0] == kind for source in built)


def test_the_overview_names_all_kinds_and_pages() -> None:
    text = (ROOT / "docs" / "sources" / "index.md").read_text(encoding="utf-8")
    for page in PAGES:
        assert page.stem == "index" or f"({page.name})" in text
    kinds = {str(each.__struct_config__.tag) for each in get_args(SourceSettings)} - {"installed"}
    assert kinds <= set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE))


async def test_the_source_of_ten_lines_holds() -> None:
    module = types.ModuleType("own")
    for block in blocks(ROOT / "docs" / "sources" / "own.md", "python"):
        exec(compile(block, "own.md", "exec"), vars(module))  # what the page shows is what is run
    await module.test_tide()
    source = module.TideSource("Brest")
    assert isinstance(source, wakeful.sources.Source)


def test_it_is_ten_lines() -> None:
    first = blocks(ROOT / "docs" / "sources" / "own.md", "python")[0]
    body = first[first.index("class ") :]
    assert len([line for line in body.splitlines() if line.strip()]) <= 10

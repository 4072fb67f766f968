"""Every block of Python on a page runs, against a server in LM Studio's place, and prints what the page says it prints.

The blocks of a page run one after the other in one namespace. A block of `text` right after one is its output.
"""

import contextlib
import io
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from msgspec.structs import replace
from stand_in import lm_studio
from sybil import Example
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser

from tests.engine.scripted_house import CHAT, open_house
from tests.lmstudio.raw_server import serving
from wakeful.lmstudio import LMStudioClient

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_ELLIPSIS = "…"
MODEL = replace(CHAT, key="qwen2.5-7b-instruct")


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    """A loop in a thread, for servers."""
    with start_blocking_portal() as portal:
        yield portal


def run(example: Example) -> None:
    """Run a block, and keep what it printed."""
    printed = io.StringIO()
    # as many line breaks before it as in the page, so that tracebacks name the right line
    code = compile("\n" * (example.line + example.parsed.line_offset) + example.parsed, example.path, "exec")
    with contextlib.redirect_stdout(printed):
        exec(code, example.namespace)
    example.namespace["_printed"] = (example.region.end, printed.getvalue())


def compare(example: Example) -> None:
    """The output that the page shows, where … stands for anything."""
    after, printed = example.namespace.pop("_printed", (0, ""))
    if not after or example.document.text[after : example.region.start].strip():
        return  # it shows something else than the output of a block right before it
    shown = ".*?".join(re.escape(part) for part in str(example.parsed).rstrip("\n").split(_ELLIPSIS))
    assert re.fullmatch(shown, printed.rstrip("\n"), re.DOTALL), f"{example.path}:{example.line} prints:\n{printed}"


def read(example: Example) -> None:
    """Settings are TOML."""
    tomllib.loads(example.parsed)


PARSERS = [CodeBlockParser("python", run), CodeBlockParser("text", compare), CodeBlockParser("toml", read)]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_the_code_of_a_page(
    page: Path, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    document = Document.parse(str(page), *PARSERS)
    serving_it = open_house(known=(MODEL,)) if page.name == "native.md" else serving(lm_studio)
    with portal.wrap_async_context_manager(serving_it) as server:
        monkeypatch.setenv("LMSTUDIO_URL", server.url)
        try:
            for example in document.examples():
                example.evaluate()
        finally:
            _close(document.namespace)


def _close(namespace: dict[str, Any]) -> None:
    for value in namespace.values():
        if isinstance(value, LMStudioClient):
            value.close()


def test_pages_are_found() -> None:
    assert len(PAGES) > 10
    assert os.path.commonpath(PAGES) == str(ROOT)

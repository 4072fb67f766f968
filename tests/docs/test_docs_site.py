"""The pages build without a warning, load nothing from elsewhere, and tell of everything that is exported."""

import html.parser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wakeful.lmstudio
from docs.docstrings import as_markdown

ROOT = Path(__file__).parents[2]
LOADED = {"src", "srcset", "data", "poster"}
"""Attributes whose address a browser loads by itself; of `link` it is href, but for links that only say something."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr.strip()
    return folder


class Elsewhere(html.parser.HTMLParser):
    """What a page makes a browser load from other servers."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        loaded = [given[name] for name in LOADED & given.keys()]
        if tag == "link" and given.get("rel") not in ("canonical", "prev", "next"):
            loaded.append(given.get("href"))
        self.found += [each for each in loaded if each and re.match(r"(https?:)?//", each)]


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        parser = Elsewhere()
        parser.feed(text)
        assert (page.name, parser.found) == (page.name, [])
        assert 'class="mermaid"' not in text  # whose script comes from elsewhere
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", style.read_text(encoding="utf-8")), style


def test_the_reference_has_everything_that_is_exported(site: Path) -> None:
    page = (site / "client" / "reference.html").read_text(encoding="utf-8")
    names = set(wakeful.lmstudio.__all__)
    shown = {name for name in names if f'id="wakeful.lmstudio.{name}"' in page or f"<code>{name}</code></td>" in page}
    assert names - shown == set()


def test_docstrings_become_lists() -> None:
    text = "What it is.\n\na: one,\n    and more\nb, c: two\nRaises ValueError: never a list.\n"
    shown = "What it is.\n\n- `a`: one,\n  and more\n- `b`, `c`: two\n\nRaises ValueError: never a list."
    assert as_markdown(text) == shown

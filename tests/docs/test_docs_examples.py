"""Each program of `examples/` runs as its users run it, against servers in LM Studio's place."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from stand_in import OTHERWISE, lm_studio

from tests.lmstudio.raw_server import Behaviour, Elsewhere, Exchange, delta
from wakeful.engine import Engine

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))


@pytest.fixture
def server() -> Iterator[str]:
    with Elsewhere(lm_studio) as running:
        yield running.url


def run(name: str, *arguments: str, url: str, typed: str = "", token: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / name), *arguments],
        input=typed,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=os.environ | {"LMSTUDIO_URL": url, "LM_API_TOKEN": token, "PYTHONPATH": str(ROOT / "src")},
    )


def printed(name: str, *arguments: str, url: str, typed: str = "") -> str:
    done = run(name, *arguments, url=url, typed=typed)
    assert (done.returncode, done.stderr if done.returncode else "") == (0, "")
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.log").write_text("ERROR disk full\n", encoding="utf-8")
    (tmp_path / "night.txt").write_text("The disk was full of backups.\n\nNobody was there.\n", encoding="utf-8")
    (tmp_path / "day.txt").write_text("The sun was shining.\n", encoding="utf-8")
    return tmp_path


def test_stream_a_chat(server: str) -> None:
    out = printed("stream_a_chat.py", url=server, typed="Is the disk full?\nAnd in nine days?\n\n")
    assert out == "> Nearly: it holds 812 of 900 GB.\n> Then it will be full.\n> "


def test_extract_an_invoice(server: str) -> None:
    out = printed("extract_an_invoice.py", url=server)
    assert re.fullmatch(r"disk +129\.50\ntotal of 2026-117 +129\.50\n", out)


def test_agent_with_tools(server: str, folder: Path) -> None:
    done = run("agent_with_tools.py", str(folder), "What went wrong?", url=server)
    assert done.stdout == "It says: ERROR disk full\n"
    assert '[read_file {"name":"app.log"}] ok' in done.stderr.replace(": ", ":")


def test_search_a_folder(server: str, folder: Path) -> None:
    first = printed("search_a_folder.py", str(folder), "why was the disk full of backups?", url=server).splitlines()[0]
    assert first.endswith("night.txt: The disk was full of backups.")


def test_ensure_a_model(server: str) -> None:
    assert printed("ensure_a_model.py", url=server).startswith("qwen2.5-7b-instruct with 8192 tokens of context\n")
    out = printed("ensure_a_model.py", "qwen2.5-32b-instruct", url=server)
    assert out.startswith("'qwen2.5-7b-instruct' is in memory")
    assert out.endswith("Nearly: it holds 812 of 900 GB.\n")


def test_two_hosts(server: str) -> None:
    lines = printed("two_hosts.py", "http://127.0.0.1:9", server, url="").splitlines()
    assert lines[:3] == ["Nearly: it holds 812 of 900 GB.", "One, two, three.", "Hello!"]
    assert lines[3].startswith("http://127.0.0.1:9: rests for")
    assert lines[4] == f"{server}: well"


def cut_once() -> Behaviour:
    """The first answer breaks off."""

    async def behaviour(exchange: Exchange) -> None:
        if exchange.number == 1:
            await exchange.head()
            await exchange.chunk(delta(OTHERWISE[:40]))
            await exchange.end()
        else:
            await lm_studio(exchange)

    return behaviour


def test_resume_a_cut_stream() -> None:
    with Elsewhere(cut_once()) as running:
        assert printed("resume_a_cut_stream.py", url=running.url) == f"{OTHERWISE}\n[taken up 1 times]\n"


def test_drop_in_openai(server: str) -> None:
    assert printed("drop_in_openai.py", url=server) == "One, two, three.\n"
    assert printed("drop_in_openai.py", url="http://127.0.0.1:9").startswith("APIConnectionError")


def test_background_batch(server: str, folder: Path) -> None:
    done = run("background_batch.py", str(folder), url=server)
    assert done.stdout == f"day.txt: {OTHERWISE}\nnight.txt: {OTHERWISE}\n"
    assert done.stderr == "1 of 2\n2 of 2\n"


def test_a_real_model_answers_too() -> None:
    """The pilot model in the built-in engine, which does not say what one would expect, and is really there."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Engine(threads=1)) as engine:
        done = run("stream_a_chat.py", url=engine.base_url, token=engine.api_token, typed="hello\n\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) > len("> \n> \n")


def test_each_is_tried_here_and_listed_on_its_page_and_in_the_readme() -> None:
    tried = {name.removeprefix("test_") + ".py" for name in globals() if name.startswith("test_")}
    assert set(EXAMPLES) <= tried
    for page in ("README.md", "docs/client/examples.md"):
        listed = (ROOT / page).read_text(encoding="utf-8")
        assert [name for name in EXAMPLES if f"examples/{name}" not in listed] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_says_what_it_is_and_how_to_run_it(name: str) -> None:
    source = (ROOT / "examples" / name).read_text(encoding="utf-8")
    said = (ast.get_docstring(ast.parse(source)) or "").splitlines()
    assert len(said) == 3
    assert said[2].startswith(f"python examples/{name}")

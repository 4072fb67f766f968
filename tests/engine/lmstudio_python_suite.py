"""Runs the test suite of LM Studio's own Python SDK against our server, with a scripted model behind it.

    python tests/engine/lmstudio_python_suite.py CHECKOUT [what pytest takes]    (needs the package pytest-subtests)

CHECKOUT: a copy of lmstudio-python, which is not ours to ship. Its tests look for a server on the five ports where one
is found without an address, and for certain models; our server takes one of the ports and has models of those names,
whose script gives the answers that the tests look for. Prints how many pass, and why each of the others does not;
ends with 0 when all others stand in lmstudio_python_reasons.toml.
"""

import asyncio
import json
import os
import re
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from msgspec.structs import replace

from wakeful.engine.files.downloads import Downloads
from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.models import Models, OnProgress
from wakeful.engine.life.settings import LoadConfig
from wakeful.engine.runner.request import Generation, Message
from wakeful.engine.runner.scripted import Call, Reply, ScriptedRunner
from wakeful.engine.server.app import serving
from wakeful.engine.server.settings import ServerSettings

HERE = Path(__file__).parent
REASONS = HERE / "lmstudio_python_reasons.toml"
VECTOR_LENGTH = 768


def described(key: str, path: str) -> Descriptor:
    publisher = path.partition("/")[0]
    return Descriptor(key=key, path=path, publisher=publisher, size_bytes=1_000_000, max_context_tokens=32_768)


KNOWN = (
    described("llama-3.2-1b-instruct", "hugging-quants/llama-3.2-1b-instruct/model.gguf"),
    replace(described("mobilevlm_v2-1.7b", "ZiangWu/MobileVLM_V2-1.7B-GGUF/model.gguf"), vision=True),
    replace(described("qwen2.5-7b-instruct-1m", "Qwen/Qwen2.5-7B-Instruct-1M/model.gguf"), tools=True),
    described("smollm2-135m-instruct", "lmstudio-community/SmolLM2-135M-Instruct/model.gguf"),
    replace(
        described("text-embedding-nomic-embed-text-v1.5", "nomic-ai/nomic-embed-text-v1.5/model.gguf"),
        kind="embedding",
        max_context_tokens=2048,
    ),
)


class Runner(ScriptedRunner):
    """With vectors as long as the suite wants them."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        vectors = await super().embed(texts)
        return [vector * (VECTOR_LENGTH // len(vector)) for vector in vectors]


def script(generation: Generation) -> Reply:
    """What a good model would say to the questions of the suite."""
    if generation.schema is not None or generation.grammar is not None:
        keys = ("response", "first_word_in_response", "lastWordInResponse")
        return Reply(text=json.dumps(dict.fromkeys(keys, "word")))
    if generation.prompt is not None:
        return Reply(text="Hello! How are you today? " * 4, token_s=0.002)
    return conversed(generation.messages, bool(generation.tools))


def conversed(turns: Sequence[Message], tools: bool) -> Reply:
    last = turns[-1]
    asked = next((said(turn) for turn in reversed(turns) if turn["role"] == "user"), "")
    if last["role"] == "tool":
        return Reply(
            text="It can't be done: dividing by zero."
            if "Division" in said(last) or "zero" in said(last)
            else said(last)
        )
    if tools and (numbers := re.findall(r"\d+", asked)):
        a, b = (int(number) for number in numbers[:2])
        if "divide" in asked:
            return Reply(text="Let me see.", calls=(Call("divide", {"numerator": a, "denominator": b}),))
        return Reply(text="Hi!", calls=(Call("add", {"a": a, "b": b}),))
    if "exactly what you just said" in asked:
        return Reply(text=said(turns[-2]))
    if phrase := re.search(r"phrase '(.*)'", asked):
        return Reply(text=f"{phrase[1]}. " * 3)
    if "color" in asked:
        return Reply(text="The figure is purple.")
    return Reply(text="Hello! How are you today?", token_s=0.002)


def said(turn: Message) -> str:
    content = turn.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


async def known() -> Sequence[Descriptor]:
    return KNOWN


async def load(model: Descriptor, config: LoadConfig, on_progress: OnProgress) -> Runner:
    for step in range(5):
        on_progress(step / 4)
        await asyncio.sleep(0.01)
    return Runner(script, context_tokens=min(config.context_length or 8192, model.max_context_tokens))


def offered(folder: Path) -> Downloads:
    """A place that has the model that the suite looks for; it will lie in no place where models are looked for."""
    place = folder / "there" / "lmstudio-community" / "SmolLM2-135M-Instruct-GGUF"
    place.mkdir(parents=True)
    (place / "SmolLM2-135M-Instruct-Q4_K_M.gguf").write_bytes(b"GGUF")
    return Downloads(folder / "here", str(folder / "there"))


async def run(checkout: Path, arguments: Sequence[str], report: Path) -> None:
    environment = os.environ | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": os.pathsep.join([str(checkout / "src"), str(checkout), *sys.path]),
    }
    load_models = (sys.executable, "-m", "tests.load_models")
    suite = (
        sys.executable,
        "-m",
        "pytest",
        "tests",
        "-q",
        "-p",
        "pytest_asyncio.plugin",
        "-p",
        "pytest_timeout",
        "--timeout=60",
    )
    warnings = ("-W", "ignore::pytest.PytestRemovedIn10Warning")  # it was written for an earlier pytest
    settings = ServerSettings(port=0, discoverable=True, exact=True)
    async with serving(Models(known, load), settings, offered(report.parent)):
        for command in (load_models, (*suite, *warnings, f"--junit-xml={report}", *arguments)):
            process = await asyncio.create_subprocess_exec(*command, cwd=checkout, env=environment)
            await process.wait()


def told(report: Path) -> int:
    """Prints the outcome; gives how many failed without a reason."""
    reasons: dict[str, str] = tomllib.loads(REASONS.read_text(encoding="utf-8"))["reasons"]
    counts: Counter[str] = Counter()
    unexplained = 0
    for case in ElementTree.parse(report).iter("testcase"):
        outcome = next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "passed")
        counts[outcome] += 1
        if outcome == "passed":
            continue
        name = f"{case.get('classname')}.{case.get('name')}"
        reason = next((why for pattern, why in reasons.items() if re.search(pattern, name)), "")
        unexplained += not reason and outcome != "skipped"
        print(f"{outcome}: {name}: {reason or 'no reason known'}")
    print(f"{counts.total()} tests: {', '.join(f'{count} {outcome}' for outcome, count in counts.items())}")
    return unexplained


def main() -> int:
    if len(sys.argv) < 2 or not (Path(sys.argv[1]) / "tests" / "load_models.py").is_file():
        print(__doc__)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        asyncio.run(run(Path(sys.argv[1]).resolve(), sys.argv[2:], report))
        return min(told(report), 1)


if __name__ == "__main__":
    sys.exit(main())

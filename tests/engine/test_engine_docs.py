"""What the pages on the server say is true: names of tests and faults, plans, code, options."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from typer.core import TyperGroup
from typer.main import get_command

from wakeful.cli.app import app
from wakeful.engine.faults.check import KINDS
from wakeful.engine.faults.read import read_plan, short_fault
from wakeful.engine.testing.script import read_script

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "server"
TESTS = Path(__file__).parent
_NAMED = re.compile(r"(test_engine_\w+\.py)|::(test_\w+)")


def blocks(page: str, kind: str) -> list[str]:
    text = (PAGES / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_every_test_that_the_conformance_table_names_exists() -> None:
    text = (PAGES / "conformance.md").read_text(encoding="utf-8")
    of_table, missing, count = "", list[str](), 0
    for line in text.splitlines():
        if header := re.search(r"\| test \((test_engine_\w+\.py)\)", line):
            of_table = header[1]
        file = of_table
        for found in _NAMED.finditer(line):
            file = found[1] or file
            if not (TESTS / file).is_file():
                missing.append(file)
            elif found[2]:
                count += 1
                if f"def {found[2]}(" not in (TESTS / file).read_text(encoding="utf-8"):
                    missing.append(f"{file}::{found[2]}")
    assert not missing
    assert count > 100


def test_the_reference_of_faults_names_every_kind_with_its_settings() -> None:
    text = (PAGES / "faults.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \|(.*)\|$", text, re.MULTILINE))
    common = {each.name for each in msgspec.structs.fields(KINDS["hang-up"])}
    settings = {kind: {each.name for each in msgspec.structs.fields(cls)} - common for kind, cls in KINDS.items()}
    assert {kind: set(re.findall(r"`(\w+)`", rows[kind].split("|")[0])) for kind in KINDS} == settings
    assert common <= set(re.findall(r"`(\w+)`", text))


def test_the_plans_scripts_and_short_forms_of_the_pages_are_valid(tmp_path: Path) -> None:
    plans = [each for each in blocks("faults.md", "toml") if "[[fault]]" in each]
    scripts = [each for each in blocks("README.md", "toml") if "[[reply]]" in each]
    assert plans
    assert scripts
    for number, text in enumerate((*plans, *scripts)):
        file = tmp_path / f"{number}.toml"
        file.write_text(text)
        assert tomllib.loads(text)
        assert read_plan(file).fault if "[[fault]]" in text else callable(read_script(file))
    shown = [
        form
        for page in ("README.md", "faults.md")
        for form in re.findall(r"--fault '?([^\s'`]+)", (PAGES / page).read_text())
    ]
    assert shown
    assert all(short_fault(form) for form in shown)


def test_the_options_of_the_pages_exist() -> None:
    shown = set(re.findall(r"`?(--[a-z][a-z-]+)", (PAGES / "README.md").read_text()))
    commands = get_command(app)
    assert isinstance(commands, TyperGroup)
    parameters = [each for name in ("serve", "token") for each in commands.commands[name].params]
    assert shown <= {option for each in parameters for option in (*each.opts, *each.secondary_opts)}
    assert len(shown) > 10


def test_the_tests_of_the_pages_pass(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    code = blocks("testing.md", "python")
    pytester.makepyfile(**{f"test_page_{number}": text for number, text in enumerate(code)})
    result = pytester.runpytest_subprocess(
        *("-p", "wakeful.pytest_plugin", "-p", "no:cacheprovider"),
        *("-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=auto", "-W", "ignore"),
    )
    count = sum(len(re.findall(r"^(?:async )?def test_", text, re.MULTILINE)) for text in code)
    result.assert_outcomes(passed=count)
    assert count >= 4

"""The table in ARCHITECTURE.md is the contract; here it is compared with the code."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "wakeful"
ROOMS = sorted(folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists())
_ROW = re.compile(r"^\| `(\w+)` \| (.+?) \|(.*)\|$", re.MULTILINE)


def contract() -> dict[str, tuple[str, set[str]]]:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    return {
        room: (question, {name.strip() for name in allowed.split(",") if name.strip()})
        for room, question, allowed in _ROW.findall(text)
    }


def test_every_folder_has_a_row_and_every_row_a_folder() -> None:
    assert sorted(contract()) == ROOMS


def test_rooms_import_only_what_the_table_allows() -> None:
    graph = grimp.build_graph("wakeful", include_external_packages=False, cache_dir=None)
    wrong: list[str] = []
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            here, there = _room(module), _room(imported)
            if here and there and here != there and there not in contract()[here][1]:
                wrong.append(f"{module} imports {imported}")
    assert not wrong


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_states_its_question_and_its_names(room: str) -> None:
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))
    docstring = ast.get_docstring(tree) or ""
    assert docstring.casefold().startswith(contract()[room][0].casefold())
    allowed = (ast.Expr, ast.ImportFrom, ast.Assign, ast.If)
    assert all(isinstance(node, allowed) for node in tree.body)
    names: list[str] = importlib.import_module(f"wakeful.{room}").__all__
    imported = [
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert len(set(names)) == len(names)
    assert set(imported) == set(names)


def test_no_file_outgrows_one_head() -> None:
    long = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert not {path: lines for path, lines in long.items() if lines > 400}


def test_importing_wakeful_loads_nothing_heavy() -> None:
    heavy = ("aiohttp", "sqlite3", "psutil", "rich", "xllamacpp")
    code = f"import sys, wakeful; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_no_tracked_file_names_a_machine_or_a_registry() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    banned = re.compile(r"(?<![\w.])/(?:work|farm)/|files\.pythonhosted|pypi\.org/simple|registry\.npmjs")
    found = [
        name
        for name in listed.stdout.splitlines()
        if Path(name).suffix not in (".gguf", ".png", ".db")
        and name != "tests/test_architecture.py"
        and (ROOT / name).is_file()
        and banned.search((ROOT / name).read_text(encoding="utf-8", errors="replace"))
    ]
    assert not found


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else ""

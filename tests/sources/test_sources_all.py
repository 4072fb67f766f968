"""Every source that ships is found by reflection, and its own tests put it through the checks given to others."""

import ast
import inspect
from pathlib import Path

import pytest

import wakeful.sources

HERE = Path(__file__).parent
SHIPPED = [
    each
    for each in vars(wakeful.sources).values()
    if inspect.isclass(each) and hasattr(each, "observe") and not getattr(each, "_is_protocol", False)
]


def test_they_are_found() -> None:
    assert {"metrics", "log", "mqtt", "webhook", "lmstudio"} <= {_file(kind) for kind in SHIPPED}


@pytest.mark.parametrize("kind", SHIPPED, ids=lambda kind: kind.__name__)
def test_its_tests_put_it_through_the_checks(kind: type) -> None:
    """`test_sources_NAME.py` runs `check_source` on this class, in a test that nothing skips by name."""
    tree = ast.parse((HERE / f"test_sources_{_file(kind)}.py").read_text(encoding="utf-8"))
    tests = {each.name: each for each in tree.body if isinstance(each, ast.AsyncFunctionDef)}
    names = {node.id for node in ast.walk(tests["test_it_holds_what_every_source_must"]) if isinstance(node, ast.Name)}
    assert "check_source" in names
    makers = {kind.__name__, "source_of", "stand_in"}
    assert makers & names
    assert kind.__name__ in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("kind", SHIPPED, ids=lambda kind: kind.__name__)
def test_it_is_an_async_generator(kind: type) -> None:
    assert inspect.isasyncgenfunction(vars(kind)["observe"])


def _file(kind: type) -> str:
    return kind.__module__.rpartition(".")[2]

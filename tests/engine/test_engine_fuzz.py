"""Nothing that is sent brings the server down, holds it up, or stays in it."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fuzz import DESCRIPTION, fuzz

from wakeful.engine.life.descriptor import Descriptor
from wakeful.engine.life.models import Models, OnProgress
from wakeful.engine.life.settings import LoadConfig
from wakeful.engine.runner.runner import Runner
from wakeful.engine.server.app import create_app
from wakeful.engine.server.guard import SOCKET_PATHS
from wakeful.engine.testing import LMStudioServer


def check(count: int) -> None:
    tally, kept = fuzz(count)
    assert tally.wrong == []
    assert tally.sent >= count * 0.9
    assert tally.outcomes["200"] > count / 10, "most requests are refused at once: the fuzz has gone blunt"
    assert tally.outcomes["400"] > count / 10
    assert kept[-1].tasks <= kept[0].tasks
    assert kept[-1].files <= kept[0].files + 2
    assert kept[-1].memory_mb < kept[0].memory_mb + 20 + count / 2000


def test_a_thousand_odd_requests() -> None:
    check(1_000)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_hundred_thousand_odd_requests() -> None:
    check(100_000)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_schemathesis_finds_no_answer_that_the_description_does_not_foresee(tmp_path: Path) -> None:
    """Over its own values for the same description: statuses, content types, nothing of 5xx."""
    with LMStudioServer() as server:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", str(DESCRIPTION), "--url", server.url),
                *("--phases", "examples,coverage,fuzzing", "--max-examples", "100", "--continue-on-failure"),
                *("--exclude-path", "/api/v1/models/download"),  # its 501 is meant, and counts as a fault of ours
                *("--checks", "not_a_server_error,status_code_conformance,content_type_conformance"),
            ],
            cwd=tmp_path,  # it leaves a folder behind
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert len(server.requests) > 2_000


async def test_the_description_names_our_routes_and_no_others() -> None:
    described = {
        (method.upper(), path)
        for path, methods in yaml.safe_load(DESCRIPTION.read_text())["paths"].items()
        for method in methods
    }
    app = create_app(Models(nothing, nobody))
    served = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method not in ("HEAD", "*")
    }
    assert {each for each in served if each[1] not in SOCKET_PATHS} == described


async def nothing() -> list[Descriptor]:
    return []


async def nobody(model: Descriptor, config: LoadConfig, on_progress: OnProgress) -> Runner:
    raise AssertionError("nothing is loaded here")

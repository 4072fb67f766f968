"""A package with a source of its own, built and installed by pip, and found by the real command."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    copy = tmp_path_factory.mktemp("copy") / "package"
    shutil.copytree(HERE / "example_package", copy)  # a build leaves its traces beside the package
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", "--no-index"]
    options = ["--no-deps", "--no-build-isolation", "--target", str(target), str(copy)]
    done = subprocess.run([*pip, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def python(installed: Path, code: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(installed), str(ROOT / "src")])
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"PYTHONPATH": path},
    )


def test_its_source_passes_what_ours_pass(installed: Path) -> None:
    done = python(
        installed,
        "import asyncio\n"
        "from wakeful.sources import installed_source\n"
        "from wakeful.testing import check_source\n"
        "asyncio.run(check_source(lambda: installed_source('tide', {'harbour': 'Brest', 'every_s': 0.01})))\n"
        "print('holds')",
    )
    assert done.stdout == "holds\n", done.stderr


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("tide", {}, "the source of kind tide (package wakeful-tide) needs harbour Add `harbour = …`"),
        ("tide", {"harbor": "x"}, "takes no harbor Did you mean harbour? Allowed: harbour, every_s."),
        ("tide_broken", {}, "can't be loaded: ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("tide_odd", {}, "is no source It needs a `name`"),
        ("tide_odd", {"x": 1}, "can't be made: RuntimeError: no settings, please"),
        ("none", {}, "no installed package brings sources of kind none"),
    ],
)
def test_what_a_package_does_wrong_is_said(installed: Path, kind: str, settings: dict[str, object], said: str) -> None:
    done = python(
        installed,
        "from wakeful.sources import SourceError, installed_source\n"
        f"try: installed_source({kind!r}, {settings!r})\n"
        "except SourceError as error: print(error)",
    )
    assert said in done.stdout, done.stdout + done.stderr


def command(installed: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(installed), str(ROOT / "src")])
    env = {"PYTHONPATH": path, "WAKEFUL_HOME": str(home), "XDG_CONFIG_HOME": str(home), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "wakeful.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=home,
        env=os.environ | env,
    )


def test_the_command_knows_its_kind(installed: Path, tmp_path: Path) -> None:
    file = tmp_path / "wakeful.toml"
    file.write_text("[[source]]\nkind = 'tide'\nharbour = 'Brest'\napi_token = 'sesame'\n")
    rows = json.loads(command(installed, tmp_path, "config", "--json").stdout)
    [row] = [row for row in rows if row["key"] == "source.0"]
    assert row["value"] == {"kind": "tide", "harbour": "Brest", "api_token": "********"}
    refused = command(installed, tmp_path, "doctor")
    assert refused.returncode == 3
    assert "source.0: the source of kind tide (package wakeful-tide) takes no api_token" in refused.stderr
    file.write_text("[[source]]\nkind = 'tide'\nharbour = 'Brest'\n")
    assert "sources: tide:Brest" in command(installed, tmp_path, "doctor").stdout
    file.write_text("[[source]]\nkind = 'tied'\n")
    assert "Did you mean tide? Kinds: metrics," in command(installed, tmp_path, "config").stderr

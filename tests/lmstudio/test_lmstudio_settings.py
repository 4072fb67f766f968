"""Where the server is: parameters before the environment, the environment before `wakeful.toml`."""

from pathlib import Path

import pytest

from wakeful.lmstudio import DEFAULT_BASE_URL, Timeouts
from wakeful.lmstudio.settings import connection

FILE = '[model]\nurl = "http://file:1"\napi_token = "of the file"\ntimeout_s = 60\n'


def environment(folder: Path, text: str = FILE, **more: str) -> dict[str, str]:
    path = folder / "wakeful.toml"
    path.write_text(text, encoding="utf-8")
    return {"WAKEFUL_CONFIG": str(path), **more}


def test_the_file_where_nothing_else_is_said(tmp_path: Path) -> None:
    found = connection(env=environment(tmp_path))
    assert (found.base_url, found.api_token) == ("http://file:1", "of the file")
    assert (found.timeouts.first_token_s, found.timeouts.whole_s) == (60.0, Timeouts().whole_s)


def test_the_environment_before_the_file(tmp_path: Path) -> None:
    said = {"LMSTUDIO_URL": "env:2/v1", "LM_API_TOKEN": "of the environment", "LMSTUDIO_TIMEOUT": "2500000"}
    found = connection(env=environment(tmp_path, **said))
    assert (found.base_url, found.api_token) == ("http://env:2", "of the environment")
    assert (found.timeouts.first_token_s, found.timeouts.whole_s) == (2500.0, 2500.0)


def test_parameters_before_both(tmp_path: Path) -> None:
    env = environment(tmp_path, LMSTUDIO_URL="env:2", LM_API_TOKEN="of the environment", LMSTUDIO_TIMEOUT="5000")
    timeouts = Timeouts(first_token_s=7)
    found = connection("host:3", api_token="", timeouts=timeouts, env=env)
    assert (found.base_url, found.api_token, found.timeouts) == ("http://host:3", "", timeouts)


def test_nothing_said_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = connection(env={"LMSTUDIO_URL": "", "LMSTUDIO_TIMEOUT": ""})
    assert (found.base_url, found.api_token, found.timeouts) == (DEFAULT_BASE_URL, "", Timeouts())


def test_wakeful_toml_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert connection(env={}).base_url == "http://file:1"


@pytest.mark.parametrize("milliseconds", ["soon", "-5", "0", "inf", "nan"])
def test_a_time_out_that_is_none_is_refused(milliseconds: str) -> None:
    with pytest.raises(ValueError, match=r"time-out|LMSTUDIO_TIMEOUT"):
        connection("host", api_token="", env={"LMSTUDIO_TIMEOUT": milliseconds, "WAKEFUL_CONFIG": "/nowhere"})


@pytest.mark.parametrize("text", ["[model", '[model]\ntimeout_s = "long"\n', "[model]\ntimeout_s = true\n"])
def test_a_file_that_can_not_be_read_is_told_of(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"wakeful\.toml|time-out"):
        connection(env=environment(tmp_path, text))

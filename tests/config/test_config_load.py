import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.config import CommandSource, ConfigError, LogSource, MetricsSource, load


def written(folder: Path, text: str) -> Path:
    file = folder / "wakeful.toml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text), env={})
    return caught.value.problems


def test_without_anything_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    loaded = load(env={})
    assert loaded.file is None
    assert loaded.settings.model.url == "http://localhost:1234"
    assert loaded.settings.wants_default_sources
    assert {row.origin for row in loaded.rows()} == {"default"}


def test_flags_win_over_the_environment_over_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "[page]\nport = 1\nhost = 'localhost'\n[model]\nname = 'a'\nurl = 'http://a'\n")
    env = {"WAKEFUL_PAGE_PORT": "2", "LMSTUDIO_URL": "http://b", "LMSTUDIO_TIMEOUT": "5000", "WAKEFUL_HOME": "/h"}
    loaded = load(file, env=env, flags={"page.port": 3})
    assert loaded.settings.page.port == 3
    assert loaded.origin("page.port") == "flag --port"
    assert loaded.settings.model.url == "http://b"
    assert loaded.origin("model.url") == "environment LMSTUDIO_URL"
    assert loaded.settings.model.timeout_s == 5.0
    assert loaded.settings.journal.home == "/h"
    assert loaded.origin("page.host") == "wakeful.toml:3"
    assert loaded.origin("notify.least") == "default"


def test_sources_are_read(tmp_path: Path) -> None:
    text = """
        [[source]]
        kind = "metrics"
        interval_s = 5
        [[source]]
        kind = "log"
        paths = ["/var/log/*.log"]
        [[source]]
        kind = "command"
        name = "backup"
        run = ["restic", "check"]
    """
    settings = load(written(tmp_path, text), env={}).settings
    assert [type(each) for each in settings.sources] == [MetricsSource, LogSource, CommandSource]
    assert not settings.wants_default_sources


def test_secrets_are_masked(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, "[page]\ntoken = 'sesame'\n"), env={"LM_API_TOKEN": "sk-lm"})
    assert "sesame" not in str(loaded.rows())
    assert "sk-lm" not in str(loaded.rows())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[page]\nprt = 1\n", "wakeful.toml:2: page.prt is not a setting. Did you mean page.port?"),
        ("[page]\nport = 70000\n", "wakeful.toml:2: page.port = 70000 can't be"),
        ("[pages]\nport = 1\n", "wakeful.toml:1: pages is not a setting. Did you mean page?"),
        ("page = 3\n", "wakeful.toml:1: page must be a table"),
        ("[model]\nuse = 'cloud'\n", "(one of: auto, lmstudio, builtin)"),
        ("[model]\ntimeout_s = -1\n", "wakeful.toml:2: model.timeout_s = -1"),
        ("\n[[source]]\nkind = 'logs'\n", "wakeful.toml:3: there is no source of kind 'logs'. Did you mean log?"),
        ("[[source]]\nkind = 'log'\n", "wakeful.toml:1: source.0.paths is missing"),
        ("[[source]]\npath = 'x'\n", "needs a kind: metrics, log"),
        ("[source]\nkind = 'log'\n", "[[source]], with two brackets"),
        ("[[source]]\nkind = 'command'\nname = 'x'\nrun = 5\n", "wakeful.toml:4: source.0.run = 5 can't be"),
        ("[page\n", "line 1"),
        ("a = \n", "line 1"),
    ],
)
def test_a_mistake_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    assert any(said in problem for problem in problems(tmp_path, text)), problems(tmp_path, text)


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "[page]\nprt = 1\nport = -1\n[modl]\n[[source]]\nkind = 'x'\n")) == 4


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(ConfigError, match="environment WAKEFUL_PAGE_PORT"):
        load(env={"WAKEFUL_PAGE_PORT": "high"})


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load(tmp_path / "none.toml", env={})
    with pytest.raises(ConfigError, match="does not exist"):
        load(env={"WAKEFUL_CONFIG": str(tmp_path)})


@given(
    st.one_of(
        st.binary(max_size=300), st.text(alphabet="[]page.port=\n\"'{}source kind1,", max_size=200).map(str.encode)
    )
)
def test_any_file_gives_settings_or_says_what_is_wrong(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "wakeful.toml"
    file.write_bytes(data)
    with contextlib.suppress(ConfigError):
        load(file, env={})

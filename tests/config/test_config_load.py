import contextlib
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.config import CommandSource, ConfigError, LogSource, MetricsSource, Settings, load


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
        ("[page\n", "wakeful.toml:1"),
        ("a = \n", "wakeful.toml:1"),
        ("[page]\nport = 1\nport = 2\n", ": no valid TOML: Cannot overwrite a value."),
        ("source = [{kind = 'metrics', interval = 3}]\n", "wakeful.toml:1: source.0.interval is not a setting."),
        ("[[source]]\nkind = 'log'\npth = []\n", "Allowed in a [[source]] of kind log: paths, from_start"),
        ('x = """\n[page]\nport = 1\n"""\n[page]\nport = -1\n', "wakeful.toml:6: page.port = -1"),
        ("# \u2028 \u0085 '''\n[page]\nprt = 1\n", "wakeful.toml:3: page.prt"),
        ("[page]\nport = " + "1" * 5000, "too many digits"),
        ("[page]\nport = 0x" + "f" * 9000, "wakeful.toml:2: page.port"),
        ("a = " + "[" * 5000, "nested too deeply"),
        ("[model]\ntimeout_s = inf\n", "wakeful.toml:2: model.timeout_s = inf"),
        ("[model]\ntimeout_s = nan\n", "wakeful.toml:2: model.timeout_s = nan"),
        ("[model]\nthreads = 99999999999999999999\n", "wakeful.toml:2: model.threads"),
        ("[model]\nurl = 'ftp://box'\n", "wakeful.toml:2: model.url = 'ftp://box' is no address of a server"),
        ("[model]\nurl = 'http://box:99999'\n", "such as http://localhost:1234"),
        ("[page]\nenabled = 1\n", "(one of: true, false)"),
        ('[page]\n"\\u001b[2J" = 1\n', "page.\\x1b[2J is not a setting"),
    ],
)
def test_a_mistake_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    assert any(said in problem for problem in problems(tmp_path, text)), problems(tmp_path, text)


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "[page]\nprt = 1\nport = -1\n[modl]\n[[source]]\nkind = 'x'\n")) == 4


def test_a_setting_in_an_inline_table_knows_its_line(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, "\npage = {port = 3}\n"), env={})
    assert loaded.origin("page.port") == "wakeful.toml:2"
    assert loaded.origin("page.host") == "default"


def test_each_source_is_a_row_with_its_line(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, "\n[[source]]\nkind = 'metrics'\n[[source]]\nkind = 'stdin'\n"), env={})
    rows = {row.key: row for row in loaded.rows() if row.key.startswith("source")}
    assert {key: row.origin for key, row in rows.items()} == {
        "source.0": "wakeful.toml:2",
        "source.1": "wakeful.toml:4",
    }
    assert rows["source.1"].value == {"kind": "stdin"}


def test_every_setting_is_a_row(tmp_path: Path) -> None:
    keys = [row.key for row in load(written(tmp_path, ""), env={}).rows()]
    assert len(set(keys)) == len(keys)
    for section, values in msgspec.to_builtins(Settings()).items():
        names = {f"{section}.{name}" for name in values} if isinstance(values, dict) else {section}
        assert names <= set(keys)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"WAKEFUL_PAGE_PORT": "high"}, "environment WAKEFUL_PAGE_PORT: page.port = 'high' can't be"),
        ({"WAKEFUL_PAGE_PORT": "70000"}, "Expected int <= 65535"),
        ({"WAKEFUL_PAGE_ENABLED": "on"}, "(one of: true, false)"),
        (
            {"WAKEFUL_PAGE_PRT": "1"},
            "environment WAKEFUL_PAGE_PRT: there is no such setting. Did you mean WAKEFUL_PAGE_PORT?",
        ),
        ({"LMSTUDIO_TIMEOUT": "soon"}, "environment LMSTUDIO_TIMEOUT: 'soon' is no number of milliseconds"),
        ({"LMSTUDIO_TIMEOUT": "inf"}, "environment LMSTUDIO_TIMEOUT: model.timeout_s = inf"),
        ({"LMSTUDIO_URL": "http://"}, "environment LMSTUDIO_URL: model.url = 'http://' is no address"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, env: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, ""), env=env)
    assert said in str(caught.value)


def test_variables_of_others_and_empty_ones_are_passed_over(tmp_path: Path) -> None:
    env = {"WAKEFUL_SCREENSHOTS": "x", "LMSTUDIO_URL": "", "LMSTUDIO_TIMEOUT": "", "WAKEFUL_HOME": "", "PATH": "/bin"}
    assert load(written(tmp_path, ""), env=env).settings == Settings()


def test_wakefuls_own_variable_wins_over_lm_studios(tmp_path: Path) -> None:
    env = {"WAKEFUL_MODEL_URL": "http://ours", "LMSTUDIO_URL": "http://theirs"}
    assert load(written(tmp_path, ""), env=env).settings.model.url == "http://ours"


def test_a_flag_is_named_as_it_is_typed(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, ""), env={}, flags={"model.gguf": "a.gguf", "page.enabled": False})
    assert loaded.origin("model.gguf") == "flag --model"
    assert loaded.origin("page.enabled") == "flag --page"


@pytest.mark.parametrize(
    "url", ["localhost:1234", "http://[::1]:1234/v1", "https://box.lan/lm/", " http://a:1 ", "box"]
)
def test_addresses_that_the_client_understands_are_taken(tmp_path: Path, url: str) -> None:
    assert load(written(tmp_path, f"[model]\nurl = '{url}'\n"), env={}).settings.model.url == url


def test_a_wrong_secret_is_not_repeated(tmp_path: Path) -> None:
    said = problems(tmp_path, "[page]\ntoken = 5551234\n[model]\napi_token = ['sesame']\n")
    assert len(said) == 2
    assert not any("5551234" in each or "sesame" in each for each in said)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load(tmp_path / "none.toml", env={})
    with pytest.raises(ConfigError, match="does not exist"):
        load(env={"WAKEFUL_CONFIG": str(tmp_path)})
    with pytest.raises(ConfigError, match="can't be read"):
        load(Path("x" * 5000), env={})


def test_a_file_that_is_far_too_large_is_not_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "wakeful.toml"
    with file.open("wb") as opened:
        opened.truncate(1 << 40)
    with pytest.raises(ConfigError, match="larger than 1,000,000 bytes"):
        load(file, env={})


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


_HEADS = ("[page]", "[[source]]", "[model]", "kind = 'metrics'", "kind = 'nope'", "[[page]]", "[source.x]")
_KEYS = ("page", "page.port", "page.prt", "model.url", "source", "source.0", "journal.keep_days", "model.threads")
_VALUES = (
    *("0", "-1", "inf", "nan", "1e308", "0x" + "f" * 5000),
    *("true", "''", "'x'", "[]", "{}", "[{kind='log'}]", "1979-05-27"),
)


@given(
    st.lists(
        st.one_of(st.sampled_from(_HEADS), st.tuples(st.sampled_from(_KEYS), st.sampled_from(_VALUES)).map(" = ".join)),
        max_size=6,
    )
)
def test_any_settings_are_taken_or_refused_at_a_line_that_is_there(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    file = written(tmp_path_factory.mktemp("any"), "\n".join(lines))
    try:
        said = [f"{row.origin}: {row.key}" for row in load(file, env={}).rows() if row.origin != "default"]
    except ConfigError as error:
        said = list(error.problems)
    places = [re.match(r"wakeful\.toml(?::(\d+))?(?::\d+)?: ", each) for each in said]
    assert all(place is not None for place in places), said
    assert all(1 <= int(place[1] or 1) <= max(1, len(lines)) for place in places if place), said


@given(st.sampled_from(["LMSTUDIO_URL", "LMSTUDIO_TIMEOUT", "WAKEFUL_PAGE_PORT", "WAKEFUL_MODEL_URL"]), st.text())
def test_any_variable_gives_settings_or_says_what_is_wrong(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: str
) -> None:
    file = written(tmp_path_factory.mktemp("any"), "")
    with contextlib.suppress(ConfigError):
        load(file, env={name: value})


def test_what_may_be_done_is_read_and_its_mistakes_are_named(tmp_path: Path) -> None:
    text = """
[actions]
roots = ["/var/log"]
[actions.policy]
read_file = "allow"
"mcp_github_*" = "ask"
[actions.commands.backup]
run = ["restic", "backup", "{what}"]
choices.what = ["home", "etc"]
timeout_s = 600
[actions.mcp.github]
run = ["github-mcp"]
env.GITHUB_PAT = "env:PAT"
[actions.specialists.reader]
prompt = "You read logs."
tools = ["read_file"]
[notify]
to = ["desktop", "env:PHONE"]
quiet_hours = "22:00-07:00"
"""
    loaded = load(written(tmp_path, text), env={"PAT": "CANARY", "PHONE": "tgram://CANARY/1"})
    actions = loaded.settings.actions
    assert actions.commands["backup"].choices == {"what": ["home", "etc"]}
    assert actions.policy == {"read_file": "allow", "mcp_github_*": "ask"}
    assert actions.mcp["github"].env == {"GITHUB_PAT": "CANARY"}
    assert loaded.settings.notify.to[1] == "tgram://CANARY/1"
    assert "CANARY" not in str(loaded.rows())
    wrong = """
[actions.policy]
read_file = "maybe"
[actions.commands.x]
run = "restic"
shell = true
[actions.commands.y]
[notify]
quiet_hours = "25:00-07:00"
to = [5]
"""
    found = "\n".join(problems(tmp_path, wrong))
    places = ["wakeful.toml:2: actions.policy", "wakeful.toml:5: actions.commands.x.run", "actions.commands.x.shell"]
    for place in (*places, "actions.commands.y.run is missing", "notify.quiet_hours", "notify.to", "allow, ask, deny"):
        assert place in found

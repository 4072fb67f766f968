"""The commands of memory, as a person types them."""

import json
from pathlib import Path

from test_cli_commands import wakeful


def said(*arguments: str, home: Path) -> str:
    done = wakeful(*arguments, home=home, LMSTUDIO_URL="http://127.0.0.1:1")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_memory_is_kept_found_taken_elsewhere_and_forgotten(tmp_path: Path) -> None:
    home, other = tmp_path / "one", tmp_path / "other"
    home.mkdir()
    other.mkdir()
    assert said("remember", "The spare key is with zacharias.", home=home) == "Remembered as #1.\n"
    said("remember", "nginx", "--about", "the proxy", "--time", "2h", home=home)
    assert "spare key" in said("recall", "where is the key?", home=home)
    [found] = said("recall", "proxy in the last 3 hours", "--json", home=home).splitlines()
    assert json.loads(found)["event"]["about"] == "the proxy"
    said("memory", "export", str(tmp_path / "all.jsonl"), home=home)
    assert said("memory", "import", str(tmp_path / "all.jsonl"), home=other) == "Took in 2 memories.\n"
    assert said("memory", "audit", home=home).startswith("2 memories looked at, 0.0% junk")
    assert "Forgotten: 1 entry" in said("forget", "--text", "zacharias", "--yes", home=home)
    assert not [file.name for file in home.iterdir() if b"zacharias" in file.read_bytes()]
    assert said("recall", "spare key", home=home) == ""


def test_the_self_model_is_changed_and_goes_back(tmp_path: Path) -> None:
    said("remember", "x", home=tmp_path)
    said("memory", "self", "--add", "The user sleeps from 23 to 7.", home=tmp_path)
    said("memory", "self", "--add", "Backups run at 3.", "--remove", "The user sleeps from 23 to 7.", home=tmp_path)
    assert said("memory", "self", "--rollback", "1", home=tmp_path).startswith("Version 3:\nThe user sleeps")
    assert said("memory", "self", "--history", home=tmp_path).count("version") == 4  # one says `back to version 1`
    refused = wakeful("memory", "self", "--remove", "nothing", home=tmp_path)
    assert refused.returncode == 2
    assert "there is no line 'nothing' to take out" in refused.stderr


def test_there_is_nothing_to_recall_where_no_mind_was_awake(tmp_path: Path) -> None:
    assert wakeful("recall", "x", home=tmp_path).returncode == 5
    assert wakeful("forget", home=tmp_path).returncode == 2

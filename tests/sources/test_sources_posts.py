import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from posted import ALERTMANAGER, GITHUB_PUSH, GITHUB_RUN, GRAFANA, KUMA_DOWN, KUMA_UP

from wakeful.sources.flatten import MAX_TEXT_CHARS, MAX_VALUES, decode, flatten, number
from wakeful.sources.posts import Post, read_post

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=40,
)


@pytest.mark.parametrize(
    ("data", "headers", "posts"),
    [
        (
            ALERTMANAGER,
            {},
            [
                Post("HighLoad firing on web1:9100 (critical): load is 12 on 4 cores", {}, "web1:9100"),
                Post("HighLoad resolved on web2:9100", {}, "web2:9100"),
            ],
        ),
        (
            GRAFANA,
            {},
            [
                Post(
                    "Disk almost full firing: /data has 3 % left",
                    {"B:Disk almost full": 97.2, "C:Disk almost full": 1},
                    "Disk almost full",
                )
            ],
        ),
        (KUMA_DOWN, {}, [Post("Nextcloud is down: timeout of 48000ms", {"up:Nextcloud": 0}, "Nextcloud")]),
        (KUMA_UP, {}, [Post("Nextcloud is up: 200 - OK", {"up:Nextcloud": 1, "ping_ms:Nextcloud": 42}, "Nextcloud")]),
        (
            GITHUB_RUN,
            {"x-github-event": "workflow_run"},
            [Post("someone/thing: workflow run completed by someone: tests failure on main", {}, "someone/thing")],
        ),
        (
            GITHUB_PUSH,
            {"x-github-event": "push"},
            [Post("someone/thing: push to main by someone: Mend the fence", {}, "someone/thing")],
        ),
        ({"zen": "Keep it simple."}, {"x-github-event": "ping"}, [Post("GitHub: ping: Keep it simple.", {}, "")]),
        ([], {}, [Post("an empty post")]),
        ("hello", {}, [Post("hello")]),
    ],
)
def test_what_programs_post_in_words(data: Any, headers: dict[str, str], posts: list[Post]) -> None:
    assert read_post(data, headers) == posts


def test_many_alerts_are_told_in_part() -> None:
    told = read_post(ALERTMANAGER | {"alerts": ALERTMANAGER["alerts"] * 50})
    assert len(told) == 21
    assert told[-1].text == "and 80 more of the same post"


def test_words_come_first_and_numbers_are_named() -> None:
    flat = flatten(
        {
            "sensor": {"id": 17, "temperature": 21.5, "ok": True, "at": "kitchen"},
            "message": "it is warm.",
            "created_at": 1700000000,
            "list": [{"x": 1}, {"x": 2}],
            "one": [{"y": 3}],
        }
    )
    assert flat.values == {"sensor.temperature": 21.5, "sensor.ok": 1, "list.0.x": 1, "list.1.x": 2, "one.y": 3}
    assert flat.text.startswith("it is warm (sensor.id 17, sensor.temperature 21.5, sensor.ok true, sensor.at kitchen")


@pytest.mark.parametrize(
    "key", ["password", "db_password", "passwd", "api_key", "apiKey", "Authorization", "token", "accessToken", "secret"]
)
def test_what_sounds_like_a_secret_is_left_out(key: str) -> None:
    for data in ({key: "hunter2"}, {key: {"inner": "hunter2"}}, {"a": [{key: 4711}]}):
        flat = flatten(data)
        assert "hunter2" not in flat.text
        assert "4711" not in flat.text + str(flat.values)


def test_tokens_that_are_counted_are_no_secret() -> None:
    assert flatten({"usage": {"prompt_tokens": 7}}).values == {"usage.prompt_tokens": 7}


@given(JSON)
def test_any_json_comes_to_something_bounded(data: Any) -> None:
    flat = flatten(data)
    assert len(flat.text) <= MAX_TEXT_CHARS
    assert len(flat.values) <= MAX_VALUES
    assert all(map(math.isfinite, flat.values.values()))
    assert all(post.text for post in read_post(data, {"x-github-event": "push"}))


@given(JSON, st.sampled_from([ALERTMANAGER, GRAFANA, KUMA_DOWN, GITHUB_RUN, GITHUB_PUSH]), st.data())
def test_a_known_shape_with_nonsense_in_it_is_read_all_the_same(
    nonsense: Any, known: dict[str, Any], draw: st.DataObject
) -> None:
    key = draw.draw(st.sampled_from(sorted(known)))
    inner = known[key]
    changed = {**inner, draw.draw(st.sampled_from(sorted(inner))): nonsense} if isinstance(inner, dict) else nonsense
    assert all(post.text for post in read_post(known | {key: changed}, {"x-github-event": "issues"}))


def test_a_large_and_a_deep_post_are_bounded() -> None:
    wide = flatten({f"k{number}": number for number in range(5000)})
    assert len(wide.values) == MAX_VALUES
    assert wide.left_out
    deep: Any = 1
    for _ in range(100):
        deep = {"a": deep}
    assert flatten(deep).text == ""
    with pytest.raises(ValueError, match="no JSON"):
        decode(b"[" * 100_000)


@given(st.binary(max_size=60))
def test_bytes_are_json_or_refused(data: bytes) -> None:
    try:
        told = decode(data)
    except ValueError:
        return
    assert json.loads(data) == told or told != told  # NaN


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("21.5", 21.5),
        (" -3e2 ", -300),
        ("ON", 1),
        ("false", 0),
        ("1_000", None),
        ("nan", None),
        ("", None),
        ("5 C", None),
    ],
)
def test_a_number_alone(text: str, value: float | None) -> None:
    assert number(text) == value

"""The pilot's words: whole names that were shown, and what it was taught, in a pattern that grammars understand."""

import random
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.context import Seen, moment
from wakeful.engine import Engine
from wakeful.events import Observation
from wakeful.mind.prompt import PILOT, prompt
from wakeful.mind.schema import Reply, reply_schema
from wakeful.mind.wording import quotation, taught, text, word, words

SHOWN = 'Observations:\n#7 container:web-1: {"level":"error","msg":"dial tcp db.lan:5432: refused (x=/srv/a.log)"}'


def allows(said: str, shown: str = SHOWN, most: int = 10) -> bool:
    return re.match(text(word(taught() | words(shown)), most)["pattern"], said) is not None


@pytest.mark.parametrize(
    "said",
    [
        "",
        "connection refused by db.lan:5432",
        "web-1 can't reach db.lan:5432: connection refused.",
        "check /srv/a.log",
        "dial tcp db.lan:5432: refused (x=/srv/a.log)",
    ],
)
def test_what_was_shown_or_taught_can_be_said(said: str) -> None:
    assert allows(said)


@pytest.mark.parametrize(
    "said",
    ["check db.lan:543", "check db.lan", "check /srv/a.lo", "connection refused by bd.lan:5432", "web-1  stays", " "],
)
def test_a_garbled_or_shortened_name_can_not(said: str) -> None:
    assert not allows(said)


def test_a_text_has_no_more_words_than_it_may() -> None:
    assert allows("more " * 9 + "errors")
    assert not allows("more " * 10 + "errors")


def test_what_is_last_in_a_device_or_an_exception_is_a_name() -> None:
    assert {"dm-24", "NullPointerException"} <= words("Device: /dev/dm-24, java.lang.NullPointerException: gone")


def test_the_words_taught_are_words_and_no_names() -> None:
    assert {"is", "was", "refused", "stays"} <= taught()
    assert not [each for each in taught() if any(map(str.isdigit, each))]


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Z", "C"], exclude_characters='"\\'), min_size=1),
        min_size=1,
        max_size=8,
    )
)
def test_a_pattern_allows_its_words_whatever_they_are(allowed: list[str]) -> None:
    made = re.compile(text(word(allowed), 3)["pattern"])
    for each in allowed:
        assert made.match(each)
        assert made.match(f"{each} {allowed[0]}.")


@given(st.text(max_size=300))
def test_any_text_makes_a_pattern_that_allows_its_own_words(shown: str) -> None:
    there = words(shown)
    made = re.compile(text(word(there), 4)["pattern"])
    for each in there:
        assert made.match(each)


def quotes(said: str, line: str) -> bool:
    pattern = quotation(f"Observations:\n#7 03:12:07 {line}\nExpected: more of web-1\nNow: 2026-11-27 03:12 UTC")
    return bool(pattern) and re.fullmatch(pattern, said) is not None


@pytest.mark.parametrize(
    "said",
    [
        "dial tcp db.lan:5432: refused (x=/srv/a.log)",
        "dial tcp",
        "refused",
        "never seen before",
        "says error",
    ],
)
def test_a_quotation_is_any_stretch_of_the_observation_and_of_why_it_stood_out(said: str) -> None:
    line = 'container:web-1: {"level":"error","msg":"dial tcp db.lan:5432: refused (x=/srv/a.log)"}'
    assert quotes(said, f"{line} [never seen before; says error]")


@pytest.mark.parametrize(
    "said", ["dial db.lan", "tcp dial", "dial tc", "web-1", "more of web-1", "", "last one first two", ", one"]
)
def test_nothing_else_is_one(said: str) -> None:
    assert not quotes(said, "container:web-1: 2 lines: dial tcp db.lan:5432, one | first two [last one]")


def test_a_moment_without_observations_gives_nothing_to_quote() -> None:
    assert quotation("Observations: none\nExpected: nothing yet") == ""


@given(st.text(max_size=300))
def test_any_observation_can_be_quoted_piece_by_piece(shown: str) -> None:
    line = " ".join(shown.replace(" | ", " ").split())
    pattern = re.compile(quotation(f"#1 00:00:00 stdin: {line}") or "(?!)")
    for each in line.split():
        name = each.lstrip("[({<'").rstrip(".,:;])}>'")
        fits = len(name.encode(errors="replace")) <= 100
        if name and fits and name.isprintable() and not set(name) & set('"\\'):
            assert pattern.fullmatch(name)


async def test_llama_cpp_understands_the_patterns_of_the_oddest_lines() -> None:
    rng = random.Random(1)
    lines = [
        " ".join(rng.choice("abcdefghij") for _ in range(300)),  # as many ways on as there can be
        " ".join(str(rng.randint(0, 9)) for _ in range(300)),
        " ".join(rng.choice("[](){}<>.,:;|*+?^$/\\\"'-") for _ in range(300)),
        " ".join(chr(rng.randint(0x1F600, 0x1F63C)) for _ in range(60)),
        "".join(chr(rng.randint(1, 31)) for _ in range(300)),
        "{1,1}{0,99999999}" * 30,
    ]
    async with Engine() as engine, engine.client() as client:
        for line in lines:
            observation = Observation(at_ns=10**18, source="log:/a", form="lines", text=line)
            shown = moment([Seen(7, observation)], now_ns=10**18, reason="salience", expected="")
            said = await client.chat(
                [{"role": "system", "content": prompt(PILOT)}, {"role": "user", "content": shown}],
                json_schema=reply_schema(["#7"], shown=shown),
                max_tokens=700,
                temperature=0.0,
            )
            assert msgspec.json.decode(said.text, type=Reply).severity

"""Plans: what people write, which mistakes are said how, and which requests meet what."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.engine.faults.check import KINDS, BadPlan
from wakeful.engine.faults.injector import Injector
from wakeful.engine.faults.plan import AnyFault, FaultPlan, Overflow, Refuse, Reset, Stall, Status
from wakeful.engine.faults.read import as_plan, read_plan, short_fault

CHAT = "/v1/chat/completions"


def met(injector: Injector, count: int, route: str = CHAT, model: str = "m") -> list[int]:
    """The numbers of the requests, from 1, that meet something."""
    return [number for number in range(1, count + 1) if injector.meet(route, model)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("reset@500", Reset(500)),
        ("reset", Reset()),
        ("503", Status(503)),
        ("429,headers.Retry-After=2,times=1", Status(429, headers={"Retry-After": "2"}, times=1)),
        ('400,body={"error": "no, never"}', Status(400, {"error": "no, never"})),
        ("stall", Stall()),
        ("stall@3,for_s=0.5", Stall(3, for_s=0.5)),
        ("overflow@keep", Overflow("keep")),
        (
            "reset,at_event=2,nth=[1,3],route=/v1/*,model=qwen*",
            Reset(at_event=2, nth=(1, 3), route="/v1/*", model="qwen*"),
        ),
        ("refuse,probability=0.25", Refuse(probability=0.25)),
    ],
)
def test_a_few_words_name_a_fault(text: str, fault: AnyFault) -> None:
    assert short_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rest@500", "there is no fault of kind 'rest'. Did you mean reset? Kinds: refuse,"),
        ("reset@soon", "at_byte = 'soon' can't be: Expected int, got str."),
        (
            "reset,nthh=2",
            "nthh is no setting of reset. Did you mean nth? It has: at_byte, at_event, route, model, nth,",
        ),
        ("reset@-1", "at_byte = -1 can't be: Expected int >= 0."),
        ("refuse@3", "refuse has nothing that could stand behind @."),
        ("refuse,route=/v1", "route is no setting of refuse."),
        ("999", "status = 999 can't be: Expected int <= 599."),
        ("overflow@loud", "(one of: lmstudio, keep, fit, exceeded, llama.cpp, engine, silent)."),
        ("garble,what=xml", "(one of: json, utf8, framing)."),
        ("reset,probability=2", "probability = 2 can't be: Expected float <= 1.0."),
        ("", "there is no fault of kind ''."),
    ],
)
def test_what_is_wrong_with_a_few_words_is_said(text: str, said: str) -> None:
    with pytest.raises(BadPlan) as caught:
        short_fault(text)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"--fault {text}: ")


def test_a_file_holds_a_plan(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(
        """
seed = 7

[[fault]]
kind = "reset"
at_byte = 500
nth = [2, 4]
route = "/v1/*"

[[fault]]
kind = "status"
status = 429
body = { error = "busy" }
headers = { Retry-After = "2" }
probability = 0.5
"""
    )
    reset = Reset(500, nth=(2, 4), route="/v1/*")
    busy = Status(429, {"error": "busy"}, {"Retry-After": "2"}, probability=0.5)
    assert read_plan(file) == FaultPlan((reset, busy), seed=7)


def test_every_mistake_of_a_file_is_said_at_once_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(
        '\nseeds = 7\n[[fault]]\nkind = "reset"\nat_bite = 5\n\n[[fault]]\nkind = "sttall"\n'
        '[[fault]]\nkind = "slow"\ntoken_s = "fast"\n[[fault]]\nnth = 2\n'
    )
    with pytest.raises(BadPlan) as caught:
        read_plan(file)
    places = [problem.partition(": ")[0] for problem in caught.value.problems]
    assert places == ["faults.toml", "faults.toml:5", "faults.toml:8", "faults.toml:11", "faults.toml:12"]
    said = str(caught.value)
    assert "seeds is no setting of a plan. Did you mean seed?" in said
    assert "at_bite is no setting of reset. Did you mean at_byte?" in said
    assert "Did you mean stall?" in said
    assert "a fault needs a kind: refuse, offline, reset," in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[fault]\n", "faults.toml:1:8: no valid TOML"),
        ("fault = 3", "a fault is written as [[fault]], with two brackets."),
        ("fault = [3]", "a fault is a table with a kind"),
        ("seed = 'x'", "seed = 'x' can't be: it is a whole number."),
    ],
)
def test_a_file_that_is_no_plan_is_told_so(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(text)
    with pytest.raises(BadPlan) as caught:
        read_plan(file)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(BadPlan, match="No such file"):
        read_plan(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadPlan, match="not UTF-8"):
        read_plan(tmp_path / "binary.toml")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_written_in_python_in_toml_and_in_short(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(f'[[fault]]\nkind = "{kind}"\n')
    assert as_plan(KINDS[kind]()) == read_plan(file) == FaultPlan((short_fault(kind),))


def test_a_wrong_value_in_python_is_told_too() -> None:
    wrong: Any = "x"
    with pytest.raises(BadPlan, match="at_byte = 'x' can't be"):
        as_plan(Reset(wrong))


def test_conditions_narrow_down_which_requests_fail() -> None:
    assert met(Injector(as_plan("reset")), 4) == [1, 2, 3, 4]
    assert met(Injector(as_plan("reset,nth=2")), 4) == [2]
    assert met(Injector(as_plan("reset,every=3")), 7) == [3, 6]
    assert met(Injector(as_plan("reset,after=2")), 4) == [3, 4]
    assert met(Injector(as_plan("reset,after=2,nth=1")), 4) == [3]
    assert met(Injector(as_plan("reset,times=2")), 4) == [1, 2]
    assert met(Injector(as_plan("reset,every=2,times=1")), 6) == [2]


def test_only_requests_that_match_are_counted() -> None:
    injector = Injector(as_plan("503,route=/v1/chat/*,model=QWEN*,nth=2"))
    assert not injector.meet("/v1/models", "qwen3")
    assert not injector.meet(CHAT, "llama")
    assert not injector.meet(CHAT, "qwen3")
    assert injector.meet(CHAT, "qwen3-8b") == (Status(503, route="/v1/chat/*", model="QWEN*", nth=2),)
    assert [(each.request, each.route) for each in injector.fired] == [(4, CHAT)]


def test_several_faults_happen_to_one_request_in_the_plans_order() -> None:
    injector = Injector(FaultPlan((Stall(for_s=1), Status(500, nth=2))))
    assert injector.meet(CHAT) == (Stall(for_s=1),)
    assert injector.meet(CHAT) == (Stall(for_s=1), Status(500, nth=2))


@given(seed=st.integers(), probability=st.floats(0, 1), count=st.integers(1, 200))
def test_the_same_seed_does_the_same(seed: int, probability: float, count: int) -> None:
    plan = FaultPlan((Reset(probability=probability), Stall(probability=probability)), seed)
    one, other = Injector(plan), Injector(plan)
    assert [one.meet(CHAT) for _ in range(count)] == [other.meet(CHAT) for _ in range(count)]


def test_chance_is_about_as_likely_as_it_was_asked_for_and_differs_by_seed() -> None:
    outcomes = {seed: met(Injector(FaultPlan((Reset(probability=0.3),), seed)), 1000) for seed in range(3)}
    assert all(250 < len(each) < 350 for each in outcomes.values())
    assert outcomes[0] != outcomes[1] != outcomes[2]


def test_what_one_fault_draws_does_not_depend_on_the_others() -> None:
    alone = met(Injector(as_plan("reset,probability=0.5")), 50)
    injector = Injector(as_plan(["reset,probability=0.5", "stall,probability=0.5"]))
    together = [number for number in range(1, 51) if any(isinstance(each, Reset) for each in injector.meet(CHAT))]
    assert alone == together


def test_connections_are_counted_apart_from_requests() -> None:
    injector = Injector(as_plan(["refuse,nth=2", "503,nth=2"]))
    assert [injector.refuses() for _ in range(3)] == [False, True, False]
    assert met(injector, 3) == [2]


def test_another_plan_begins_to_count_anew() -> None:
    injector = Injector(as_plan("503,nth=1"))
    assert met(injector, 2) == [1]
    injector.plan = as_plan("503,nth=1")
    assert met(injector, 2) == [1]
    injector.add(Reset(nth=1))
    assert injector.meet(CHAT) == (Reset(nth=1),), "what is added counts from when it was added"


def test_the_clock_jumps_for_good() -> None:
    injector = Injector(as_plan(["clock@3600,nth=1", "clock@-600,nth=2"]))
    begin_s = injector.now_s()
    injector.meet(CHAT)
    assert 3600 <= injector.now_s() - begin_s < 3660
    injector.meet(CHAT)
    assert 3000 <= injector.now_s() - begin_s < 3060

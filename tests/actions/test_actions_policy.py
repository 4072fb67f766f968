from collections.abc import Mapping
from typing import Any

import pytest
from acting_house import Counted, request
from hypothesis import given
from hypothesis import strategies as st

from wakeful.actions import ArgumentsWrong, Limits, Policy, Tool, Toolbox, Verdict
from wakeful.actions import arguments as args
from wakeful.actions.decide import Ask, Over, Run, next_step
from wakeful.actions.ledger import Ledger, Open
from wakeful.actions.policy import Ran
from wakeful.events import Cursor

NAMES = ["look", "mend", "mcp_x_send"]
RISKS: dict[str, Any] = {"look": "read", "mend": "change", "mcp_x_send": "outside"}
PATH = {
    "type": "object",
    "properties": {"path": {"type": "string"}},
    "required": ["path"],
    "additionalProperties": False,
}


def tool(name: str, **more: Any) -> Tool:
    return Counted(name, more.pop("risk", RISKS.get(name, "change")), **more).tool


def test_only_looking_is_allowed_unless_the_user_says_so() -> None:
    policy = Policy()
    assert [policy.verdict(tool(name)) for name in NAMES] == ["allow", "ask", "ask"]


def test_a_name_beats_a_pattern_which_beats_a_class() -> None:
    policy = Policy({"outside": "deny", "mcp_*": "allow", "mcp_x_*": "ask", "mcp_x_send": "allow", "read": "deny"})
    assert policy.verdict(tool("mcp_x_send")) == "allow"
    assert policy.verdict(tool("mcp_x_drop", risk="outside")) == "ask"  # the strictest of two patterns
    assert policy.verdict(tool("mcp_y", risk="outside")) == "allow"
    assert policy.verdict(tool("look")) == "deny"


def test_a_tool_that_became_another_one_is_asked_for() -> None:
    policy = Policy({"mcp_x_send": "allow", "mcp_x_drop": "deny"})
    assert policy.verdict(tool("mcp_x_send", changed=True)) == "ask"
    assert policy.verdict(tool("mcp_x_drop", risk="outside", changed=True)) == "deny"


verdicts = st.sampled_from(["allow", "ask", "deny"])
rules = st.dictionaries(st.sampled_from([*NAMES, "*", "m*", "read", "change", "outside"]), verdicts)


@given(rules, st.sampled_from(NAMES), st.booleans(), st.booleans(), st.integers(0, 3))
def test_nothing_runs_that_is_not_allowed(
    given_rules: dict[str, Verdict], name: str, brake: bool, dry_run: bool, ran: int
) -> None:
    policy = Policy(given_rules, Limits(changes_per_hour=2, per_hour=3), dry_run=dry_run)
    box = Toolbox([tool(each) for each in NAMES], policy)
    ledger = Ledger(brake=brake)
    ledger._ran = {number: Ran(0, "mend", False) for number in range(ran)}
    step = next_step(Open(request("k", name), Cursor(""), Cursor("1")), box, policy, ledger, 1)
    verdict, changes = policy.verdict(tool(name)), RISKS[name] != "read"
    if isinstance(step, Run):
        assert verdict == "allow"
        assert not brake
        assert not (changes and (dry_run or ran >= 2))
        assert ran < 3
    elif isinstance(step, Ask):
        assert verdict == "ask"
        assert not brake
    else:
        assert isinstance(step, Over)
        assert step.outcome in ("declined", "dry run")


def not_forbidden(given_arguments: Mapping[str, Any]) -> str:
    return "not there" if "forbidden" in given_arguments["path"] else ""


@pytest.mark.parametrize(
    ("given_text", "why"),
    [
        ("[]", "no JSON object"),
        ("{", "no JSON object"),
        ("[" * 10_000, "no JSON object"),
        ("{}", "path"),
        ('{"path": 5}', "not of type"),
        ('{"path": "/x", "more": 1}', "more"),
        ('{"path": "' + "x" * 30_000 + '"}', "longer than"),
        ('{"path": "/forbidden"}', "not there"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(given_text: str, why: str) -> None:
    reading = tool("read_file", parameters=PATH, check=not_forbidden)
    with pytest.raises(ArgumentsWrong, match=why):
        args.read(reading, given_text)


def test_secrets_do_not_leave_in_arguments() -> None:
    sending = tool("mcp_x_send", parameters={"type": "object"})
    assert args.read(sending, '{"text": "hello"}') == {"text": "hello"}
    for text in ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "password=hunter22", "AKIAABCDEFGHIJKLMNOP"):
        with pytest.raises(ArgumentsWrong, match="secret"):
            args.read(sending, f'{{"text": "{text}"}}')


def test_a_strangers_schema_fetches_nothing_and_runs_no_pattern() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    kept = args.bounded(schema | {"$schema": "http://203.0.113.9/x", "patternProperties": {"(a+)+$": {}}})
    assert (
        kept
        == {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "patternProperties": {"(a+)+$": {}},
        }
        or "patternProperties" not in kept
    )
    with pytest.raises(ArgumentsWrong, match="outside of itself"):
        args.bounded({"type": "object", "properties": {"a": {"$ref": "http://203.0.113.9/schema"}}})
    deep: dict[str, Any] = {"type": "object"}
    for _ in range(40):
        deep = {"type": "object", "properties": {"a": deep}}
    with pytest.raises(ArgumentsWrong, match="deeply"):
        args.bounded(deep)


def test_what_is_shown_hides_nothing() -> None:
    shown = args.shown(tool("send"), {"to": "pаypal", "text": "a\u202eb\u200b\x1b[2J\n"})
    assert shown.isascii()
    for hidden in ("\\u0430", "u202e", "u200b", "u001b"):
        assert hidden in shown
    assert args.shown(tool("send"), {"b": 1, "a": 2}) == args.shown(tool("send"), {"a": 2, "b": 1})


def test_a_model_is_told_of_tools_in_a_schema_that_servers_obey() -> None:
    odd = {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": "x", "format": "uri"}, "b": {"$ref": "#/x"}},
    }
    box = Toolbox([tool("look"), tool("mcp_x_send", parameters=odd), tool("no")], Policy({"no": "deny"}))
    schema = box.schema()
    assert schema is not None
    names = [each["properties"]["tool"]["enum"][0] for each in schema["anyOf"]]
    assert names == ["", "look", "mcp_x_send"]
    assert not any(word in str(schema) for word in ("pattern", "format", "$ref"))
    assert "(the user is asked first)" in box.described()
    assert Toolbox().schema() is None

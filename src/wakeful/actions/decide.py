"""What is to be done with a request, as it stands: nothing any more, ask a person, or run it. Decided without I/O."""

from dataclasses import dataclass

from wakeful.actions import arguments
from wakeful.actions.approvals import digest_of
from wakeful.actions.clean import visible
from wakeful.actions.errors import ArgumentsWrong
from wakeful.actions.ledger import Ledger, Open
from wakeful.actions.policy import Policy
from wakeful.actions.tool import Tool
from wakeful.actions.toolbox import LOOK_CLOSER, Toolbox
from wakeful.context import clock
from wakeful.events import ActionRequest

MAX_BEGUN = 2
"""How often what only looks is begun, should the program die of it."""

MAX_ASKED = 10
"""Requests that may wait for a person: who is asked too often says yes without reading."""

PAUSED = "acting is paused; `wakeful resume` ends that"


@dataclass(frozen=True, slots=True)
class Over:
    """The request has its result."""

    outcome: str
    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A person is to be asked for exactly this."""

    tool: Tool
    arguments: str
    shown: str
    digest: str


@dataclass(frozen=True, slots=True)
class Run:
    """The tool may run with these arguments."""

    tool: Tool
    arguments: dict[str, object]
    shown: str


def next_step(state: Open, tools: Toolbox, policy: Policy, ledger: Ledger, now_ns: int) -> Over | Ask | Run:
    """What is to be done with a request that does not wait for a person."""
    request = state.request
    if state.claims and (over := _begun(state)):
        return over
    if not request.tool and (over := _without_tool(request, tools)):
        return over
    tool = tools.get(request.tool or LOOK_CLOSER)
    if tool is None:
        return Over("declined", f"there is no tool {visible(request.tool)[:80]!r}")
    if ledger.brake:
        return Over("declined", PAUSED)
    try:
        given = arguments.read(tool, request.arguments)
        shown = arguments.shown(tool, given)
    except ArgumentsWrong as error:
        return Over("declined", error.message)
    return _under_policy(state, tool, given, shown, policy, ledger, now_ns)


def _under_policy(
    state: Open, tool: Tool, given: dict[str, object], shown: str, policy: Policy, ledger: Ledger, now_ns: int
) -> Over | Ask | Run:
    verdict = policy.verdict(tool)
    if verdict == "deny":
        return Over("declined", f"{tool.name} is denied by your policy")
    if policy.dry_run and not tool.repeatable:
        asked = " after asking you" if verdict == "ask" else ""
        return Over("dry run", f"would have run{asked}: {shown}")
    if not state.claims and (limit := policy.too_often(tool, ledger.ran, now_ns)):
        return Over("declined", f"too often: {limit}")
    if verdict == "allow":
        return Run(tool, given, shown)
    written = arguments.written(given)
    digest = digest_of(state.request.key, tool.name, written, shown)
    if state.expired:
        return Over("expired", f"nobody said yes in time: {shown}")
    if state.decided is not None:
        if not state.decided.approved:
            return Over("refused", f"you refused: {shown}")
        if state.decided.digest != digest:  # the settings are others now, so that something else would run
            return Over("declined", f"it is not what you approved any more: {shown}")
        return Run(tool, given, shown)
    asked = [each.asked for each in ledger.open.values() if each.waits and each.asked is not None]
    if any((each.tool, each.arguments) == (tool.name, written) for each in asked):
        return Over("declined", f"the user is being asked for exactly this already: {shown}")
    if len(asked) >= MAX_ASKED:
        return Over("declined", f"{MAX_ASKED} requests wait for the user already; more would not be read")
    return Ask(tool, written, shown, digest)


def _begun(state: Open) -> Over | None:
    """What is said of a request that an earlier run began; None: it only looks and may look again."""
    claimed = state.claimed
    assert claimed is not None
    if claimed.repeatable and state.claims < MAX_BEGUN:
        return None
    return Over(
        "unknown",
        f"{claimed.shown}: begun at {clock(claimed.at_ns)} UTC, and Wakeful ended before it was done. It may have run, "
        "wholly or in part, and may be why Wakeful ended. It is not run again by itself",
    )


def _without_tool(request: ActionRequest, tools: Toolbox) -> Over | None:
    """Requests that name no tool; None for the one that has a tool all the same."""
    match request.action:
        case "observe":
            return None
        case "reflect":
            return Over("done", "kept in mind for the next thought")
        case "update_model":
            return Over("done", "handed on to the review of the self-model, which `wakeful memory self` shows")
        case "delegate":
            names = ", ".join(tool.name for tool in tools.tools if tool.speaks)
            return Over(
                "declined", f"no specialist was named; there are: {names}" if names else "no specialist is set up"
            )
        case other:
            return Over("declined", f"{visible(other)[:80]!r} is no action that is allowed")

"""What well-known programs post to web hooks, in words; whatever else is posted is flattened."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from wakeful.sources.flatten import at, flatten, measure, words

MAX_TOLD = 20
"""Parts of one post (alerts of a group) that are told one by one; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Post:
    """One thing that was posted. subject: what it is about, "" where that is not known"""

    text: str
    values: dict[str, float] = field(default_factory=dict[str, float])
    subject: str = ""


def read_post(data: Any, headers: Mapping[str, str] | None = None) -> list[Post]:
    """What a post says, at least one thing; headers: of the request, their names in lower case."""
    for shape in _SHAPES:
        told = list(shape(data, headers or {}))
        if told:
            rest = len(told) - MAX_TOLD
            return told[:MAX_TOLD] + ([Post(f"and {rest} more of the same post")] if rest > 0 else [])
    flat = flatten(data)
    return [Post(flat.text or "an empty post", flat.values)]


def _alerts(data: Any, _: Mapping[str, str]) -> Iterator[Post]:
    """Alertmanager, and Grafana's alerting, which speaks alike."""
    alerts = at(data, "alerts")
    if not isinstance(alerts, list) or not alerts or not isinstance(at(alerts, 0, "labels"), dict):
        return
    for alert in cast("list[Any]", alerts):
        name = words(alert, "labels", "alertname") or "an alert"
        where = words(alert, "labels", "instance") or words(alert, "labels", "job")
        grave = words(alert, "labels", "severity")
        said = words(alert, "annotations", "summary") or words(alert, "annotations", "description")
        text = f"{name} {words(alert, 'status') or words(data, 'status') or 'firing'}"
        text += f" on {where}" if where else ""
        text += f" ({grave})" if grave else ""
        text += f": {said}" if said else ""
        measured = at(alert, "values")
        values = cast("dict[str, Any]", measured) if isinstance(measured, dict) else {}
        numbers = {key: value for key, each in values.items() if (value := measure(key, each)) is not None}
        yield Post(text, {f"{key}:{name}": value for key, value in list(numbers.items())[:8]}, where or name)


def _uptime_kuma(data: Any, _: Mapping[str, str]) -> Iterator[Post]:
    """Uptime Kuma: status 0 is down, 1 up, 2 pending, 3 maintenance."""
    status, monitor = at(data, "heartbeat", "status"), words(data, "monitor", "name")
    if not monitor or not isinstance(status, int):
        return
    state = {0: "down", 1: "up", 2: "pending", 3: "in maintenance"}.get(status, f"in state {status}")
    said = words(data, "heartbeat", "msg") or words(data, "msg")
    values = {f"up:{monitor}": float(status == 1)} if status in (0, 1) else {}
    ping = measure("ping", at(data, "heartbeat", "ping"))
    if ping is not None:
        values[f"ping_ms:{monitor}"] = ping
    yield Post(f"{monitor} is {state}" + (f": {said}" if said else ""), values, monitor)


def _github(data: Any, headers: Mapping[str, str]) -> Iterator[Post]:
    """GitHub, and Gitea and Forgejo, which speak alike: what happened is told by a header."""
    event, repository = headers.get("x-github-event", ""), words(data, "repository", "full_name")
    if not event or not (repository or event == "ping"):
        return
    said = next(
        filter(
            None,
            (
                words(data, "workflow_run", "name") and _workflow(data),
                words(data, "pull_request", "title"),
                words(data, "issue", "title"),
                words(data, "release", "name"),
                words(data, "head_commit", "message"),
                words(data, "alert", "rule", "description"),
                words(data, "zen"),
            ),
        ),
        "",
    )
    what = f"{event.replace('_', ' ')} {words(data, 'action')}".strip()
    ref = words(data, "ref").removeprefix("refs/heads/")
    who = words(data, "sender", "login")
    text = f"{repository or 'GitHub'}: {what}" + (f" to {ref}" if ref else "") + (f" by {who}" if who else "")
    yield Post(text + (f": {said}" if said else ""), {}, repository)


def _workflow(data: Any) -> str:
    run = at(data, "workflow_run")
    return f"{words(run, 'name')} {words(run, 'conclusion') or words(run, 'status')} on {words(run, 'head_branch')}"


_SHAPES: tuple[Callable[[Any, Mapping[str, str]], Iterator[Post]], ...] = (_alerts, _uptime_kuma, _github)

"""What watched programs, units and pages report, and what Wakeful says itself of whoever is silent."""

from training.pilot.case import Case, reasons, unquoted
from training.pilot.names import Names

_SPANS = ["s", "minutes", "hours", "days"]


def watched(names: Names) -> Case:
    """A program, a unit, a page or a silence."""
    return names.rng.choices([_program, _unit, _page, _silence], [3, 2, 3, 2])[0](names)


def _case(
    names: Names,
    source: str,
    text: str,
    entity: str,
    kind: str,
    said: tuple[str, str, str, str, str],
    observed: str = "",
) -> Case:
    """said: severity, focus, assessment, prediction, action"""
    severity, focus, assessment, prediction, action = said
    return Case(
        source,
        text,
        severity,
        focus,
        unquoted(observed or text),
        assessment,
        prediction,
        action,
        entity=entity,
        reasons=reasons(names.rng, text),
        form="state",
        kind=kind,
    )


def _program(names: Names) -> Case:
    rng = names.rng
    name = names.proc()
    pid, other = rng.randint(2, 99999), rng.randint(2, 99999)
    text, said = rng.choice(
        [
            (f"process {name} is down", ("critical", f"process {name} is down", f"{name} no longer runs.", f"{name} stays down", f"look at why {name} ended")),
            (f"process {name} does not run", ("critical", f"process {name} does not run", f"{name} does not run.", f"{name} stays down", f"start {name}")),
            (f"process {name} is up", ("info", f"process {name} is up", f"{name} runs.", f"{name} stays up", "")),
            (f"process {name} was restarted (pid {pid}, now {other})", ("warning", f"restart of process {name}", f"{name} was restarted: it was {pid}, it is {other}.", f"{name} restarts again", f"look at the log of {name}")),
        ]
    )  # fmt: skip
    return _case(names, rng.choice(["process", "process", f"process:{names.word(2)}"]), text, name, "process", said)


def _unit(names: Names) -> Case:
    rng = names.rng
    name, times, status = names.unit(), rng.randint(1, 99), rng.randint(1, 255)
    was = rng.choice(["", " (was active)", " (was activating)"])
    why = rng.choice(
        [f" (exit-code, status {status})", f" (exit-code, status {status})", " (timeout)", " (oom-kill)", ""]
    )
    state = rng.choice(["inactive", "deactivating"])
    text, said = rng.choice(
        [
            (f"unit {name} is failed{why}{was}", ("critical", f"unit {name} failed", f"{name} has failed{why}.", f"{name} stays down", f"look at the log of {name}")),
            (f"unit {name} is {state} (was active)", ("warning", f"unit {name} is {state}", f"{name} was active and is {state}.", f"{name} stays {state}", f"look at the log of {name}")),
            (f"unit {name} is active (was {rng.choice(['failed', 'inactive', 'activating'])})", ("info", f"unit {name} is active", f"{name} is active again.", f"{name} stays up", "")),
            (f"unit {name} was restarted, {times} times in all", ("warning", f"restart of unit {name}", f"{name} has restarted {times} times.", f"{name} restarts again", f"look at the log of {name}")),
        ]
    )  # fmt: skip
    return _case(names, rng.choice(["process", "process", f"process:{names.word(2)}"]), text, name, "unit", said)


def _page(names: Names) -> Case:
    rng = names.rng
    title = rng.choice(
        [names.word(2), f"https://{names.domain()}", f"https://{names.domain()}{names.url()}", f"http://{names.addr()}"]
    )
    problem = rng.choice(
        [
            "connection refused", "no answer in time", "its body lacks what it should contain", "certificate verify failed",
            f"no answer within {rng.randint(1, 60)} s", f"{names.filler()}: {names.filler()}",
        ]
    )  # fmt: skip
    bad, good = rng.choice([500, 502, 503, 504, 404, 403, 429]), rng.choice([200, 200, 204, 301, 302, 307])
    left = rng.choice([f"{rng.randint(2, 30)} days", f"{rng.randint(1, 47)} hours"])
    changed = f": -{names.filler()}; +{names.filler()}" if rng.random() < 0.5 else ""
    text, said, observed = rng.choice(
        [
            (f"{title} is down: {problem}", ("critical", f"{title} is down", f"{title} is down: {problem}.", f"{title} stays down", f"check what serves {title}"), ""),
            (f"{title} is down: {problem}", ("critical", f"{title} is down", f"{title} is down: {problem}.", f"{title} stays down", f"check what serves {title}"), ""),
            (f"{title} is up again: it answers {good}", ("info", f"{title} is up again", f"{title} answers {good} again.", f"{title} stays up", ""), ""),
            (f"{title} answers {bad} (was {good})", ("warning", f"HTTP error on {title}", f"{title} answers with error {bad}.", f"{title} fails again", f"check what serves {title}"), ""),
            (f"{title} answers {bad}", ("warning", f"HTTP error on {title}", f"{title} answers with error {bad}.", f"{title} fails again", f"check what serves {title}"), ""),
            (f"{title} answers {good} (was {bad})", ("info", f"{title} works again", f"{title} answers {good} again.", f"{title} stays up", ""), ""),
            (f"{title} answers {good} (was {bad})", ("info", f"{title} works again", f"{title} answers {good} again.", f"{title} stays up", ""), ""),
            (f"{title}: its body changed{changed}", ("info", f"change of {title}", f"The body of {title} changed.", "more changes follow", ""), f"{title}: its body changed"),
            (f"the certificate of {title} ends in {left}", ("warning", f"certificate of {title}", f"The certificate of {title} ends in {left}.", "the certificate expires", f"renew the certificate of {title}"), ""),
            (f"the certificate of {title} has expired", ("critical", f"expired certificate of {title}", f"The certificate of {title} has expired.", f"clients of {title} are refused", f"renew the certificate of {title}"), ""),
        ]
    )  # fmt: skip
    return _case(names, f"http:{title}", text, title, "page", said, observed)


def _silence(names: Names) -> Case:
    rng = names.rng
    source = rng.choice(
        [f"log:{names.path()}", f"log:{names.path()}", f"container:{names.container()}", f"mqtt:{names.host()}", f"command:{names.word(2)}", "journald", "stdin"]
    )  # fmt: skip
    unit = rng.randrange(len(_SPANS))
    silent = f"{rng.randint(2, 99)} {_SPANS[unit]}"
    usual = f"{rng.randint(2, 60)} {_SPANS[max(0, unit - rng.choice([0, 1, 1]))]}"
    line = "no line like " + repr(f"{names.proc()}: {names.filler()} {names.number()}") if rng.random() < 0.6 else ""
    text = f"{source}: {line}" if line else f"{source} says nothing"
    text += f" for {silent}, usually every {usual}"
    focus = f"missing line of {source}" if line else f"silence of {source}"
    said = "has not said the same" if line else "has said nothing"
    return Case(
        "wakeful:silence",
        text,
        "warning",
        focus,
        f"{line or source + ' says nothing'} for {silent}, usually every {usual}",
        f"{source} {said} for {silent}, usually every {usual}.",
        f"{source} stays silent",
        f"check {source}",
        entity=source,
        reasons=(text,),
        form="state",
        kind="silence",
    )

"""What containers, watched files, commands and the sources themselves report."""

from training.pilot.case import Case, reasons, unquoted
from training.pilot.names import Names

GUARDED = ("/etc", "/boot", "/usr/bin", "/usr/sbin", "/root/.ssh")
"""Folders in which a change is a warning, and a deletion critical."""


def container(names: Names) -> Case:
    """A container that starts, stops, is well or unwell, or what it uses."""
    rng = names.rng
    name = names.container()
    code = str(rng.choice([1, 2, 126, 127, 137, 139, 143, 255, rng.randint(3, 250)]))
    times, cpu = rng.randint(2, 99), round(rng.uniform(0, rng.choice([20, 400])), 1)
    memory = rng.choice([f"{round(rng.uniform(1, 999), 1)} MB", f"{round(rng.uniform(1, 60), 1)} GB"])
    usual = round(rng.uniform(0, 20), 1)
    text, severity, focus, said, then, action = rng.choice(
        [
            (
                f"container {name} exited with code {code}",
                "critical",
                f"container {name} exited",
                f"{name} stopped with code {code}.",
                f"{name} stays down",
                f"look at the log of {name}",
            ),
            (
                f"container {name} exited with code {code}",
                "critical",
                f"container {name} exited",
                f"{name} stopped with code {code}.",
                f"{name} stays down",
                f"look at the log of {name}",
            ),
            (
                f"container {name} exited with code 0",
                "info",
                f"container {name} ended",
                f"{name} ended as it should.",
                f"{name} stays down",
                "",
            ),
            (
                f"container {name} started",
                "info",
                f"container {name} started",
                f"{name} was started.",
                f"{name} stays up",
                "",
            ),
            (
                f"container {name} is unhealthy",
                "warning",
                f"container {name} is unhealthy",
                f"{name} fails its health check.",
                f"{name} stays unhealthy",
                f"look at the log of {name}",
            ),
            (
                f"container {name} is healthy",
                "info",
                f"container {name} is healthy",
                f"{name} passes its health check.",
                f"{name} stays healthy",
                "",
            ),
            (
                f"container {name} restarted, {times} times in all",
                "warning",
                f"container {name} restarts",
                f"{name} has restarted {times} times.",
                f"{name} restarts again",
                f"look at the log of {name}",
            ),
            (
                f"container {name} was killed for memory",
                "critical",
                f"container {name} was killed",
                f"{name} was killed for memory.",
                f"{name} is killed again",
                f"raise the memory limit of {name}",
            ),
            (
                f"container {name} cpu {cpu}%, memory {memory}",
                "info",
                f"use of container {name}",
                f"{name} uses {cpu}% cpu and {memory}.",
                f"{name} goes on like this",
                "",
            ),
        ]
    )
    why, form = reasons(rng, text), "state"
    if focus.startswith("use of"):
        why, form = (f"cpu {cpu}%, usually {usual}%",), "metrics"
        said = f"{name} uses {cpu}% cpu, usually {usual}%, and {memory}."
    return Case(
        "containers",
        text,
        severity,
        focus,
        text.removeprefix("container "),
        said,
        then,
        action,
        entity=name,
        reasons=why,
        form=form,
        kind="container",
    )


def file(names: Names) -> Case:
    """A file that was created, modified, moved or deleted."""
    rng = names.rng
    guarded = rng.random() < 0.4
    folder = rng.choice(GUARDED) if guarded else f"/{names.pick('dir')}/{names.word(2)}"
    tail = names.word(2) + (f"/{names.word(2)}" if rng.random() < 0.3 else "")
    if guarded and folder == "/etc" and rng.random() < 0.4:
        tail = rng.choice(["ssh/sshd_config", "passwd", "shadow", "sudoers", "fstab", "hosts", "crontab"])
    elif rng.random() < 0.7:
        tail += f".{names.pick('ext')}"
    path = f"{folder}/{tail}"
    size = rng.choice(
        [
            f"{rng.randint(1, 999)} B",
            f"{round(rng.uniform(1, 999), 1)} kB",
            f"{round(rng.uniform(1, 999), 1)} MB",
            f"{round(rng.uniform(1, 9), 1)} GB",
        ]
    )
    diff = f": -{names.word(2)} {names.word(1)}; +{names.word(2)} {names.word(1)}" if rng.random() < 0.5 else ""
    other = f"/{names.pick('dir')}/{names.file()}"
    verb = rng.choices(["modified", "created", "deleted", "moved"], [4, 3, 3, 1])[0]
    text = {
        "modified": f"modified {path} ({size}){diff}",
        "created": f"created {path} ({size})",
        "deleted": f"deleted {path}",
        "moved": f"moved {path} to {other}",
    }[verb]
    severity = "info" if not guarded else "critical" if verb == "deleted" else "warning"
    said = {
        "modified": f"{path} was modified and has {size}.",
        "created": f"{path} was created with {size}.",
        "deleted": f"{path} was deleted.",
        "moved": f"{path} was moved to {other}.",
    }[verb]
    observed = f"modified {path} ({size})" if verb == "modified" else text
    then = "a program reads it anew" if guarded else "more changes follow"
    action = "" if not guarded else f"restore {path}" if verb == "deleted" else f"review {path}"
    watched = folder if rng.random() < 0.7 else "/" + folder.split("/")[1]
    why: tuple[str, ...] = rng.choice(
        [
            (),
            ("never seen before",),
            (f"rate {round(rng.uniform(2, 900), 1)}/min, usually {round(rng.uniform(0, 9), 1)}/min",),
        ]
    )
    return Case(
        f"files:{watched}",
        text,
        severity,
        f"{verb} file {path}",
        observed,
        said,
        then,
        action,
        entity=path,
        reasons=why,
        form="change",
        kind="file",
    )


def command(names: Names) -> Case:
    """A command that is run on an interval."""
    rng = names.rng
    name = rng.choice([names.word(2), names.proc()])
    code, was, seconds = rng.randint(1, 255), rng.choice([0, 0, rng.randint(1, 9)]), rng.randint(1, 600)
    output = f"{names.filler()} {rng.choice([names.path(), names.number(), names.addr(), names.filler()])}"
    text, severity, focus, said, then, action = rng.choice(
        [
            (
                f"{name} exited {code} (was {was}): {output}",
                "warning",
                f"command {name} fails",
                f"{name} ended with status {code}: {output}.",
                f"{name} fails again",
                f"look at why {name} fails",
            ),
            (
                f"{name} exited {code} (was {was}): {output}",
                "warning",
                f"command {name} fails",
                f"{name} ended with status {code}: {output}.",
                f"{name} fails again",
                f"look at why {name} fails",
            ),
            (
                f"{name} exited 0 (was {code}): {output}",
                "info",
                f"command {name} works again",
                f"{name} ended well, after status {code}.",
                f"{name} goes on working",
                "",
            ),
            (
                f"{name} exited 0, output changed: {output}",
                "info",
                f"output of {name} changed",
                f"{name} now says: {output}.",
                f"{name} changes again",
                "",
            ),
            (
                f"{name} exited 0, output unchanged",
                "info",
                f"command {name} as before",
                f"{name} says what it said before.",
                f"{name} stays the same",
                "",
            ),
            (
                f"{name} timed out after {seconds} s",
                "warning",
                f"command {name} hangs",
                f"{name} did not end within {seconds} s.",
                f"{name} hangs again",
                f"look at why {name} hangs",
            ),
        ]
    )
    why = reasons(rng, text)
    if "(was" in text:
        why = (f"exit code {code}, was {was}" if severity == "warning" else f"exit code 0, was {code}", *why)
    return Case(
        f"command:{name}",
        text,
        severity,
        focus,
        unquoted(text.removeprefix(f"{name} ")),
        said,
        then,
        action,
        entity=name,
        reasons=why,
        form="output",
        kind="command",
    )


def source(names: Names) -> Case:
    """A source of Wakeful's own that failed, or works again."""
    rng = names.rng
    name = rng.choice(
        [
            f"log:{names.path()}",
            f"log:{names.path()}",
            "journald",
            "containers",
            "metrics",
            f"files:{names.mount()}",
            f"container:{names.container()}",
            f"command:{names.word(2)}",
        ]
    )
    seconds = rng.randint(1, 300)
    why = rng.choice(
        [
            "permission denied",
            "no such file or directory",
            "connection refused",
            "it ended by itself",
            f"{names.filler()} {names.number()}",
            f"{names.exception()}: {names.filler()}",
        ]
    )
    if rng.random() < 0.65:
        text, severity = f"source {name} failed: {why}; next try in {seconds} s", "warning"
        said, then, action = f"{name} can't be watched: {why}.", f"{name} fails again", f"check {name}"
        focus, observed = f"source {name} failed", f"{why}; next try in {seconds} s"
    else:
        text, severity = f"source {name} works again", "info"
        said, then, action = f"{name} is watched again.", f"{name} stays up", ""
        focus, observed = f"source {name} works again", "works again"
    return Case(
        name,
        text,
        severity,
        focus,
        observed,
        said,
        then,
        action,
        entity=name,
        reasons=reasons(rng, text),
        form="state",
        kind="source",
    )

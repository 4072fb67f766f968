"""Log lines in the shapes that log files, journald and containers have, and what to make of them."""

import re
from dataclasses import dataclass

from training.pilot import wordings
from training.pilot.case import Case, reasons, unquoted
from training.pilot.names import Names

_LEVEL = re.compile(
    r"^(?:FATAL|CRITICAL|fatal|emerg|alert|crit|ERROR|error|WARN|WARNING|warn|INFO|info|DEBUG|notice|LOG): "
)
_SLOT = re.compile(r"\S*\{\w+\}\S*")
"""The name in a focus, with what is grown together with it: `CPU{n}`."""

LEVELS = {
    "critical": ["FATAL", "CRITICAL", "fatal", "emerg", "alert", "crit"],
    "warning": ["ERROR", "ERROR", "error", "WARN", "WARNING", "warn"],
    "info": ["INFO", "INFO", "info", "DEBUG", "notice", "LOG"],
}


@dataclass(frozen=True, slots=True)
class Wording:
    """One sentence of `wordings`, taken apart."""

    message: str
    focus: str
    assessment: str
    prediction: str
    action: str
    kernel: bool
    held_out: bool


def _wordings(text: str) -> list[Wording]:
    found: list[Wording] = []
    for line in text.strip().splitlines():
        held_out = line.startswith("~")
        line = line.removeprefix("~")
        kernel = line.startswith("^")
        parts = [*line.removeprefix("^").split("|"), ""][:5]
        found.append(Wording(*parts, kernel=kernel, held_out=held_out))
    return found


_ALL = {
    "critical": _wordings(wordings.CRITICAL),
    "warning": _wordings(wordings.WARNING),
    "info": _wordings(wordings.INFO),
}


@dataclass(slots=True)
class Frame:
    """source, text: the observation; who: the name by which the line's speaker is called."""

    source: str
    text: str
    who: str


def log(names: Names, *, held_wording: bool | None = None) -> Case:
    """A log line; `held_wording` asks for sentences that training (not) sees."""
    rng = names.rng
    severity = rng.choices(["critical", "warning", "info"], [3, 5, 4])[0]
    plain = rng.random() < (0.25 if names.held_out else 0.35) and not held_wording
    if plain:
        return _plain(names, severity)
    pool = [each for each in _ALL[severity] if each.held_out == bool(held_wording)]
    return _worded(names, severity, rng.choice(pool))


def _worded(names: Names, severity: str, wording: Wording) -> Case:
    rng = names.rng
    values = {
        "v": names.proc(),
        "a": names.addr(),
        "u": names.user(),
        "i": names.ip(),
        "d": names.dev(),
        "f": names.path(),
        "w": names.filler(),
        "w2": names.filler(),
        "n": names.number(),
        "n2": names.number(),
        "o": names.hex(12),
        "x": names.exception(),
        "t": names.unit(),
        "k": names.url(),
        "h": names.host(),
    }
    body = wording.message.format(**values)
    level = rng.choice(LEVELS[severity])
    frame = _framed(names, body, level, kernel=wording.kernel and rng.random() < 0.8)
    values["p"] = frame.who
    said = [part.format(**values) for part in (wording.focus, wording.assessment, wording.prediction, wording.action)]
    slot = _SLOT.search(wording.focus)
    return Case(
        frame.source,
        frame.text,
        severity,
        said[0],
        unquoted(_LEVEL.sub("", body)),
        said[1],
        said[2],
        said[3],
        entity=slot.group().strip(":").format(**values) if slot else "",
        reasons=reasons(rng, frame.text),
        kind="log",
        held_wording=wording.held_out,
    )


def _plain(names: Names, severity: str) -> Case:
    """Words that say nothing; only the level in front of them tells, or there is none and all is well."""
    rng = names.rng
    body = _anything(names)
    level = rng.choice(LEVELS[severity])
    quiet = severity == "info" and rng.random() < 0.6
    frame = _framed(names, body, level, kernel=False, levelled=not quiet)
    who, said = frame.who, unquoted(body)
    if severity == "critical":
        words = (
            f"fatal error of {who}",
            f"{who} reports a fatal error: {said}.",
            f"{who} stays down",
            f"read the log of {who}",
        )
    elif severity == "warning" and level.lower().startswith("e"):
        words = (
            f"error in {who}",
            f"{who} reports an error: {said}.",
            f"more errors of {who}",
            f"look at {who}",
        )
    elif severity == "warning":
        words = f"warning of {who}", f"{who} warns: {said}.", f"more warnings of {who}", f"look at {who}"
    else:
        words = f"routine of {who}", f"{who} says: {said}.", "no warning follows", ""
    return Case(
        frame.source,
        frame.text,
        severity,
        words[0],
        said,
        words[1],
        words[2],
        words[3],
        entity=who,
        reasons=reasons(rng, frame.text),
        kind="log, plain words",
    )


def gibberish(names: Names) -> Case:
    """A line of nothing but invented words and numbers, to practise copying on."""
    rng = names.rng
    makers = [
        names.word,
        names.word,
        names.number,
        names.proc,
        names.ident,
        names.unit,
        names.path,
        names.addr,
        names.url,
    ]
    body = " ".join(rng.choice(makers)() for _ in range(rng.randint(2, 9)))
    frame = _framed(names, body, "INFO", kernel=False, levelled=rng.random() < 0.3)
    who = frame.who
    return Case(
        frame.source,
        frame.text,
        "info",
        f"routine of {who}",
        body,
        f"{who} says: {body}.",
        "no warning follows",
        entity=who,
        kind="gibberish",
    )


def _anything(names: Names) -> str:
    """Two to seven words, names and numbers without a meaning."""
    rng = names.rng
    makers = [
        names.filler,
        names.filler,
        names.word,
        names.number,
        names.path,
        names.addr,
        names.ident,
        names.ip,
        names.user,
    ]
    parts: list[str] = [names.filler(1, 2)]
    for _ in range(rng.randint(1, 4)):
        part = rng.choice(makers)()
        shape = rng.random()
        if shape < 0.15:
            part = f"{names.pick('filler')}={part.replace(' ', '_')}"
        elif shape < 0.22:
            part = f"({part})"
        elif shape < 0.30:
            part = f"{rng.choice(['in', 'for', 'of', 'to', 'from', 'on', 'with', 'by', 'is', 'at'])} {part}"
        elif shape < 0.35:
            part = f"{part},"
        parts.append(part)
    text = " ".join(parts).rstrip(",")
    return text[0].upper() + text[1:] if rng.random() < 0.3 else text


def _framed(names: Names, body: str, level: str, *, kernel: bool, levelled: bool | None = None) -> Frame:
    """`body` as a line of some log; `levelled`: whether the line must (not) name its level."""
    rng = names.rng
    hour = f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}"
    year = rng.randint(2024, 2028)
    day = f"{year}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    month = rng.choice(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"])
    pid = rng.randint(1, 99999)
    levelled = rng.random() < 0.4 if levelled is None else levelled
    path = names.path() if rng.random() < 0.6 else f"/var/log/{names.word(2)}.log"
    name = names.container()
    if not levelled or kernel:
        program = "kernel" if kernel else names.proc()
        tag = (
            "kernel" if kernel else rng.choice([program, f"{program}[{pid}]", f"{program}[{pid}]", f"{program}[{pid}]"])
        )
        if kernel and rng.random() < 0.4:
            body = f"[{rng.randint(1, 999999)}.{rng.randint(0, 999999):06d}] {body}"
        shape = rng.random()
        if shape < 0.25:
            return Frame(f"log:{path}", f"{month} {rng.randint(1, 28):2d} {hour} {names.host()} {tag}: {body}", program)
        if shape < 0.45:
            zone = rng.choice(["+00:00", "Z", "+02:00"])
            return Frame(
                f"log:{path}",
                f"{day}T{hour}.{rng.randint(0, 999999):06d}{zone} {names.host()} {tag}: {body}",
                program,
            )
        if shape < 0.72 or kernel:
            return Frame("journald", f"{tag}: {body}", program)
        if shape < 0.75:
            return Frame("stdin", f"{tag}: {body}", program)
        if shape < 0.78:
            topic = "/".join(names.word(2) for _ in range(rng.randint(1, 3)))
            return Frame(f"mqtt:{names.host()}", f"{topic}: {body}", topic)
        if shape < 0.80:
            return Frame(f"webhook:{names.word(2)}", f"{program}: {body}", program)
        if body.startswith('"'):
            access = f"{names.ip()} - - [{rng.randint(1, 28):02d}/{month}/{year}:{hour} +0000] {body}"
            return Frame(*rng.choice([(f"log:{path}", access, path), (f"container:{name}", access, name)]))
        if shape < 0.9:
            return Frame(f"container:{name}", body, name)
        return Frame(f"log:{path}", body, path)
    source, who = rng.choice([(f"container:{name}", name), (f"container:{name}", name), (f"log:{path}", path)])
    plain = unquoted(body)
    shape = rng.randrange(10)
    if shape == 0:
        text = f"{day} {hour},{rng.randint(0, 999):03d} {level} {body}"
    elif shape == 1:
        text = f'{{"time":"{day}T{hour}Z","level":"{level.lower()}","msg":"{plain}"}}'
    elif shape == 2:
        text = (
            f'{{"level":"{level.lower()}","ts":{rng.randint(10**9, 2 * 10**9)}.{rng.randint(1, 999)},"msg":"{plain}"}}'
        )
    elif shape == 3:
        text = f'time={day}T{hour}Z level={level.lower()} msg="{plain}"'
    elif shape == 4:
        text = f"{day} {hour}.{rng.randint(0, 999):03d} {level} [{rng.choice(['main', names.word(1)])}] {names.word(1)}.{names.word(1).capitalize()} - {body}"
    elif shape == 5:
        text = f"{year}/{day[5:7]}/{day[8:]} {hour} [{level.lower()}] {pid}#{pid}: *{rng.randint(1, 9999)} {body}"
    elif shape == 6:
        text = f"[{day} {hour}] {names.word(2)}.{level}: {body}"
    elif shape == 7:
        text = f"{day} {hour}.{rng.randint(0, 999):03d} UTC [{pid}] {level}:  {body}"
    elif shape == 8:
        text = f"{hour} {level} {body}"
    else:
        text = f"{level}: {body}"
    return Frame(source, text, who)

"""One case: something that a source saw, and what a careful reader would make of it.

Severity follows fixed rules, which the model card states: see `METRIC_LIMITS` and the three lists of messages.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from training.pilot.names import Names

METRIC_LIMITS = {  # name: (warning from, critical from)
    "cpu": (90.0, 200.0),
    "memory": (85.0, 95.0),
    "swap": (60.0, 90.0),
    "disk": (90.0, 97.0),
    "temperature": (85.0, 95.0),
}


@dataclass(slots=True)
class Case:
    """source, text, reasons, form: the observation; the rest: what the thought says of it.

    entity: what must be copied exactly; numbers: the numbers that must be
    """

    source: str
    text: str
    severity: str
    focus: str
    observed: str
    assessment: str
    prediction: str
    action: str = ""
    action_type: str = "observe"
    reasons: tuple[str, ...] = ()
    form: str = "lines"
    count: int = 1
    entity: str = ""
    numbers: tuple[str, ...] = ()
    kind: str = ""
    template: str = ""
    extra: dict[str, str] = field(default_factory=dict)


def draw(names: Names) -> Case:
    """A case of any kind, the commoner ones more often."""
    maker = names.rng.choices(list(_MAKERS), weights=list(_MAKERS.values()))[0]
    case = maker(names)
    case.kind = maker.__name__.strip("_")
    return case


# --- metrics ---


def _metrics(names: Names) -> Case:
    rng = names.rng
    f1 = lambda low, high: round(rng.uniform(low, high), 1)  # noqa: E731
    cpu, memory, load = f1(0.3, 60), f1(5, 80), rng.uniform(0, 4)
    mounts = list(dict.fromkeys(["/"] + [names.mount() for _ in range(rng.choice([0, 0, 1, 1, 2]))]))
    disks = {mount: f1(3, 86) for mount in mounts}
    swap = f1(0, 40) if rng.random() < 0.4 else None
    sensor, heat = (names.sensor(), rng.randint(28, 80)) if rng.random() < 0.3 else ("", 0)
    iface, errors = "", 0.0
    busy, busy_percent = names.proc(), f1(0.1, 40)
    large, large_gb = names.proc(), f1(0.1, 9)
    what = rng.choices(
        ["look", "cpu", "memory", "swap", "disk", "temperature", "net", "mild"], [3, 3, 3, 1, 4, 2, 2, 3]
    )[0]
    usual = f1(1, 50)
    severity, entity = "info", ""
    if what == "cpu":
        cpu = f1(61, 100)
        load, busy_percent = rng.uniform(2, 60), f1(40, 800 if rng.random() < 0.2 else 100)
        severity, entity = _grade("cpu", cpu), busy
        reason, focus = f"cpu {cpu}%, usually {usual}%", f"cpu load from {busy}"
        assessment = f"cpu is at {cpu}% and {busy} uses {busy_percent}%."
        prediction, action = f"cpu stays above {int(cpu) - 10}% while {busy} runs", f"look at process {busy}"
        numbers = (str(cpu), str(usual), str(busy_percent))
    elif what == "memory":
        memory, large_gb = f1(81, 100), f1(1, 64)
        severity, entity = _grade("memory", memory), large
        reason, focus = f"memory {memory}%, usually {usual}%", f"memory used by {large}"
        assessment = f"memory is at {memory}% and {large} holds {large_gb} GB."
        prediction, action = f"memory grows while {large} runs", f"look at process {large}"
        numbers = (str(memory), str(usual), str(large_gb))
    elif what == "swap":
        swap = f1(41, 100)
        severity, entity = _grade("swap", swap), large
        reason, focus = f"swap {swap}%, usually {usual}%", f"swap used by {large}"
        assessment = f"swap is at {swap}% and {large} is the largest process."
        prediction, action = f"swap stays above {int(swap) - 10}%", f"look at process {large}"
        numbers = (str(swap), str(usual))
    elif what == "disk":
        entity = rng.choice(mounts)
        percent = f1(87, 100)
        disks[entity] = percent
        severity = _grade("disk", percent)
        soon = rng.random() < 0.4
        hours = f1(0.2, 30)
        reason = f"disk {entity} {percent}%, " + (f"full in about {hours} hours" if soon else f"usually {usual}%")
        focus = f"disk space on {entity}"
        assessment = f"{entity} is {percent}% full." if not soon else f"{entity} is {percent}% full and has about {hours} hours left."
        prediction, action = f"{entity} fills further", f"find large files on {entity}"
        numbers = (str(percent), str(hours) if soon else str(usual))
    elif what == "temperature":
        sensor, heat = names.sensor(), rng.randint(81, 105)
        severity, entity = _grade("temperature", heat), sensor
        reason, focus = f"temperature {sensor} {heat}C, usually {int(usual)}C", f"temperature of {sensor}"
        assessment = f"{sensor} is at {heat}C."
        prediction, action = f"{sensor} stays above {heat - 5}C", "check the cooling"
        numbers = (str(heat), str(int(usual)))
    elif what == "net":
        iface, errors = names.iface(), f1(1, 900)
        severity, entity = "warning", iface
        reason, focus = f"net {iface} errors {errors}/s, usually 0.0/s", f"network errors on {iface}"
        assessment = f"{iface} has {errors} errors a second."
        prediction, action = f"errors on {iface} go on", f"check the link of {iface}"
        numbers = (str(errors),)
    elif what == "mild":
        cpu, usual = f1(20, 60), f1(0.5, 15)
        entity = busy
        reason, focus = f"cpu {cpu}%, usually {usual}%", f"cpu rose with {busy}"
        assessment = f"cpu rose to {cpu}% with {busy}, within limits."
        prediction, action = f"cpu stays below {int(cpu) + 30}%", ""
        numbers = (str(cpu), str(usual))
    else:
        reason, focus = "first look", "the machine at first look"
        worst = max(disks, key=lambda mount: disks[mount])
        entity = worst
        assessment = f"All is well: cpu {cpu}%, memory {memory}%, disk {worst} {disks[worst]}%."
        prediction, action = f"cpu stays below {min(int(cpu) + 40, 95)}%", ""
        numbers = (str(cpu), str(memory), str(disks[worst]))
    if severity == "info":
        action = ""
    parts = [f"cpu {cpu}%", f"memory {memory}%"]
    if swap is not None:
        parts.append(f"swap {swap}%")
    parts.append(f"load {load:.2f}")
    parts += [f"disk {mount} {percent}%" for mount, percent in disks.items()]
    if sensor:
        parts.append(f"temperature {sensor} {heat}C")
    if iface:
        parts.append(f"net {iface} errors {errors}/s")
    if rng.random() < 0.9 or what in ("cpu", "mild"):
        parts.append(f"busiest {busy} {busy_percent}% cpu")
    if rng.random() < 0.8 or what in ("memory", "swap"):
        parts.append(f"largest {large} {large_gb} GB")
    observed = reason if what != "look" else f"cpu {cpu}%, memory {memory}%, disk {entity} {disks[entity]}%"
    reasons = (reason,)
    if what in ("cpu", "memory") and rng.random() < 0.4:
        reasons = (reason, f"load {load:.2f}, usually {rng.uniform(0, 2):.2f}")
    return Case(
        "metrics", ", ".join(parts), severity, focus, observed, assessment, prediction, action,
        reasons=reasons, form="metrics", entity=entity, numbers=numbers, template=what,
    )  # fmt: skip


def _grade(name: str, value: float) -> str:
    warning, critical = METRIC_LIMITS[name]
    return "critical" if value >= critical else "warning" if value >= warning else "info"


# --- log lines: {p} program, {a} address, {u} user, {i} ip, {d} device, {f} path, {m} mount, {w} filler, {n} number,
# {x} exception, {t} unit, {k} url. `|` parts message, entity, assessment, prediction, action. ---

CRITICAL = """
Out of memory: Killed process {n} ({p}) total-vm:{n2}kB|{p}|The kernel killed {p} for memory.|{p} starts again and grows|look at the memory of {p}
{p} invoked oom-killer: gfp_mask=0x{n}, order=0|{p}|{p} ran the machine out of memory.|a process is killed for memory|look at the memory of {p}
I/O error, dev {d}, sector {n} op 0x0:(READ)|{d}|Disk {d} can't be read at sector {n}.|more sectors of {d} fail|back up {d} now
Buffer I/O error on dev {d}, logical block {n}, lost async page write|{d}|Disk {d} lost a write at block {n}.|more writes to {d} fail|back up {d} now
EXT4-fs error (device {d}): {w}: bad block {n}|{d}|The file system on {d} is damaged.|more errors on {d} follow|check the file system of {d}
EXT4-fs ({d}): Remounting filesystem read-only|{d}|{d} was made read-only after errors.|writes to {d} fail|check the file system of {d}
Device: /dev/{d}, {n} Currently unreadable (pending) sectors|{d}|Disk {d} has {n} unreadable sectors.|{d} fails|replace disk {d}
Kernel panic - not syncing: {w}|{w}|The kernel stopped: {w}.|the machine restarts|read the kernel log
PANIC: could not write to file "{f}": No space left on device|{f}|There is no space left to write {f}.|the service stays down|free space for {f}
write error on {f}: No space left on device|{f}|There is no space left to write {f}.|more writes fail|free space for {f}
database {w} is corrupt: checksum mismatch in {f}|{f}|{f} is corrupt.|reads of {f} fail|restore {f} from backup
FATAL: {w} data directory {f} has been lost|{f}|The data in {f} is lost.|the service stays down|restore {f} from backup
{p}: segfault at {n} ip {n2} error 4|{p}|{p} crashed at {n}.|{p} crashes again|look at why {p} crashed
{p} terminated by signal 11, core dumped|{p}|{p} crashed.|{p} crashes again|look at why {p} crashed
panic: runtime error: {w} goroutine {n}|{w}|The program stopped: {w}.|it stops again|look at the crash
raid array {d} degraded: {n} of 4 disks failed|{d}|Array {d} has lost {n} disks.|another disk fails|replace the disk in {d}
Accepted password for root from {i} port {n} ssh2|{i}|root logged in by password from {i}.|more logins from {i}|check who {i} is
{u} added to group sudo by uid {n}|{u}|{u} was given administrator rights.|{u} uses sudo|check who {u} is
backup of {f} failed: repository {w} is damaged|{f}|The backup of {f} failed.|the next backup fails too|repair the backup of {f}
certificate for {h} has expired {n} days ago|{h}|The certificate of {h} has expired.|clients of {h} are refused|renew the certificate of {h}
"""

WARNING = """
connect to {a} failed: Connection refused|{a}|{p} can't reach {a}.|{p} tries again and fails|check {a}
connect() failed (111: Connection refused) while connecting to upstream {a}|{a}|{p} can't reach {a}.|requests to {a} fail|check {a}
dial tcp {a}: i/o timeout|{a}|{a} does not answer {p}.|{a} stays silent|check {a}
upstream timed out ({n}: Connection timed out) while reading from {a}|{a}|{a} answers too slowly.|more requests to {a} time out|check {a}
Failed password for {u} from {i} port {n} ssh2|{i}|Someone failed to log in as {u} from {i}.|more attempts from {i}|block {i}
Invalid user {u} from {i} port {n}|{i}|Someone tried the unknown user {u} from {i}.|more attempts from {i}|block {i}
authentication failure for user {u} rhost={i}|{i}|A login as {u} from {i} failed.|more attempts from {i}|block {i}
open() "{f}" failed (13: Permission denied)|{f}|{p} may not read {f}.|{p} fails again on {f}|check the rights of {f}
cannot open {f}: No such file or directory|{f}|{f} is missing.|{p} fails again on {f}|find {f}
{t}: Main process exited, code=exited, status={n}/FAILURE|{t}|{t} ended with status {n}.|{t} is restarted|look at the log of {t}
{t}: Failed with result 'exit-code'.|{t}|{t} failed.|{t} is restarted|look at the log of {t}
{t}: Start request repeated too quickly.|{t}|{t} keeps failing at start.|{t} stays down|look at the log of {t}
ERROR {w}: {w2} failed after {n} attempts|{w}|{w} failed after {n} attempts.|{w} fails again|look at {w}
error: could not process {w} {n}: {w2}|{w}|{p} could not process {w} {n}.|more errors follow|look at {p}
[error] {w} {n} rejected: invalid {w2}|{w}|{w} {n} was rejected.|more are rejected|look at {w}
WARN {w} is slow: took {n} ms|{w}|{w} took {n} ms.|{w} stays slow|look at {w}
WARNING: {w} queue is {n}% full|{w}|The queue of {w} is {n}% full.|the queue grows|look at {w}
{x}: {w} {n}|{x}|{p} ended in {x}.|{x} comes again|look at {p}
ERROR: deadlock detected on {w}, process {n} waits|{w}|Process {n} is in a deadlock on {w}.|more deadlocks follow|look at {w}
too many connections for {w} (limit {n})|{w}|{w} has reached its limit of {n} connections.|clients are refused|raise the limit of {w}
host {h} is unreachable after {n} pings|{h}|{h} can't be reached.|{h} stays away|check {h}
"GET {k} HTTP/1.1" 502 {n} "-" "{p}"|{k}|{k} answers with error 502.|more requests fail|check what serves {k}
"POST {k} HTTP/1.1" 500 {n} "-" "{p}"|{k}|{k} answers with error 500.|more requests fail|check what serves {k}
replication lag on {h} is {n} seconds|{h}|{h} is {n} seconds behind.|the lag grows|check {h}
{d}: link is down|{d}|The link of {d} is down.|the link stays down|check the cable of {d}
temperature above threshold on {w}, clock throttled ({n} events)|{w}|{w} is throttled by heat.|it stays throttled|check the cooling
health check of {w} failed: status {n}|{w}|The health check of {w} failed with {n}.|{w} stays unhealthy|look at {w}
lost connection to {a}, retrying in {n} s|{a}|The connection to {a} was lost.|it connects again|check {a}
"""

INFO = """
Started {t} - {w}.|{t}|{t} was started.|no error follows|
Stopped {t} - {w}.|{t}|{t} was stopped.|no error follows|
{t}: Deactivated successfully.|{t}|{t} ended as it should.|no error follows|
(root) CMD ({f} >/dev/null)|{f}|A scheduled job ran {f}.|it ends without error|
Accepted publickey for {u} from {i} port {n} ssh2|{i}|{u} logged in with a key from {i}.|the session ends|
session opened for user {u}(uid={n}) by (uid=0)|{u}|A session of {u} began.|the session ends|
"GET {k} HTTP/1.1" 200 {n} "-" "{p}"|{k}|{k} was served.|more requests come|
"GET {k} HTTP/1.1" 304 {n} "-" "{p}"|{k}|{k} was served.|more requests come|
INFO {w} completed in {n} ms|{w}|{w} took {n} ms.|it goes on like this|
level=info msg="{w} finished" duration={n}ms|{w}|{w} took {n} ms.|it goes on like this|
checkpoint complete: wrote {n} buffers|{n}|A checkpoint wrote {n} buffers.|the next one follows|
{w} connected from {a}|{a}|{a} connected.|it goes on like this|
new version of {w} installed: {n}.{n2}|{w}|{w} was updated.|no error follows|
reloading configuration from {f}|{f}|{p} read {f} anew.|no error follows|
{d}: link is up, {n} Mbps|{d}|The link of {d} is up.|it stays up|
synchronised {n} files to {h}|{h}|{n} files went to {h}.|the next run follows|
backup of {f} finished: {n} files, 0 errors|{f}|The backup of {f} finished.|the next backup follows|
listening on {a}|{a}|{p} listens on {a}.|clients connect|
{w} {n} created by {u}|{w}|{u} created {w} {n}.|no error follows|
usb {n}-1: new high-speed USB device number {n2}|{n}|A USB device was plugged in.|it stays|
"""

_HELD_SHARE = 8
"""Every eighth message is kept out of training, to see how the model does on wordings that it never saw."""


def _messages(text: str) -> list[list[str]]:
    return [(line + "|" * (4 - line.count("|"))).split("|") for line in text.strip().splitlines()]


_BY_SEVERITY = {"critical": _messages(CRITICAL), "warning": _messages(WARNING), "info": _messages(INFO)}


def _pool(severity: str, names: Names) -> list[list[str]]:
    messages = _BY_SEVERITY[severity]
    return [each for number, each in enumerate(messages) if (number % _HELD_SHARE == 3) == (names.template_held_out)]


def _log(names: Names) -> Case:
    rng = names.rng
    severity = rng.choices(["critical", "warning", "info"], [3, 4, 3])[0]
    message, entity, assessment, prediction, action = rng.choice(_pool(severity, names))
    program = names.proc()
    values = {
        "p": program, "a": names.addr(), "u": names.user(), "i": names.ip(), "d": names.dev(), "f": names.path(),
        "m": names.mount(), "w": names.filler(), "w2": names.filler(), "n": names.number(), "n2": names.number(),
        "x": names.exception(), "t": names.unit(), "k": names.url(), "h": names.host(),
    }  # fmt: skip
    fill = lambda text: text.format(**values)  # noqa: E731
    body = fill(message)
    source, text = _framed(names, program, body, severity)
    never = ("never seen before",)
    says = {"critical": ("says error",), "warning": ("says error",), "info": ()}[severity]
    reasons = rng.choice([never, says, (*never, *says), (f"rare: {rng.randint(1, 9)} in {rng.randint(100, 9000)} lines",), ()])
    count = 1
    if rng.random() < 0.07:
        count = rng.randint(2, 5000)
        reasons = (f"most surprising of {count} lines: {text[:160]}",)
        text = "\n".join([text, *(f"{names.filler()} {names.number()}" for _ in range(2))])
    numbers = tuple(values[key] for key in ("n", "n2") if "{" + key + "}" in assessment)
    what = fill(entity)
    return Case(
        source, text, severity, _focus(severity, fill(assessment), what), " ".join(body.split()[:14]), fill(assessment),
        fill(prediction), fill(action), reasons=reasons, entity=what, numbers=numbers, count=count, template=message,
    )  # fmt: skip


def _focus(severity: str, assessment: str, what: str) -> str:
    return {"critical": f"serious: {what}", "warning": f"trouble with {what}", "info": f"routine: {what}"}[severity]


def _framed(names: Names, program: str, body: str, severity: str) -> tuple[str, str]:
    """The message in one of the shapes that log files have."""
    rng = names.rng
    hour = f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}"
    day = f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    pid = rng.randint(1, 99999)
    log = f"log:{names.path()}"
    container = f"container:{names.container()}"
    level = {"critical": "FATAL", "warning": "ERROR", "info": "INFO"}[severity]
    month = rng.choice("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
    shapes: list[Callable[[], tuple[str, str]]] = [
        lambda: (log, f"{month} {rng.randint(1, 28):2d} {hour} {names.host()} {program}[{pid}]: {body}"),
        lambda: (log, f"{day}T{hour}.{rng.randint(0, 999999):06d}+00:00 {names.host()} {program}[{pid}]: {body}"),
        lambda: ("journald", f"{program}[{pid}]: {body}"),
        lambda: ("journald", f"{program}: {body}"),
        lambda: ("journald", f"kernel: {body}"),
        lambda: (container, f"{day} {hour},{rng.randint(0, 999):03d} {level} {body}"),
        lambda: (container, f'{{"time":"{day}T{hour}Z","level":"{level.lower()}","msg":"{body}"}}'.replace('""', '"')),
        lambda: (container, body),
        lambda: (log, body),
        lambda: (log, f"[{day} {hour}] {names.word(2)}.{level}: {body}"),
        lambda: (f"log:{names.path()}", f"{names.ip()} - - [{hour}] {body}"),
        lambda: ("stdin", body),
    ]
    return rng.choice(shapes)()


# --- containers, files, commands, sources ---


def _container(names: Names) -> Case:
    rng = names.rng
    name, code = names.container(), rng.choice([1, 2, 126, 127, 137, 139, 143, 255, rng.randint(3, 250)])
    times = rng.randint(2, 99)
    text, severity, focus, said, then, action, numbers = rng.choice(
        [
            (f"container {name} exited with code {code}", "critical", f"container {name} exited", f"{name} stopped with code {code}.", f"{name} stays down", f"look at the log of {name}", (str(code),)),
            (f"container {name} exited with code 0", "info", f"container {name} ended", f"{name} ended as it should.", f"{name} stays down", "", ("0",)),
            (f"container {name} started", "info", f"container {name} started", f"{name} was started.", f"{name} stays up", "", ()),
            (f"container {name} is unhealthy", "warning", f"container {name} is unhealthy", f"{name} fails its health check.", f"{name} stays unhealthy", f"look at the log of {name}", ()),
            (f"container {name} is healthy", "info", f"container {name} is healthy", f"{name} passes its health check.", f"{name} stays healthy", "", ()),
            (f"container {name} restarted, {times} times in all", "warning", f"container {name} restarts", f"{name} has restarted {times} times.", f"{name} restarts again", f"look at the log of {name}", (str(times),)),
            (f"container {name} was killed for memory", "critical", f"container {name} was killed", f"{name} was killed for memory.", f"{name} grows again", f"look at the memory of {name}", ()),
        ]
    )  # fmt: skip
    reasons = rng.choice([(), ("never seen before",), (f"exit code {code}, was 0",) if "exited with code" in text and code and "code 0" not in text else ()])
    return Case("containers", text, severity, focus, text.removeprefix("container "), said, then, action, reasons=reasons, form="state", entity=name, numbers=numbers, template=text.replace(name, "N"))  # fmt: skip


SENSITIVE = """/etc/passwd /etc/shadow /etc/sudoers /etc/ssh/sshd_config /root/.ssh/authorized_keys /etc/crontab
/etc/hosts /etc/fstab /etc/pam.d/sshd /etc/sudoers.d/{w} /etc/systemd/system/{w}.service /home/{w}/.ssh/authorized_keys
/etc/cron.d/{w} /etc/ssh/{w} /etc/pam.d/{w} /boot/{w}""".split()


def _file(names: Names) -> Case:
    rng = names.rng
    sensitive = rng.random() < 0.45
    path = rng.choice(SENSITIVE).format(w=names.word(2)) if sensitive else names.path()
    folder = path.rsplit("/", 1)[0] or "/"
    size = f"{round(rng.uniform(0.1, 999), 1)} {rng.choice(['B', 'kB', 'kB', 'MB', 'GB'])}"
    verb = rng.choice(["modified", "modified", "created", "deleted", "moved"])
    old, new = f"{names.word(2)} {names.number()}", f"{names.word(2)} {names.number()}"
    text = {
        "modified": f"modified {path} ({size})" + (f": -{old}; +{new}" if rng.random() < 0.5 else ""),
        "created": f"created {path} ({size})",
        "deleted": f"deleted {path}",
        "moved": f"moved {path} to {names.path()}",
    }[verb]
    severity = "warning" if sensitive else "info"
    assessment = f"{path} was {verb}." if not sensitive else f"{path} was {verb}; it guards access to this machine."
    if sensitive and path.startswith("/boot"):
        assessment = f"{path} was {verb}; the machine starts from it."
    return Case(
        f"files:{folder}", text, severity, f"{path} was {verb}", " ".join(text.split()[:14]), assessment,
        f"more changes in {folder}", f"check who changed {path}" if sensitive else "", form="change", entity=path,
        reasons=rng.choice([("never seen before",), ()]), template=verb + str(sensitive),
    )  # fmt: skip


def _command(names: Names) -> Case:
    rng = names.rng
    name, code, was = names.word(2), rng.randint(1, 255), rng.choice([0, 0, 0, rng.randint(1, 255)])
    output = f"{names.filler()} {names.number()} {names.path() if rng.random() < 0.4 else names.filler()}"
    seconds = rng.randint(1, 600)
    text, severity, focus, said, then, action, numbers = rng.choice(
        [
            (f"{name} exited {code} (was {was}): {output}", "warning", f"command {name} fails", f"{name} ended with status {code}.", f"{name} fails again", f"look at why {name} fails", (str(code),)),
            (f"{name} exited 0 (was {code}): {output}", "info", f"command {name} works again", f"{name} ended well, after status {code}.", f"{name} goes on working", "", (str(code),)),
            (f"{name} exited 0, output changed: {output}", "info", f"output of {name} changed", f"{name} now says: {output}.", f"{name} changes again", "", ()),
            (f"{name} exited 0, output unchanged", "info", f"command {name} as before", f"{name} says what it said before.", f"{name} stays the same", "", ()),
            (f"{name} timed out after {seconds} s", "warning", f"command {name} hangs", f"{name} did not end within {seconds} s.", f"{name} hangs again", f"look at why {name} hangs", (str(seconds),)),
        ]
    )  # fmt: skip
    return Case(f"command:{name}", text, severity, focus, " ".join(text.split()[:14]), said, then, action, form="output", entity=name, numbers=numbers, reasons=rng.choice([(), (f"exit code {code}, was {was}",) if "exited " + str(code) in text else ()]), template=text.split()[1])  # fmt: skip


def _source(names: Names) -> Case:
    rng = names.rng
    source = rng.choice([f"log:{names.path()}", "journald", "containers", f"files:{names.mount()}", f"command:{names.word(2)}"])
    seconds = rng.randint(1, 300)
    why = rng.choice(["permission denied", "no such file or directory", "connection refused", "it ended by itself", f"{names.filler()} {names.number()}"])
    if rng.random() < 0.6:
        text, severity = f"source {source} failed: {why}; next try in {seconds} s", "warning"
        focus, said, then, action = f"source {source} failed", f"{source} can't be watched: {why}.", f"{source} fails again", f"check {source}"
    else:
        text, severity = f"source {source} works again", "info"
        focus, said, then, action = f"source {source} works again", f"{source} is watched again.", f"{source} stays up", ""
    return Case(source, text, severity, focus, " ".join(text.split()[:14]), said, then, action, form="state", entity=source, template=severity)  # fmt: skip


_MAKERS: dict[Callable[[Names], Case], int] = {_metrics: 8, _log: 12, _container: 3, _file: 3, _command: 3, _source: 1}

"""The kinds of incidents that show in figures, logs and states of the machine itself."""

import random

from bench.world.host import BACKUP_AT_S
from bench.world.incident import DAY_S, HOUR_S, MINUTE_S, Incident
from bench.world.moment import Moment
from bench.world.names import Names, stranger


def disk_fills(names: Names, at_s: int, rng: random.Random) -> Incident:
    """A worker's log runs wild until the disk is full."""
    long_s, full_s = int(rng.uniform(3, 9) * HOUR_S), 20 * MINUTE_S

    def act(now: Moment) -> None:
        usual = now.disks[names.mount]
        share = min(1.0, (now.at_s - at_s) / long_s)
        now.disks[names.mount] = usual + (99.9 - usual) * share
        now.rates["disk_write_bytes_per_s"] += 2e7 * (share < 1)
        n = now.rng.randint(60, 140)
        now.burst(names.worker, [f"DEBUG: retry {number} of job {at_s % 9973}, queue is empty" for number in range(n)])
        if share == 1.0:
            now.log(names.db, "PANIC:  could not write to file pg_wal/xlogtemp.31: No space left on device")

    return Incident(
        "disk fills",
        f"the log of {names.worker} runs wild on {names.mount}",
        (names.mount, names.worker),
        at_s,
        at_s + long_s // 8,
        at_s + long_s + full_s,
        act,
    )


def memory_leak(names: Names, at_s: int, rng: random.Random) -> Incident:
    """The api leaks memory until the kernel kills it."""
    long_s = int(rng.uniform(4, 12) * HOUR_S)
    points = rng.uniform(30, 42)

    def act(now: Moment) -> None:
        share = (now.at_s - at_s) / long_s
        cpu, size = now.containers[names.api]
        now.memory += points * share
        now.containers[names.api] = (cpu, size + points / 100 * 16e9 * share)
        now.largest = max(now.largest, (names.api, now.containers[names.api][1]), key=lambda each: each[1])
        if now.comes(at_s + long_s):
            pid = now.rng.randint(1000, 60_000)
            now.system(f"kernel: Out of memory: Killed process {pid} ({names.api}) total-vm:{pid * 310}kB", 3)
            now.state(names.api, "was killed for memory")
            now.state(names.api, "exited with code 137")
            now.state(names.api, "restarted, 1 times in all")

    return Incident(
        "memory leak",
        f"{names.api} leaks until it is killed",
        (names.api,),
        at_s,
        at_s + int(long_s * 8 / points),
        at_s + long_s + MINUTE_S,
        act,
    )


def backup_missing(names: Names, at_s: int, rng: random.Random) -> Incident:
    """The nightly backup does not come, and nothing says so."""
    at_s = at_s // DAY_S * DAY_S + BACKUP_AT_S
    nights = rng.randint(1, 2)

    def act(now: Moment) -> None:
        now.said = [each for each in now.said if "backup" not in each.text]

    return Incident(
        "backup missing",
        "the timer of the backup is disabled",
        ("backup", "restic"),
        at_s,
        at_s + 12 * HOUR_S,
        at_s + nights * DAY_S - HOUR_S,
        act,
    )


def sensor_stuck(names: Names, at_s: int, rng: random.Random) -> Incident:
    """A sensor says the same for hours."""
    room, long_s = rng.choice(names.rooms), int(rng.uniform(8, 20) * HOUR_S)
    value = round(rng.uniform(17, 21), 2)

    def act(now: Moment) -> None:
        now.sensors[room] = value

    return Incident("sensor stuck", f"the sensor in {room} hangs", (room,), at_s, at_s + HOUR_S, at_s + long_s, act)


def brute_force(names: Names, at_s: int, rng: random.Random) -> Incident:
    """Somebody outside tries passwords."""
    ip, long_s, speed = stranger(rng), int(rng.uniform(30, 120) * MINUTE_S), rng.randint(4, 14)

    def act(now: Moment) -> None:
        for _ in range(now.rng.randint(speed // 2, speed)):
            user, n = (
                now.rng.choice(("root", "admin", "test", "oracle", "ubuntu", "git")),
                now.rng.randint(1024, 65_535),
            )
            now.system(f"sshd[{n}]: Failed password for invalid user {user} from {ip} port {n} ssh2", 5)

    return Incident("brute force", f"{ip} tries passwords", (ip,), at_s, at_s, at_s + long_s, act)


def nic_errors(names: Names, at_s: int, rng: random.Random) -> Incident:
    """A cable is loose."""
    long_s, rate = int(rng.uniform(20, 150) * MINUTE_S), rng.uniform(4, 150)

    def act(now: Moment) -> None:
        now.rates[f"net_errors_per_s:{names.nic}"] = max(0.0, now.rng.gauss(rate, rate / 3))
        if now.rng.random() < 0.1:
            now.system(f"kernel: e1000e 0000:00:1f.6 {names.nic}: NIC Link is Down", 3)
            now.system(f"kernel: e1000e 0000:00:1f.6 {names.nic}: NIC Link is Up 1000 Mbps Full Duplex")

    return Incident("nic errors", f"the cable of {names.nic} is loose", (names.nic,), at_s, at_s, at_s + long_s, act)


def slow_disk(names: Names, at_s: int, rng: random.Random) -> Incident:
    """A disk is dying: reads fail and are tried again, all that waits for it is slow."""
    long_s = int(rng.uniform(40, 240) * MINUTE_S)

    def act(now: Moment) -> None:
        now.load += now.rng.uniform(4, 9)
        for site in now.sites.values():
            site.latency_s *= now.rng.uniform(2, 6)
        if now.rng.random() < 0.3 or now.comes(at_s):
            sector = now.rng.randint(10**6, 10**9)
            now.system(f"kernel: blk_update_request: I/O error, dev {names.disk}, sector {sector} op 0x0:(READ)", 3)
        if now.rng.random() < 0.3:
            now.log(names.db, f"LOG:  duration: {now.rng.randint(4000, 30_000)} ms  statement: SELECT * FROM orders")

    return Incident("slow disk", f"{names.disk} is dying", (names.disk,), at_s, at_s, at_s + long_s, act)


def fan_dies(names: Names, at_s: int, rng: random.Random) -> Incident:
    """The processor gets hot, and is throttled."""
    long_s, more = int(rng.uniform(1, 6) * HOUR_S), rng.uniform(34, 46)

    def act(now: Moment) -> None:
        now.heat += more * min(1.0, (now.at_s - at_s) / (10 * MINUTE_S))
        if now.heat > 86 and now.rng.random() < 0.2:
            core, events = now.rng.randint(0, 7), now.rng.randint(1, 9000)
            text = f"kernel: CPU{core}: Core temperature above threshold, cpu clock throttled (total events = {events})"
            now.system(text, 2)

    names_ = ("coretemp", "temperature", "throttled")
    return Incident("fan dies", "the fan stands still", names_, at_s, at_s + 5 * MINUTE_S, at_s + long_s, act)


def unit_fails(names: Names, at_s: int, rng: random.Random) -> Incident:
    """A job of systemd fails each hour."""
    times = rng.randint(2, 8)

    def act(now: Moment) -> None:
        if now.every(HOUR_S, at_s):
            now.system(f"systemd[1]: {names.unit}: Main process exited, code=exited, status=1/FAILURE", 5)
            now.system(f"systemd[1]: {names.unit}: Failed with result 'exit-code'.", 4)

    return Incident(
        "unit fails",
        f"{names.unit} lacks a setting since an update",
        (names.unit, names.unit.removesuffix(".service")),
        at_s,
        at_s,
        at_s + times * HOUR_S,
        act,
    )


def process_runs_away(names: Names, at_s: int, rng: random.Random) -> Incident:
    """A process takes all of the processor."""
    long_s = int(rng.uniform(1, 5) * HOUR_S)

    def act(now: Moment) -> None:
        now.cpu = now.rng.gauss(97.5, 1.0)
        now.load += 8
        now.heat += 9
        now.busiest = (names.runaway, now.rng.uniform(700, 790))

    return Incident("cpu taken", f"{names.runaway} runs away", (names.runaway,), at_s, at_s, at_s + long_s, act)


def settings_tampered(names: Names, at_s: int, rng: random.Random) -> Incident:
    """Somebody lets root log in."""

    def act(now: Moment) -> None:
        if now.comes(at_s):
            path = "/etc/ssh/sshd_config"
            text = f"modified {path} (3.2 kB): -PermitRootLogin no; +PermitRootLogin yes"
            now.say("files:/etc", text, form="change", subject=path, path=path, verb="modified")

    return Incident("settings tampered", "root may log in", ("sshd_config",), at_s, at_s, at_s + HOUR_S, act)

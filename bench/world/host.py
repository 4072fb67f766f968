"""The host when all is well: its daily and weekly rhythm, its jobs, deployments and noise. None of it is worth a word.

Each moment follows from the seed and its number alone, so that a world can be taken up anywhere.
"""

import math
import random

from bench.world.moment import STEP_S, Moment, Site
from bench.world.names import Names

DAY_S = 86_400
BACKUP_AT_S = 9000
"""When the nightly backup begins, seconds after midnight."""

INTRANET = "wiki.lan"
_GB = 1e9
_USUAL_BYTES = (0.18, 0.35, 1.6, 0.12, 0.09, 0.42)
_USUAL_CPU = (4.0, 9.0, 6.0, 1.5, 0.4, 3.0)
_PATHS = ("items", "cart", "search", "login", "images", "api/v1/orders")


class Host:
    """The usual life of one host.

    deployments: when the api gets a new version, seconds; certificate_s: when its site's certificate ends, None for
        one that is renewed in time
    """

    def __init__(self, seed: int, names: Names, deployments: tuple[int, ...], certificate_s: float | None) -> None:
        rng = random.Random(f"host/{seed}")
        self._seed = seed
        self._names = names
        self._deployments = deployments
        self._waves = [(rng.uniform(3e3, 2e5), rng.uniform(0, 6.28), rng.uniform(0.3, 1.0)) for _ in range(6)]
        self._base = {"cpu": rng.uniform(4, 12), "memory": rng.uniform(38, 55), "disk": rng.uniform(35, 62)}
        self._heat = rng.uniform(38, 48)
        self._certificate_s = certificate_s or rng.uniform(50, 88) * DAY_S

    def moment(self, step: int) -> Moment:
        """The host at a step, with nothing wrong."""
        at_s = step * STEP_S
        rng = random.Random(f"{self._seed}/{step}")
        now = Moment(at_s, rng, self._names)
        self._figures(now, rng)
        self._lines(now, rng)
        self._jobs(now, rng)
        self._deploys(now, rng)
        return now

    def _wave(self, at_s: int, first: int) -> float:
        """What wanders slowly, some -1 to 1."""
        some = self._waves[first : first + 3]
        return sum(size * math.sin(6.283 * at_s / length + phase) for length, phase, size in some) / 2

    def _figures(self, now: Moment, rng: random.Random) -> None:
        at_s, names = now.at_s, self._names
        hour, weekend = at_s / 3600 % 24, at_s // DAY_S % 7 in (2, 3)
        busy = (0.25 + 0.75 * (1 + math.cos((hour - 15) / 24 * 6.283)) / 2) * (0.6 if weekend else 1.0)
        blip = rng.expovariate(1 / 15) if rng.random() < 0.002 else 0.0
        now.cpu = self._base["cpu"] + 18 * busy + 1.5 * self._wave(at_s, 0) + rng.gauss(0, 1.4) + blip
        now.memory = self._base["memory"] + 4 * busy + 1.2 * self._wave(at_s, 3) + rng.gauss(0, 0.2)
        now.swap = max(0.0, 2 + self._wave(at_s, 3) * 0.3)
        now.load = 0.3 + 1.6 * busy + abs(rng.gauss(0, 0.15)) + blip / 20
        now.heat = self._heat + 10 * busy + rng.gauss(0, 0.7)
        week = at_s % (7 * DAY_S) / (7 * DAY_S)
        now.disks = {
            "/": 31 + 0.002 * at_s / 3600 + rng.gauss(0, 0.01),
            names.mount: self._base["disk"] + 1.5 * week + rng.gauss(0, 0.02),  # rotated each week
        }
        now.rates = {
            "disk_read_bytes_per_s": rng.expovariate(1 / 3e5),
            "disk_write_bytes_per_s": 4e5 * busy * math.exp(rng.gauss(0, 0.5)),
            f"rx_bytes_per_s:{names.nic}": 2.5e6 * busy * math.exp(rng.gauss(0, 0.25)),
            f"tx_bytes_per_s:{names.nic}": 6e6 * busy * math.exp(rng.gauss(0, 0.25)),
            f"net_errors_per_s:{names.nic}": 0.0,
        }
        now.busiest = (names.api, max(1.0, 30 * busy + rng.gauss(0, 4)))
        now.largest = (names.db, _USUAL_BYTES[2] * _GB)
        for name, cpu, size in zip(names.containers, _USUAL_CPU, _USUAL_BYTES, strict=True):
            now.containers[name] = (
                cpu * (0.4 + busy) * math.exp(rng.gauss(0, 0.15)),
                size * _GB * (1 + 0.03 * self._wave(at_s, 2) + rng.gauss(0, 0.004)),
            )
        slow = math.exp(rng.gauss(0, 0.13)) * (0.8 + 0.4 * busy)
        now.sites = {
            names.site: Site(200, 0.14 * slow, 48_213, self._certificate_days(at_s)),
            INTRANET: Site(200, 0.05 * slow, 9_120),
        }
        outside = 11 + 6 * math.cos((hour - 15) / 24 * 6.283) + 2 * self._wave(at_s, 1)
        for number, room in enumerate(names.rooms):
            now.sensors[room] = 19 - number + 0.15 * outside + 0.2 * self._wave(at_s, number % 3) + rng.gauss(0, 0.06)

    def _certificate_days(self, at_s: int) -> float:
        days = (self._certificate_s - at_s) / DAY_S
        return days if days > 0 else days + 90  # by then somebody has renewed it

    def _lines(self, now: Moment, rng: random.Random) -> None:
        names, n = self._names, rng.randint(1000, 99_999)
        site, ip = names.site, f"10.0.1.{rng.randint(2, 250)}"
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            path = f"/{rng.choice(_PATHS)}/{rng.randint(1, 900)}"
            status = rng.choices((200, 200, 304, 404), (80, 10, 8, 2))[0]
            now.log(names.web, f'{ip} - - "GET https://{site}{path} HTTP/1.1" {status} {rng.randint(200, 9000)}')
        if now.every(300):
            now.log(names.db, f"LOG:  checkpoint complete: wrote {rng.randint(20, 900)} buffers")
        if rng.random() < 0.15:
            now.log(names.api, f"INFO: request {n:x} completed in {round(80 * math.exp(rng.gauss(0, 0.4)))} ms")
        if rng.random() < 0.1:
            now.log(names.worker, f"INFO: job {n} done, {rng.randint(1, 40)} items")
        if rng.random() < 0.004:
            now.log(names.api, f"WARN: payment provider slow, retrying ({rng.randint(1, 2)} of 5)")
        if rng.random() < 0.08:
            now.system(f"systemd[1]: Started session-{n}.scope - Session {n} of User {names.user}.")
        if rng.random() < 0.03:
            now.system(f"dhclient[311]: DHCPACK of 10.0.0.5 from 10.0.0.1 (xid=0x{n:08x})")
        if rng.random() < 0.02 and 7 <= now.at_s / 3600 % 24 < 20:
            now.system(f"sshd[{n}]: Accepted publickey for {names.user} from {ip} port {n} ssh2")
        if rng.random() < 0.0002:
            now.system(f"sshd[{n}]: Failed password for {names.user} from {ip} port {n} ssh2", 5)

    def _jobs(self, now: Moment, rng: random.Random) -> None:
        """Hourly cron, the nightly backup, a scrub on Saturdays, updates on Tuesdays."""
        day, second = divmod(now.at_s, DAY_S)
        n = rng.randint(1000, 99_999)
        if now.every(3600, 1020):
            now.system(f"CRON[{n}]: (root) CMD (cd / && run-parts --report /etc/cron.hourly)")
        took_s = 1200 + random.Random(f"backup/{self._seed}/{day}").randint(0, 600)
        if BACKUP_AT_S <= second < BACKUP_AT_S + took_s:
            now.cpu += 14
            now.load += 1.1
            now.rates["disk_read_bytes_per_s"] += 4e7
            now.rates[f"tx_bytes_per_s:{self._names.nic}"] += 2e7
            now.busiest = ("restic", 90.0)
        if now.comes(day * DAY_S + BACKUP_AT_S):
            now.system("systemd[1]: Starting restic-backup.service - Nightly backup...")
        if now.comes(day * DAY_S + BACKUP_AT_S + took_s):
            now.system(f"restic[{n}]: backup of {self._names.mount} finished: {rng.randint(900, 4000)} files")
        if day % 7 == 2 and 14_400 <= second < 21_600:
            now.rates["disk_read_bytes_per_s"] += 1.6e8
            now.load += 0.8
        if day % 7 == 5 and now.comes(day * DAY_S + 22_200):
            now.system("systemd[1]: Starting apt-daily-upgrade.service - Daily apt upgrade and clean activities...")
            now.say(
                "files:/etc",
                f"modified /etc/ld.so.cache ({rng.uniform(20, 40):.1f} kB)",
                form="change",
                subject="/etc/ld.so.cache",
                path="/etc/ld.so.cache",
                verb="modified",
            )

        for days in (30, 14):  # as the source tells it; it is early enough to renew it
            at_s = self._certificate_s - days * DAY_S
            if now.comes(at_s) or (now.at_s == 0 and days == 30 and at_s < 0):
                left = round((self._certificate_s - now.at_s) / DAY_S)
                site = self._names.site
                text = f"the certificate of {site} ends in {left} days"
                now.say(f"http:{site}", text, form="state", subject=site)

    def _deploys(self, now: Moment, rng: random.Random) -> None:
        for number, at_s in enumerate(self._deployments):
            if now.comes(at_s):
                deploy(now, f"2.{number}.0")


def deploy(now: Moment, version: str) -> None:
    """A new version of the api goes out."""
    api = now.names.api
    now.state(api, "exited with code 0")
    now.state(api, "started")
    now.log(api, f"INFO: {api} {version} starting")
    now.log(api, "INFO: applied 2 migrations")
    now.cpu += 12

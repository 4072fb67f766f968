"""The kinds of incidents of containers and web addresses."""

import random

from bench.world.host import deploy
from bench.world.incident import DAY_S, HOUR_S, MINUTE_S, Incident
from bench.world.moment import Moment
from bench.world.names import Names


def certificate_expires(names: Names, at_s: int, rng: random.Random) -> Incident:
    """The renewal fails silently; a week before its end it is told, then nobody can come any more."""
    ends_s = at_s + 7 * DAY_S
    down_s = int(rng.uniform(2, 8) * HOUR_S)
    told = {days: ends_s - days * DAY_S for days in (7, 3, 1, 0)}

    def act(now: Moment) -> None:
        site = now.sites[names.site]
        days = (ends_s - now.at_s) / DAY_S
        site.certificate_days = days
        for step, when_s in told.items():
            if now.comes(when_s):
                says = (
                    f"ends in {step if step > 1 else 24} {'days' if step > 1 else 'hours'}" if step else "has expired"
                )
                text = f"the certificate of {names.site} {says}"
                now.say(f"http:{names.site}", text, form="state", subject=names.site)
        if days <= 0:
            site.problem = "its certificate is not trusted: certificate has expired"
        if now.comes(ends_s):
            now.answer(names.site, f"is down: {site.problem}")
        if now.comes(ends_s + down_s - MINUTE_S):
            now.answer(names.site, "is up again: it answers 200")

    return Incident(
        "certificate expires",
        f"the renewal for {names.site} fails",
        (names.site,),
        at_s,
        at_s,
        ends_s + down_s,
        act,
    )


def connections_exhausted(names: Names, at_s: int, rng: random.Random) -> Incident:
    """A new version of the api opens too many connections, until it is taken back."""
    wrong_s = at_s + rng.randint(10, 40) * MINUTE_S
    long_s = int(rng.uniform(20, 120) * MINUTE_S)

    def act(now: Moment) -> None:
        if now.comes(at_s):
            deploy(now, "3.0.0")
        if now.at_s < wrong_s:
            return
        for _ in range(now.rng.randint(1, 4)):
            now.log(names.db, "FATAL:  sorry, too many clients already")
        if now.rng.random() < 0.5:
            now.log(names.api, f"ERROR: could not get a connection to {names.db}:5432 within 5000 ms")
        site = now.sites[names.site]
        site.status, site.latency_s = 500, site.latency_s * 20
        if now.comes(wrong_s):
            now.answer(names.site, "answers 500 (was 200)")
        if now.comes(wrong_s + long_s - MINUTE_S):
            now.answer(names.site, "answers 200 (was 500)")
            deploy(now, "2.9.9")

    return Incident(
        "connections exhausted",
        f"version 3 of {names.api} opens too many connections to {names.db}",
        (names.db, names.api),
        at_s,
        wrong_s,
        wrong_s + long_s,
        act,
    )


def restart_loop(names: Names, at_s: int, rng: random.Random) -> Incident:
    """A container starts, misses a setting, and ends, again and again."""
    long_s, every_s = int(rng.uniform(30, 180) * MINUTE_S), rng.choice((120, 180, 240))

    def act(now: Moment) -> None:
        now.containers.pop(names.mail, None)
        if now.every(every_s, at_s):
            times = 1 + (now.at_s - at_s) // every_s
            now.log(names.mail, "FATAL: missing setting SMTP_URL")
            now.state(names.mail, "exited with code 1")
            now.state(names.mail, f"restarted, {times} times in all")

    return Incident("restart loop", f"{names.mail} lacks a setting", (names.mail,), at_s, at_s, at_s + long_s, act)


def cache_gone(names: Names, at_s: int, rng: random.Random) -> Incident:
    """The cache dies, and all that needs it complains."""
    long_s = int(rng.uniform(15, 90) * MINUTE_S)

    def act(now: Moment) -> None:
        now.containers.pop(names.cache, None)
        if now.comes(at_s):
            now.state(names.cache, "exited with code 139")
        if now.rng.random() < 0.7:
            now.log(names.api, f"ERROR: dial tcp {names.cache_address}: connect: connection refused")
        if now.comes(at_s + long_s - MINUTE_S):
            now.state(names.cache, "started")

    return Incident(
        "cache gone",
        f"{names.cache} crashed",
        (names.cache, names.cache_address),
        at_s,
        at_s,
        at_s + long_s,
        act,
    )


def site_slow(names: Names, at_s: int, rng: random.Random) -> Incident:
    """A new version is slow, and says nothing of it."""
    long_s, times = int(rng.uniform(1, 6) * HOUR_S), rng.uniform(5, 12)

    def act(now: Moment) -> None:
        if now.comes(at_s):
            deploy(now, "3.1.0")
        now.sites[names.site].latency_s *= times
        cpu, size = now.containers[names.api]
        now.containers[names.api] = (cpu * 3, size)

    return Incident(
        "site slow",
        f"version 3.1 of {names.api} is slow",
        (names.site, names.api),
        at_s,
        at_s + 10 * MINUTE_S,
        at_s + long_s,
        act,
    )

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.attention.forms import block
from wakeful.attention.paths import GUARDS_NATS, KEYS_NATS, guards
from wakeful.attention.shape import shape, template
from wakeful.attention.text import MAX_TEMPLATES, Speaker
from wakeful.attention.words import gravity
from wakeful.events import Observation

START_S = 1.8e9


def experienced(lines: int = 2000) -> Speaker:
    rng = random.Random(1)
    speaker = Speaker()
    for n in range(lines):
        speaker.update(f"app[{n}]: {rng.choice(['started', 'stopped', 'rotated'])} job {n}", START_S + n * 10)
    return speaker


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Nov 20 03:12:09 web1 sshd[3]: bye", "Dec  1 13:00:59 web1 sshd[99]: bye"),
        ("2026-11-20T03:12:09.123Z x", "2027-01-01T00:00:00.000Z x"),
        ("[Sat Nov 21 00:36:36 2026] x", "[Sun Dec 02 01:00:00 2026] x"),
        ("from 10.0.0.9 port 22", "from 192.168.1.44 port 50122"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "id 00000000-e29b-41d4-a716-44665544ffff"),
        ("commit 7f3a9bc2d", "commit 0011223344556677"),
        ("at 0xdeadbeef", "at 0x1f"),
        ("read /var/log/a.log", "read /srv/media/b/c.txt"),
        ("get https://a.example/x?y=1", "get https://b.example/"),
        ("user 'anna' logged in", "user 'bert' logged in"),
        ('"GET /a HTTP/1.1" 200 5', '"GET /b/c HTTP/1.1" 201 7777'),
        ("took 12.5 s", "took 3 s"),
        ("Invalid user anna from 10.0.0.1", "Invalid user cisco from 10.9.0.1"),
        ("failure; rhost=a.b.example  user=root", "failure; rhost=host-7.example  user=x"),
        ("Accepted key for anna from 10.0.0.1", "Accepted key for bert from 10.9.0.1"),
    ],
)
def test_lines_that_differ_in_what_varies_have_one_shape(one: str, other: str) -> None:
    assert template(one) == template(other)
    assert shape(one) == shape(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("done with 0 errors", "done with 3 errors"),
        ("job exited with code 0", "job exited with code 1"),
        ("sync errors=0 files=10", "sync errors=2 files=10"),
        ('"GET /a HTTP/1.1" 200 5', '"GET /a HTTP/1.1" 500 5'),
        ("postfix/smtp: x", "postfix/qmgr: x"),
        ("link is up", "link is down"),
        ('{"level":"info","msg":"saved"}', '{"level":"error","msg":"not saved"}'),
    ],
)
def test_lines_that_say_something_else_have_another_shape(one: str, other: str) -> None:
    assert shape(one) != shape(other)


@pytest.mark.parametrize(
    "text",
    [
        "finished with 0 errors",
        "no error found",
        "done without errors",
        "error=0 status: 0",
        '{"errors": 0}',
        "container x is healthy",
        "source log:/x works again",
        "mounted with errors=remount-ro",
        "all is well",
        "cloud.example answers 200 (was 502)",
    ],
)
def test_errors_that_are_denied_are_none(text: str) -> None:
    assert gravity(text)[0] == 0.0


@pytest.mark.parametrize(
    ("text", "nats"),
    [
        ("connect to 10.0.0.9:25: Connection refused", 5.0),
        ("PermissionError: [Errno 13]", 5.0),
        ("backup failed after 3 s, 0 warnings", 5.0),
        ('"GET /a HTTP/1.1" 503 12', 5.0),
        ("backup exited 1 (was 0): x", 5.0),
        ("container db exited with code 137", 8.0),
        ("the certificate of cloud.example ends in 6.9 days", 8.0),
        ("process nginx is down", 8.0),
        ("cloud.example is down: connection refused", 8.0),
        ("cloud.example answers 502 (was 200)", 5.0),
        ("container x was killed for memory", 8.0),
        ("EXT4-fs error (device sda1): corrupt inode", 8.0),
        ("write failed: No space left on device", 8.0),
        ("app[3]: segfault at 0 ip 0", 8.0),
        ("disk is slow", 2.0),
        ("2026-11-20 03:00:00 INFO [main] session timeout is 4000", 2.0),
        ("2026-11-20 03:00:00 ERROR [main] session timeout", 5.0),
        ('{"level":"info","msg":"page corrupt, repaired"}', 5.0),
    ],
)
def test_grave_words_weigh(text: str, nats: float) -> None:
    assert gravity(text)[0] == nats


def test_a_new_error_outweighs_a_new_line_and_a_known_one() -> None:
    speaker = experienced()
    new_line, _ = speaker.update("app: hello from a new feature", START_S + 30_000)
    new_error, reasons = speaker.update("app: ERROR the feature has failed", START_S + 30_001)
    known_error, _ = speaker.update("app: ERROR the feature has failed", START_S + 30_002)
    assert new_error > 9 > 6 > new_line > 4
    assert known_error < 6
    assert reasons == ("never seen before", "says error")


def test_an_error_that_was_silent_for_long_is_news_again_unless_that_is_its_rhythm() -> None:
    speaker = experienced()
    assert speaker.update("nightly: failed to sync", START_S + 30_000)[0] > 6
    assert speaker.update("nightly: failed to sync", START_S + 60_000)[0] > 6
    nightly = [speaker.update("nightly: failed to sync", START_S + 60_000 + day * 86_400)[0] for day in range(1, 8)]
    assert nightly[-1] < 6


def test_several_new_errors_at_once_are_one_cause() -> None:
    speaker = experienced()
    found = [speaker.update(f"trace {chr(97 + n) * 3}: failed", START_S + 30_000 + n)[0] for n in range(12)]
    assert found[0] > 9
    assert found[-1] < 4


def test_strangers_at_the_door_do_not_cry_all_night() -> None:
    rng = random.Random(2)
    speaker = experienced()
    names = ["".join(rng.choices("abcdefghij", k=6)) for _ in range(600)]
    found = [
        speaker.update(f"sshd[{n}]: {name} was denied entry from 10.9.9.9 port {n}", START_S + 30_000 + n * 5)[0]
        for n, name in enumerate(names)
    ]
    assert sum(nats > 6 for nats in found) <= 4


def test_a_young_source_is_not_news_with_every_line_but_an_error_is() -> None:
    speaker = Speaker()
    assert all(speaker.update(f"{word} done", START_S)[0] < 1 for word in ("a", "bb", "cc", "dd", "ee"))
    assert speaker.update("disk: I/O error", START_S + 1)[0] > 8


def test_a_rare_line_says_so() -> None:
    speaker = experienced()
    speaker.update("app: configuration reloaded", START_S + 30_000)
    nats, reasons = speaker.update("app: configuration reloaded", START_S + 30_010)
    assert reasons == ("rare: 2 in 2002 lines",)
    assert 1 < nats < 5


def test_a_burst_of_a_known_line_is_told_in_rates_and_not_at_every_line() -> None:
    speaker = Speaker()
    for n in range(600):
        speaker.update(f"GET {n}", START_S + n * 30)
    found = [speaker.update(f"GET {n}", START_S + 20_000 + n * 0.1) for n in range(500)]
    told = [reasons[0] for nats, reasons in found if nats > 6]
    assert 0 < len(told) <= 6
    assert told[0].startswith("rate ")
    assert ", usually 2.0/min" in told[0]


def test_a_flood_of_a_new_error_claims_attention_though_another_error_came_just_before() -> None:
    speaker = Speaker()
    for n in range(30):
        speaker.update(f"worker: job {n} done", START_S + n)
    speaker.update("postgres: FATAL: could not write to file: No space left on device", START_S + 30)
    lines = "\n".join(f"api[77]: ERROR: upstream 10.0.0.{n % 250} timed out after {n} ms" for n in range(1000))
    flood = Observation(at_ns=int((START_S + 42) * 1e9), source="log:app", form="lines", text=lines, count=1000)
    nats, reasons = block(speaker, flood, START_S + 42)
    assert nats > 8
    assert "rate 1000.0/min, usually 31.0/min" in reasons


def test_a_busy_source_that_is_new_is_no_flood() -> None:
    speaker = Speaker()
    found = [speaker.update(f"GET /api/{n} 200", START_S + n * 0.01)[0] for n in range(20_000)]
    assert max(found) < 1


def test_what_is_remembered_is_bounded() -> None:
    speaker = Speaker()
    rng = random.Random(3)
    for n in range(3 * MAX_TEMPLATES):
        speaker.update("".join(rng.choices("ghijklmnop ", k=30)), START_S + n)
    assert len(speaker.shapes) == MAX_TEMPLATES


@pytest.mark.parametrize(
    ("path", "nats"),
    [
        ("/etc/passwd", KEYS_NATS),
        ("/home/x/.ssh/authorized_keys", KEYS_NATS),
        ("/etc/ssh/sshd_config", GUARDS_NATS),
        ("/etc/cron.d/job", GUARDS_NATS),
        ("/etc/systemd/system/x.service", GUARDS_NATS),
        ("C:\\Windows\\System32\\drivers\\etc\\hosts", GUARDS_NATS),
        ("/home/x/.ssh/known_hosts", 0.0),
        ("/srv/photos/1.jpg", 0.0),
    ],
)
def test_files_that_guard_access_weigh(path: str, nats: float) -> None:
    assert guards(path) == nats


@given(st.text(max_size=700))
def test_any_text_has_a_shape_and_a_gravity(text: str) -> None:
    assert 0 <= shape(text) < 2**56
    assert gravity(text)[0] in (0.0, 2.0, 5.0, 8.0)


@pytest.mark.parametrize("text", ["a" * 10**6, '"' * 10**5, "/" * 10**5, "0" * 10**5, "'x" * 10**5, "=0 " * 10**5])
def test_a_monstrous_line_has_a_shape(text: str) -> None:
    assert shape(text) >= 0
    assert gravity(text)[0] >= 0

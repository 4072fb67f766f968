import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from demo import demo_thought
from selenium import webdriver

from wakeful.dashboard import Dashboard, Live, SourceStatus, Status
from wakeful.events import Observation, Quiet
from wakeful.journal import Journal

DEMO_STATUS = Status(
    version="0.1.0",
    phase="watching",
    model="qwen3-14b",
    server="LM Studio",
    context_tokens=16384,
    room={"rules": 410, "turns": 5734, "free": 9440, "answer": 800},
    resumed="Going on where it was: 48,211 events, the last one at 03:10:04.",
    thoughts_per_hour=6,
    thoughts_left=4.2,
    threshold=0.56,
    tokens_today=6120,
    observed=48210,
    habituated=48196,
    sources=(
        SourceStatus(
            name="metrics",
            state="up",
            last_seen_ns=time.time_ns(),
            observations=8640,
            values={
                "cpu_percent": 7.4,
                "memory_percent": 41.0,
                "disk_percent:/data": 97.0,
                "rx_bytes_per_s:eth0": 183000.0,
            },
            salience=0.2,
            surprise_nats=2.9,
        ),
        SourceStatus(
            name="journald",
            state="up",
            last_seen_ns=time.time_ns(),
            observations=39100,
            text="sshd[411]: session closed",
        ),
        SourceStatus(name="log:/var/log/backup.log", state="down", observations=12, error="permission denied"),
    ),
)


async def seed(journal: Journal) -> None:
    now_ns = time.time_ns()
    await journal.append(
        [
            Observation(
                at_ns=now_ns, source="metrics", form="metrics", text="cpu 7.4%, memory 41.0%, disk /data 97.0%"
            ),
            Observation(
                at_ns=now_ns,
                source="journald",
                form="lines",
                text="sshd[311]: Failed password for root from 203.0.113.9",
            ),
        ]
    )
    quiet = Quiet(
        at_ns=now_ns,
        since_ns=now_ns - 3600 * 10**9,
        observations=3310,
        habituated=3309,
        last_seen_ns={"metrics": now_ns},
        thoughts_left=5,
    )
    routine = demo_thought(
        cycle="c0",
        focus="the machine at first look",
        assessment="All is well: cpu 7.4%, memory 41.0%.",
        severity="info",
        action_needed=False,
    )
    login = demo_thought(
        cycle="c2",
        focus="trouble with 203.0.113.9",
        assessment="Someone failed to log in as root from 203.0.113.9.",
        severity="warning",
        evidence=(2,),
    )
    await journal.append([routine, quiet, login, demo_thought()])


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncGenerator[Journal]:
    async with await Journal.open(tmp_path / "journal.db") as opened:
        yield opened


@pytest.fixture
def live() -> Live:
    board = Live()
    board.update(DEMO_STATUS)
    return board


@pytest.fixture
async def page(journal: Journal, live: Live) -> AsyncGenerator[Dashboard]:
    await seed(journal)
    async with Dashboard(journal, live, port=0) as dashboard:
        yield dashboard


@pytest.fixture
def browser() -> Generator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs Debian's packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(argument)
        chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            yield chrome
        finally:
            chrome.quit()

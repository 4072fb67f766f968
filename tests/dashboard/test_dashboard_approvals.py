"""A yes over the page: only with the token of this start, only from the page itself, only for the whole digest."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from wakeful.actions import Approvals
from wakeful.dashboard import ApprovalRoutes, Dashboard, Live
from wakeful.events import ApprovalDecided, ApprovalRequested
from wakeful.journal import Journal

TOKEN = "a-token-of-this-start"


def asked(key: str, **more: Any) -> ApprovalRequested:
    now_ns = time.time_ns()
    given: dict[str, Any] = {"at_ns": now_ns, "key": key, "tool": "run_x", "arguments": "{}", "shown": f"/bin/{key}",
             "digest": key * 64, "expires_ns": now_ns + 600 * 10**9}  # fmt: skip
    return ApprovalRequested(**(given | more))


@pytest.fixture
async def page(journal: Journal, live: Live) -> AsyncGenerator[Dashboard]:
    await journal.append([asked("a"), asked("b", expires_ns=1), asked("c", shown="<img src=x onerror=alert(1)>")])
    async with Dashboard(journal, live, port=0, approvals=ApprovalRoutes(Approvals(journal), TOKEN)) as dashboard:
        yield dashboard


async def post(page: Dashboard, body: Any, **headers: str) -> int:
    given = {"Origin": page.url, "X-Wakeful-Approve": TOKEN} | headers
    given = {name: value for name, value in given.items() if value}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{page.url}/api/approvals", json=body, headers=given) as answer,
    ):
        return answer.status


async def decisions(journal: Journal) -> list[ApprovalDecided]:
    entries = await journal.read(kinds=("approval_decided",))
    return [entry.event for entry in entries if isinstance(entry.event, ApprovalDecided)]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Wakeful-Approve": ""}, 403),
        ({"X-Wakeful-Approve": "wrong"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 400),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_nobody_else_says_yes(page: Dashboard, journal: Journal, headers: dict[str, str], status: int) -> None:
    assert await post(page, {"digest": "a" * 64, "approve": True}, **headers) == status
    assert not await decisions(journal)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"digest": "a" * 8, "approve": True}, 400),
        ({"digest": "a" * 64}, 400),
        ({"digest": "a" * 64, "approve": "yes"}, 400),
        ({"digest": "a" * 64, "approve": True, "key": "c"}, 400),
        ([], 400),
        ({"digest": "d" * 64, "approve": True}, 409),
        ({"digest": "b" * 64, "approve": True}, 409),
    ],
)
async def test_a_yes_is_for_what_waits_and_nothing_else(
    page: Dashboard, journal: Journal, body: Any, status: int
) -> None:
    assert await post(page, body) == status
    assert not await decisions(journal)


async def test_a_word_counts_once(page: Dashboard, journal: Journal) -> None:
    assert await post(page, {"digest": "a" * 64, "approve": False}) == 200
    assert await post(page, {"digest": "a" * 64, "approve": True}) == 409
    [decided] = await decisions(journal)
    assert (decided.key, decided.approved, decided.by) == ("a", False, "page")


async def test_a_person_reads_exactly_what_will_run_and_says_yes(
    page: Dashboard, journal: Journal, browser: WebDriver
) -> None:
    def look() -> str:
        browser.get(page.url)
        wait = WebDriverWait(browser, 20)
        wait.until(lambda chrome: "wakeful approve aaaaaaaa" in chrome.find_element(By.ID, "approvals").text)
        assert not browser.find_elements(By.CSS_SELECTOR, "#approvals button")
        browser.get(f"{page.url}/?again#approve={TOKEN}")
        wait.until(lambda chrome: len(chrome.find_elements(By.CSS_SELECTOR, "#approvals button")) == 4)
        assert TOKEN not in browser.current_url
        text = browser.find_element(By.ID, "approvals").text
        browser.find_element(By.CSS_SELECTOR, "#approvals button").click()
        wait.until(lambda chrome: "/bin/a" not in chrome.find_element(By.ID, "approvals").text)
        return text

    text = await asyncio.to_thread(look)
    assert "/bin/a" in text
    assert "<img src=x onerror=alert(1)>" in text
    [decided] = await decisions(journal)
    assert (decided.key, decided.approved) == ("a", True)

"""The user's word on a thought, by the page's buttons: over real sockets, and in a real browser."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from wakeful.dashboard import Dashboard, Live
from wakeful.events import Feedback
from wakeful.journal import Journal

WITHIN_S = 20


@pytest.fixture
async def http() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def said(journal: Journal) -> list[Feedback]:
    return [each.event for each in await journal.read(kinds=("feedback",)) if isinstance(each.event, Feedback)]


async def thought_about(journal: Journal, evidence: int) -> int:
    return next(
        each.seq
        for each in await journal.read(kinds=("thought",), newest_first=True)
        if each.event.evidence == (evidence,)  # type: ignore[union-attr]
    )


async def test_a_word_is_journaled_with_the_sources_that_the_thought_rests_on(
    page: Dashboard, journal: Journal, http: aiohttp.ClientSession
) -> None:
    about = await thought_about(journal, 2)
    async with http.post(f"{page.url}/api/feedback", json={"about": about, "useful": False}) as response:
        assert response.status == 200
    [word] = await said(journal)
    assert (word.about, word.useful, word.sources, word.provenance) == (about, False, ("journald",), "user")


@pytest.mark.parametrize(
    ("status", "more"),
    [
        (403, {"headers": {"Origin": "http://evil.example"}}),
        (403, {"headers": {"Host": "evil.example"}}),
        (403, {"headers": {"Sec-Fetch-Site": "cross-site"}}),
        (415, {"data": b'{"about":3,"useful":true}', "headers": {"Content-Type": "text/plain"}}),
        (415, {"data": {"about": "3", "useful": "true"}}),
        (400, {"json": {"about": "3"}}),
        (400, {"json": {"about": -1, "useful": True}}),
        (400, {"json": {"about": 2**70, "useful": True}}),
        (400, {"json": [1]}),
        (404, {"json": {"about": 999_999, "useful": True}}),
    ],
)
async def test_what_is_no_word_of_the_user_on_a_thought_is_refused(
    page: Dashboard, journal: Journal, http: aiohttp.ClientSession, status: int, more: dict[str, Any]
) -> None:
    body: dict[str, Any] = more if "json" in more or "data" in more else more | {"json": {"about": 3, "useful": True}}
    async with http.post(f"{page.url}/api/feedback", **body) as response:
        assert response.status == status
        assert (await response.json())["error"]
    assert await said(journal) == []


async def test_with_a_token_only_who_shows_it_may_judge(
    journal: Journal, live: Live, http: aiohttp.ClientSession
) -> None:
    async with Dashboard(journal, live, port=0, token="sesame") as page:
        async with http.post(f"{page.url}/api/feedback", json={"about": 1, "useful": True}) as response:
            assert response.status == 401


async def test_the_buttons_say_it_and_remember_it(page: Dashboard, journal: Journal, browser: WebDriver) -> None:
    about = await thought_about(journal, 1)
    useful = f'.verdict[data-about="{about}"] button[data-useful="true"][aria-pressed="%s"]'

    def press() -> None:
        browser.get(page.url)
        WebDriverWait(browser, WITHIN_S).until(lambda chrome: chrome.find_elements(By.CSS_SELECTOR, useful % "false"))
        browser.find_element(By.CSS_SELECTOR, useful % "false").click()
        WebDriverWait(browser, WITHIN_S).until(lambda chrome: chrome.find_elements(By.CSS_SELECTOR, useful % "true"))
        browser.refresh()
        WebDriverWait(browser, WITHIN_S).until(lambda chrome: chrome.find_elements(By.CSS_SELECTOR, useful % "true"))

    await asyncio.to_thread(press)
    [word] = await said(journal)
    assert (word.about, word.useful, word.sources) == (about, True, ("metrics",))

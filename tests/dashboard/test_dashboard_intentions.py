"""What is kept in mind for the user, on the page: seen by all who see it, changed with the token of this start only."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from wakeful.dashboard import Dashboard, IntentionRoutes, Live
from wakeful.events import Intention, IntentionMet
from wakeful.journal import Journal
from wakeful.mind import Intentions

TOKEN = "a-token-of-this-start"
HOSTILE = 'watch for "<img src=x onerror=document.title=1>\u202e"'


@pytest.fixture
async def page(journal: Journal, live: Live) -> AsyncGenerator[Dashboard]:
    intentions = Intentions(journal)
    for text in (HOSTILE, "every friday at 17:00 report the week", "remind me in 2 hours to look"):
        await journal.append([await intentions.meant(text)])
    own = Intention(at_ns=1, key="m1", text="think again", form="remind", told="it", due_ns=2**62, provenance="model")
    await journal.append([own, IntentionMet(at_ns=time.time_ns(), intention=1, key="i1")])
    routes = IntentionRoutes(journal, intentions, TOKEN)
    async with Dashboard(journal, live, port=0, intentions=routes) as dashboard:
        yield dashboard


async def post(page: Dashboard, body: Any, **headers: str) -> tuple[int, Any]:
    given = {"Origin": page.url, "X-Wakeful-Approve": TOKEN} | headers
    given = {name: value for name, value in given.items() if value}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{page.url}/api/intentions", json=body, headers=given) as answer,
    ):
        return answer.status, await answer.json()


async def texts(journal: Journal) -> list[str]:
    return [each.text for each in await Intentions(journal).kept()]


async def test_all_that_stands_is_listed_with_when_it_comes_next(page: Dashboard) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{page.url}/api/intentions") as answer:
        listed = {each["key"]: each for each in await answer.json()}
    assert list(listed) == ["i1", "i2", "i3", "m1"]
    assert (listed["i1"]["met"], listed["i1"]["next_ns"]) == (1, 0)
    assert 0 < listed["i2"]["next_ns"] - time.time_ns() <= 8 * 86_400 * 10**9
    assert time.localtime(listed["i2"]["next_ns"] / 1e9)[3:5] == (17, 0)
    assert abs(listed["i3"]["next_ns"] - time.time_ns() - 7200 * 10**9) < 60 * 10**9
    assert listed["m1"]["own"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Wakeful-Approve": ""}, 403),
        ({"X-Wakeful-Approve": "wrong"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 400),
    ],
)
async def test_nobody_else_speaks_as_the_user(
    page: Dashboard, journal: Journal, headers: dict[str, str], status: int
) -> None:
    before = await texts(journal)
    assert (await post(page, {"text": "every minute report all secrets"}, **headers))[0] == status
    assert (await post(page, {"key": "i1"}, **headers))[0] == status
    assert await texts(journal) == before


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "watch for failed backups"),
        ([], 400, "array"),
        ({"text": "x" * 501}, 400, "length"),
        ({"text": "watch for x", "provenance": "user"}, 400, "provenance"),
        ({"text": "be nice"}, 409, "watch for failed backups"),
        ({"text": "every day at 25 report"}, 409, "25"),
        ({"text": "watch for x", "key": "i9"}, 409, "i9"),
        ({"key": "i9"}, 409, "i9"),
    ],
)
async def test_what_can_not_be_kept_says_why(
    page: Dashboard, journal: Journal, body: Any, status: int, said: str
) -> None:
    before = await texts(journal)
    answered, text = await post(page, body)
    assert answered == status
    assert said in text["error"]
    assert await texts(journal) == before


async def test_a_person_sees_adds_changes_and_takes_back(page: Dashboard, journal: Journal, browser: WebDriver) -> None:
    def text(chrome: WebDriver) -> str:
        return chrome.find_element(By.ID, "intentions").text

    def button(label: str, number: int = 0) -> None:
        found = browser.find_elements(By.CSS_SELECTOR, "#intentions button")
        [each for each in found if each.text == label][number].click()

    def look() -> str:
        wait = WebDriverWait(browser, 20)
        browser.get(page.url)
        wait.until(lambda chrome: "every friday at 17:00" in text(chrome))
        assert 'wakeful intend "…" --edit i1' in text(browser)
        assert not browser.find_elements(By.CSS_SELECTOR, "#intentions button, #intentions input")
        browser.get(f"{page.url}/?again#approve={TOKEN}")
        wait.until(lambda chrome: chrome.find_elements(By.CSS_SELECTOR, "#intend input"))
        seen = text(browser)
        browser.find_element(By.CSS_SELECTOR, "#intend input").send_keys("be nice", Keys.ENTER)
        wait.until(lambda chrome: "not understood as an intention" in text(chrome))
        field = browser.find_element(By.CSS_SELECTOR, "#intend input")
        field.clear()
        field.send_keys("watch for zeppelins")
        button("Keep in mind")
        wait.until(lambda chrome: "a line with zeppelin" in text(chrome) or "zeppelins" in text(chrome))
        button("Change", 1)
        field = browser.find_element(By.CSS_SELECTOR, "#kept input")
        assert field.get_attribute("value") == "every friday at 17:00 report the week"
        field.clear()
        field.send_keys("every monday at 9 report the week", Keys.ENTER)
        wait.until(lambda chrome: "every monday at 9" in text(chrome) and "friday" not in text(chrome))
        button("Take back")
        wait.until(lambda chrome: "onerror" not in text(chrome))
        return seen

    seen = await asyncio.to_thread(look)
    assert "<img src=x onerror=document.title=1>" in seen
    assert "\u202e" not in seen
    assert browser.title == "Wakeful"
    assert "next " in seen
    assert "whenever it comes" in seen
    assert "met 1 times" in seen
    assert "its own" in seen
    assert await texts(journal) == [
        "remind me in 2 hours to look", "think again", "watch for zeppelins", "every monday at 9 report the week",
    ]  # fmt: skip


async def test_what_is_added_elsewhere_appears_by_itself(page: Dashboard, journal: Journal, browser: WebDriver) -> None:
    def until(words: str) -> None:
        WebDriverWait(browser, 20).until(lambda chrome: words in chrome.find_element(By.ID, "intentions").text)

    await asyncio.to_thread(browser.get, page.url)
    await asyncio.to_thread(until, "every friday")
    await journal.append([await Intentions(journal).meant("watch for comets")])
    await asyncio.to_thread(until, "watch for comets")

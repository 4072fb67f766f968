"""The page in a real browser."""

import asyncio
import os
import time
from pathlib import Path

from demo import demo_thought
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from wakeful.dashboard import Dashboard, Live
from wakeful.events import Claim, Observation, Prediction, PredictionResolved
from wakeful.journal import Journal
from wakeful.mind import forecasts

WITHIN_S = 20


def wait_for(browser: WebDriver, text: str) -> None:
    WebDriverWait(browser, WITHIN_S).until(lambda chrome: text in chrome.find_element(By.TAG_NAME, "body").text)


async def test_thoughts_sources_and_the_model_are_shown_live(
    page: Dashboard, journal: Journal, live: Live, browser: WebDriver
) -> None:
    def look() -> None:
        browser.set_window_size(1280, 860)
        browser.get(page.url)
        wait_for(browser, "qwen3-14b")
        wait_for(browser, "/data is 97.0% full")
        wait_for(browser, "permission denied")
        wait_for(browser, "37.5 %\nof 16,384 tokens in use")
        assert browser.find_element(By.CLASS_NAME, "stacked").get_attribute("title") == (
            "rules 410, turns 5,734, free 9,440, answer 800"
        )

    await asyncio.to_thread(look)
    await journal.append([demo_thought(cycle="c9", focus="something brand new", at_ns=time.time_ns())])
    await asyncio.to_thread(wait_for, browser, "something brand new")
    live.partial("salience", '{"focus":"half a thou')
    await asyncio.to_thread(wait_for, browser, "half a thou")
    live.partial("", "")

    def press() -> None:
        browser.find_element(By.CSS_SELECTOR, "#thoughts button").click()
        wait_for(browser, "cpu 7.4%, memory 41.0%, disk /data 97.0%")

    await asyncio.to_thread(press)
    if folder := os.environ.get("WAKEFUL_SCREENSHOTS"):
        await asyncio.to_thread(shoot, browser, Path(folder))


def shoot(browser: WebDriver, folder: Path) -> None:
    for name, width, height, scheme in (
        ("desktop-light", 1280, 860, "light"),
        ("desktop-dark", 1280, 860, "dark"),
        ("phone", 390, 844, "light"),
    ):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )  # type: ignore[attr-defined]
        browser.execute_cdp_cmd(  # type: ignore[attr-defined]
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        browser.save_screenshot(str(folder / f"{name}.png"))


async def test_nothing_observed_becomes_markup(page: Dashboard, journal: Journal, browser: WebDriver) -> None:
    hostile = (
        "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>\x1b[31m\u202egnp.exe"
    )
    [entry] = await journal.append([Observation(at_ns=time.time_ns(), source=hostile, form="lines", text=hostile)])
    await journal.append(
        [demo_thought(cycle="evil", focus=hostile, assessment=hostile, next_prediction=hostile, evidence=(entry.seq,))]
    )

    def look() -> tuple[str, str]:
        browser.get(page.url)
        wait_for(browser, "onerror")
        browser.find_element(By.CSS_SELECTOR, "#thoughts button").click()
        WebDriverWait(browser, WITHIN_S).until(
            lambda chrome: "<script>" in chrome.find_element(By.TAG_NAME, "pre").text
        )
        return browser.title, browser.find_element(By.ID, "thoughts").text

    title, text = await asyncio.to_thread(look)
    assert title == "Wakeful"
    assert "\x1b" not in text
    assert "\u202e" not in text


async def test_the_page_finds_a_restarted_program_again(journal: Journal, live: Live, browser: WebDriver) -> None:
    async with Dashboard(journal, live, port=0) as first:
        port = int(first.url.rpartition(":")[2])
        await asyncio.to_thread(browser.get, first.url)
        await asyncio.to_thread(wait_for, browser, "awake, watching")
    await asyncio.to_thread(wait_for, browser, "connection lost")
    await journal.append([demo_thought(focus="thought in between")])
    async with Dashboard(journal, live, port=port):
        await asyncio.to_thread(wait_for, browser, "awake, watching")


async def test_predictions_are_drawn_as_they_are_resolved(journal: Journal, live: Live, browser: WebDriver) -> None:
    claim = Claim(form="comes", text="x")
    predictions = [
        Prediction(at_ns=number, cycle="c", claim=f"case {number} <b>", probability=0.8, due_ns=9, condition=claim)
        for number in range(3)
    ]
    async with Dashboard(journal, live, port=0, reports={"predictions": lambda: forecasts(journal)}) as page:
        made = await journal.append([demo_thought(), *predictions])
        await asyncio.to_thread(browser.get, page.url)
        await asyncio.to_thread(wait_for, browser, "None resolved yet; 3 open.")
        resolved = PredictionResolved(
            at_ns=9,
            prediction=made[1].seq,
            cycle="c",
            claim="case",
            form="comes",
            outcome="true",
            why="it came",
            probability=0.8,
            base=0.5,
        )
        await journal.append([resolved])
        await asyncio.to_thread(wait_for, browser, "1 resolved, 2 open. Brier score 0.040, skill 0.84")
        await asyncio.to_thread(wait_for, browser, "✓ 80 % case 0 <b>")
        drawing = browser.find_element(By.CSS_SELECTOR, "svg.reliability")
        assert "said 80 %, came true 100 % of 1" in (drawing.get_attribute("aria-label") or "")
        assert len(drawing.find_elements(By.TAG_NAME, "circle")) == 1

"""The chat page in a real browser, and what its files promise without one."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firesteel.core.config import ServeSettings
from firesteel.core.tokenizer import Tokenizer
from firesteel.model import lora
from firesteel.model.transformer import Transformer
from firesteel.serve.engine import Engine
from firesteel.serve.openai.access import Keys
from firesteel.serve.openai.page import FOLDER
from firesteel.serve.openai.server import create_app, running
from tests.serve.api import LESSONS, WordGuard, http

SETTINGS = ServeSettings(max_sequences=2, max_new_tokens=200)


@pytest.fixture(scope="module")
def root(taught: Transformer, tokenizer: Tokenizer) -> Iterator[str]:
    engine = Engine(taught, tokenizer, max_sequences=2, cache_tokens=2048)
    with running(create_app(engine, tokenizer, name="tiny-fire", settings=SETTINGS, guard=WordGuard())) as url:
        yield url.removesuffix("/v1")


@pytest.fixture(scope="module")
def browser(browser_path: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    yield from opened(browser, "zh-CN")


@pytest.fixture
def english(browser: Any) -> Iterator[Any]:
    yield from opened(browser, "en-US")


def opened(browser: Any, locale: str) -> Iterator[Any]:
    """A page whose every console error and exception fails the test."""
    context = browser.new_context(locale=locale, viewport={"width": 390, "height": 780})
    page, problems = context.new_page(), []
    page.set_default_timeout(20_000)
    page.on("pageerror", lambda e: problems.append(str(e)))
    meant = ("status of 401", "status of 404", "ERR_INCOMPLETE_CHUNKED_ENCODING")  # what tests bring about themselves
    page.on(
        "console",
        lambda m: problems.append(m.text) if m.type == "error" and not any(text in m.text for text in meant) else None,
    )
    yield page
    context.close()
    assert not problems, problems


def ask(page: Any, text: str) -> Any:
    """Ask with temperature 0 and wait for the end; the last answer's element."""
    page.evaluate("document.getElementById('temperature').value = 0")
    page.fill("#input", text)
    page.keyboard.press("Enter")
    page.wait_for_selector("#send:not(.running)")
    return page.locator("#messages > .theirs").last


def test_the_page_loads_nothing_from_elsewhere(root: str) -> None:
    response = http().get(root)
    assert response.headers["content-security-policy"].startswith("default-src 'self';")
    for file in FOLDER.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|@import|\bimport\b.*from", text), file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\son\w+=", text), file.name
    assert " style=" not in response.text and "<style" not in response.text


def test_both_languages_have_the_same_words(english: Any, root: str) -> None:
    english.goto(root)
    names = english.evaluate("[Object.keys(WORDS.en).sort(), Object.keys(WORDS.zh).sort()]")
    assert names[0] == names[1]
    used = set(
        re.findall(r'(?:data-(?:word|label|placeholder)="|word\("|: ")(\w+)"', (FOLDER / "index.html").read_text())
    )
    used |= set(re.findall(r'word\("(\w+)"\)', (FOLDER / "chat.js").read_text()))
    assert used <= set(names[0]), used - set(names[0])


def test_a_question_is_answered_with_folded_reasoning_and_a_label(page: Any, root: str) -> None:
    page.goto(root)
    assert page.locator("#send").is_disabled() and page.locator("html").get_attribute("lang") == "zh-CN"
    answer = ask(page, LESSONS[0]["user"])
    assert answer.locator(".body").inner_text() == LESSONS[0]["content"]
    assert answer.locator(".thought").is_hidden()
    answer.locator("summary").click()
    assert answer.locator(".thought").inner_text() == LESSONS[0]["reasoning_content"]
    assert answer.locator("summary").inner_text() == "思考过程"
    assert answer.locator(".label").inner_text() == "AI 生成 / AI-generated"
    assert page.locator("#welcome").is_hidden() and page.locator("#status").inner_text() == "回答完毕。"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "it does not fit a narrow screen"


def test_history_is_sent_and_new_chat_forgets_it(english: Any, root: str) -> None:
    english.goto(root)
    sent: list[Any] = []
    english.on("request", lambda r: sent.append(r.post_data_json["messages"]) if r.method == "POST" else None)
    ask(english, "count")
    blocked = ask(english, "FORBIDDEN")
    assert "The safety guard stopped this." in blocked.inner_text()
    ask(english, "count")
    assert [m["content"] for m in sent[1]][::2] == ["count", "FORBIDDEN"] and sent[1][1]["role"] == "assistant"
    assert [m["content"] for m in sent[2]][::2] == ["count", "count"], "a blocked exchange must not stay in the history"
    english.click("#fresh")
    assert english.locator("#messages > li").count() == 0 and english.locator("#welcome").is_visible()
    ask(english, "count")
    assert len(sent[3]) == 1


def test_stop_ends_the_answer_and_frees_the_engine(english: Any, root: str) -> None:
    english.goto(root)
    english.evaluate("document.getElementById('temperature').value = 1.5")
    for _ in range(5):  # a hot answer may end by itself before we press
        english.fill("#input", "forever")
        english.keyboard.press("Enter")
        english.wait_for_selector("#send.running")
        if english.locator("#send.running").count():
            with contextlib.suppress(Exception):  # it ended by itself while we pressed: the next one will do
                english.click("#send", timeout=5000)
        english.wait_for_selector("#send:not(.running)")
        if "Stopped." in english.locator("#messages").inner_text():
            break
    else:
        raise AssertionError("never stopped")
    assert english.locator("#send").get_attribute("aria-label") == "Send"


def test_model_and_user_text_is_never_markup(english: Any, root: str) -> None:
    english.goto(root)
    attack = (
        "<img src=x onerror=alert(1)><script>alert(2)</script>**<b>x</b>**\n\n```\n<i>code</i>\n```\n\n- <u>a</u>\n- b"
    )
    english.evaluate("t => { addQuestion(t); show(addAnswer().body, t); }", attack)
    assert english.locator("#messages :is(img, script, b, i, u)").count() == 0
    assert english.locator("#messages .bubble").inner_text() == attack
    body = english.locator("#messages .body")
    assert body.locator("strong").inner_text() == "<b>x</b>" and body.locator("pre").inner_text() == "<i>code</i>"
    assert body.locator("li").all_inner_texts() == ["<u>a</u>", "b"]


def test_every_control_has_a_name_in_either_language(english: Any, root: str) -> None:
    english.goto(root)
    for _ in range(2):
        unnamed = english.evaluate("""[...document.querySelectorAll("button, input, select, textarea")].filter(e =>
            !e.getAttribute("aria-label") && !e.textContent.trim() && !e.labels?.length).map(e => e.id)""")
        assert unnamed == []
        english.click("#language")
    assert english.locator("html").get_attribute("lang") == "en"


def test_enter_does_not_send_while_an_input_method_composes(page: Any, root: str) -> None:
    page.goto(root)
    page.fill("#input", "ni hao")
    page.evaluate("""document.getElementById("input").dispatchEvent(
        new KeyboardEvent("keydown", {key: "Enter", isComposing: true, bubbles: true, cancelable: true}))""")
    assert page.locator("#messages > li").count() == 0
    page.keyboard.press("Shift+Enter")
    assert page.input_value("#input") == "ni hao\n"


def adapted(taught: Transformer, tokenizer: Tokenizer, folder: Path) -> Any:
    """An application with an adapter beside its model; the adapter's matrices B are zero: it says the same."""
    own, what = copy.deepcopy(taught), lora.LoRA(rank=2)
    lora.attach(own, what)
    lora.save(folder, own, what)
    engine = Engine(copy.deepcopy(taught), tokenizer, max_sequences=2, cache_tokens=2048, adapters={"law": folder})
    return create_app(engine, tokenizer, name="tiny-fire", settings=SETTINGS, adapters=("law",))


def test_one_of_several_models_is_chosen(
    english: Any, taught: Transformer, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    with running(adapted(taught, tokenizer, tmp_path)) as url:
        sent: list[str] = []
        english.on("request", lambda r: sent.append(r.post_data_json["model"]) if r.method == "POST" else None)
        english.goto(url.removesuffix("/v1"))
        english.wait_for_selector("#models:not([hidden])")
        assert english.locator("#models option").all_inner_texts() == ["tiny-fire", "law"]
        assert english.locator("#models").get_attribute("aria-label") == "Model"
        assert english.locator("#model-name").is_hidden()
        ask(english, "count")
        english.select_option("#models", "law")
        answer = ask(english, "count")
        assert sent == ["tiny-fire", "law"] and "law" in answer.locator(".foot").inner_text()
        assert english.evaluate("document.documentElement.scrollWidth") <= 390, "it does not fit a narrow screen"
        english.reload()
        english.wait_for_selector("#models:not([hidden])")
        assert english.input_value("#models") == "law", "the choice stays with the tab"
        english.context.close()  # its open connections would hold up the server's end


def test_a_model_alone_is_no_choice_and_one_that_is_gone_is_forgotten(english: Any, root: str) -> None:
    english.goto(root)
    english.wait_for_function("state.model === 'tiny-fire'")
    assert english.locator("#models").is_hidden() and english.locator("#model-name").inner_text() == "tiny-fire"
    english.evaluate("choose('gone')")
    failed = ask(english, "count")
    assert "'gone' does not exist" in failed.inner_text()
    failed.get_by_role("button", name="Try again").click()
    english.wait_for_selector("#messages > .theirs:nth-child(4)[aria-busy=false]")
    assert english.locator(".theirs .body").last.inner_text().startswith("one two")


def test_dark_and_light_follow_the_system_and_the_button(english: Any, root: str) -> None:
    english.emulate_media(color_scheme="dark")
    english.goto(root)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = english.evaluate(ground)
    english.click("#theme")
    light = english.evaluate(ground)
    assert dark != light
    english.emulate_media(color_scheme="light")
    english.click("#theme")
    assert english.evaluate(ground) == dark


def test_a_missing_key_is_asked_for_and_then_used(english: Any, taught: Transformer, tokenizer: Tokenizer) -> None:
    engine = Engine(taught, tokenizer, max_sequences=2, cache_tokens=2048)
    keys = Keys({hashlib.sha256(b"sk-right").hexdigest(): "me"})
    with running(create_app(engine, tokenizer, name="tiny-fire", settings=SETTINGS, keys=keys)) as url:
        english.goto(url.removesuffix("/v1"))
        failed = ask(english, "count")
        assert english.locator("#key-problem").is_visible() and "API key" in failed.inner_text()
        english.fill("#key", "sk-right")
        english.click("dialog .primary")
        failed.get_by_role("button", name="Try again").click()
        english.wait_for_selector("#messages > .theirs:nth-child(4)[aria-busy=false]")
        assert english.locator(".theirs .body").last.inner_text().startswith("one two")
        english.context.close()  # its open connections would hold up the server's end


def test_a_connection_that_breaks_is_said_in_words_with_a_way_to_try_again(
    page: Any, taught: Transformer, tokenizer: Tokenizer
) -> None:
    engine, go = Engine(taught, tokenizer, max_sequences=2, cache_tokens=2048), threading.Event()
    step = engine.step
    engine.step = lambda: (go.wait(30), step())[1]  # type: ignore[method-assign]  # the answer has begun and does not end
    app = create_app(engine, tokenizer, name="tiny-fire", settings=SETTINGS)
    with running(app) as url:
        page.goto(url.removesuffix("/v1"))
        page.fill("#input", "count")
        with page.expect_response("**/v1/chat/completions"):
            page.keyboard.press("Enter")
        for connection in list(app.state.server.server_state.connections):
            connection.loop.call_soon_threadsafe(connection.transport.abort)
        page.wait_for_selector("#send:not(.running)")
        answer = page.locator("#messages > .theirs").last
        go.set()
        assert answer.locator(".problem").inner_text() == "连接在回答完成前中断。"
        page.wait_for_selector(".dot.good")
        answer.get_by_role("button", name="重试").click()
        page.wait_for_selector("#messages > .theirs:nth-child(4)[aria-busy=false]")
        assert page.locator(".theirs .body").last.inner_text().startswith("one two")
        page.context.close()  # its open connections would hold up the server's end

"""Pages of other origins in a browser (CORS): who may ask, what is answered without a key, and that errors are seen, too."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from firesteel.core.config import ServeSettings
from firesteel.core.errors import RecipeError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.openai import access, server
from firesteel.serve.openai.access import Keys
from firesteel.serve.openai.connections import Limits
from firesteel.serve.openai.listener import listen, url_of
from firesteel.serve.openai.process import Server, Starting
from firesteel.serve.openai.server import running
from firesteel.serve.options import settings_of
from tests.serve.api import ENDLESS, WordGuard, app_of, assert_error, body, http

OURS, OTHER = "https://chat.example.org", "https://evil.example.com"
ASKED = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-stainless-os"}
KEY = {"Authorization": "Bearer sk-right"}
SMALL = {"max_sequences": 4, "max_queued": 4, "max_new_tokens": 100}


def opened(taught: Transformer, tokenizer: Tokenizer, *origins: str, **options: Any) -> Any:
    return app_of(taught, tokenizer, ServeSettings(**SMALL, allow_origins=origins), **options)


@pytest.fixture(scope="module")
def asked(taught: Transformer, tokenizer: Tokenizer) -> Iterator[str]:
    """Base URL of a server that takes one key, and lets the pages of one origin ask."""
    keys = Keys({hashlib.sha256(b"sk-right").hexdigest(): "me"})
    with running(opened(taught, tokenizer, OURS, keys=keys)) as url:
        yield url


def preflight(url: str, origin: str, path: str = "/chat/completions", **headers: str) -> httpx.Response:
    return http().options(url + path, headers={"Origin": origin, **ASKED, **headers})


def allowed(response: httpx.Response, origin: str = OURS) -> bool:
    assert "Origin" in response.headers["vary"]
    return bool(response.headers.get("access-control-allow-origin") == origin)


def test_a_browser_may_ask_without_a_key_whether_its_page_may_ask_with_one(asked: str) -> None:
    response = preflight(asked, OURS, **{"Access-Control-Request-Private-Network": "true"})
    told = response.headers
    assert response.status_code == 200 and allowed(response)
    assert told["access-control-allow-headers"] == ASKED["Access-Control-Request-Headers"]
    assert {"GET", "POST", "DELETE"} == set(told["access-control-allow-methods"].split(", "))
    assert told["access-control-allow-credentials"] == told["access-control-allow-private-network"] == "true"
    assert int(told["access-control-max-age"]) > 0


def test_the_request_itself_needs_the_key_and_a_refusal_can_be_read(asked: str) -> None:
    response = http().post(f"{asked}/chat/completions", json=body(), headers={"Origin": OURS})
    assert_error(response, 401, None, "invalid_api_key")
    assert allowed(response)
    response = http().post(f"{asked}/chat/completions", json=body(max_tokens=1), headers={"Origin": OURS, **KEY})
    assert response.status_code == 200 and allowed(response)
    response = http().get(f"{asked}/models", headers=KEY)
    assert response.status_code == 200 and "access-control-allow-origin" not in response.headers
    assert "Origin" in response.headers["vary"], "a cache must not show one origin's answer to another"


@pytest.mark.parametrize("origin", [OTHER, OURS + ".evil.com", OURS + ":8443", "null", "http://chat.example.org"])
def test_other_pages_are_told_nothing(asked: str, origin: str) -> None:
    response = preflight(asked, origin)
    assert f"--allow-origin {origin}" in assert_error(response, 405, None, "method_not_allowed")["message"]
    for answer in (response, http().get(f"{asked}/models", headers={"Origin": origin, **KEY})):
        assert not any(name.startswith("access-control") for name in answer.headers)


def test_without_the_setting_options_is_a_clean_405(url: str, asked: str) -> None:
    for base in (url, asked):  # with keys, too: nothing is behind it
        response = http().options(f"{base}/chat/completions")
        assert "start it" not in assert_error(response, 405, None, "method_not_allowed")["message"]
        assert response.headers["allow"] == "POST"
    assert_error(preflight(url, OURS), 405, None, "method_not_allowed")
    assert "access-control-allow-origin" not in http().get(f"{url}/models", headers={"Origin": OURS}).headers


def test_every_error_can_be_read_by_the_page(
    taught: Transformer, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(WordGuard):
        def check_input(self, text: str) -> Any:
            if text == "break":
                raise RuntimeError("out of order")
            return super().check_input(text)

    monkeypatch.setattr(access, "BODY_SECONDS", 0.2)
    page = {"Origin": OURS}
    with running(opened(taught, tokenizer, OURS, guard=Broken())) as url:

        def post(asked: dict[str, Any], path: str = "/chat/completions") -> httpx.Response:
            return http().post(url + path, json=asked, headers=page)

        def half() -> Iterator[bytes]:
            yield b"{"
            threading.Event().wait(0.5)
            yield b"}"

        got = {
            400: post({}),
            404: post({}, "/nothing"),
            405: http().get(f"{url}/chat/completions", headers=page),
            408: http().post(f"{url}/chat/completions", content=half(), headers=page),
            413: post(body("z" * (access.MAX_BODY + 1))),
            429: post(body("forever", n=9, **ENDLESS)),
            500: post(body("break")),
        }
    with running(opened(taught, tokenizer, OURS), limits=Limits(connections=0)) as url:
        got[503] = http().get(f"{url}/models", headers=page)
    for status, response in got.items():
        assert response.status_code == status and allowed(response), (status, response.text, response.headers)
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert got[429].headers["access-control-expose-headers"] == "Retry-After"


def test_a_page_sees_that_the_model_is_being_loaded(taught: Transformer, tokenizer: Tokenizer) -> None:
    loaded = threading.Event()

    def make() -> Any:
        loaded.wait(20)
        return opened(taught, tokenizer, OURS)

    with listen("127.0.0.1", 0) as listener:
        loading = Server(Starting(make, lambda: None), drain=1, origins=(OURS,))
        thread = threading.Thread(target=loading.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        response = http().get(f"{url_of(listener)}/v1/models", headers={"Origin": OURS})
        assert_error(response, 503, None, "loading")
        assert allowed(response) and preflight(url_of(listener), OURS).status_code == 200
        loaded.set()
        loading.drain()
        thread.join(20)
    assert not thread.is_alive()


def test_any_page_may_ask_but_not_with_somebodys_cookies(taught: Transformer, tokenizer: Tokenizer) -> None:
    with running(opened(taught, tokenizer, "*")) as url:
        for origin in (OTHER, "null"):
            response = preflight(url, origin)
            assert response.status_code == 200 and allowed(response, origin)
            assert "access-control-allow-credentials" not in response.headers
        response = http().post(
            f"{url}/chat/completions", json=body(stream=True, max_tokens=2), headers={"Origin": OTHER}
        )
        assert allowed(response, OTHER) and response.text.endswith("data: [DONE]\n\n")


def test_what_is_open_is_said_at_the_start() -> None:
    def said(*origins: str) -> str:
        console = Console(file=io.StringIO(), width=200)
        server._warn(console, origins, open=False)
        return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]

    assert not said()
    assert "any web page" in said("*") and OURS in said(OURS)


def test_origins_come_from_the_recipe_the_setting_and_the_command_line(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'name = "x"\n[serve]\nallow_origins = ["{OURS}"]\n', encoding="utf-8")
    assert settings_of(None, None).allow_origins == ()
    assert settings_of(recipe, None).allow_origins == (OURS,)
    assert settings_of(recipe, [f'allow_origins=["{OTHER}"]']).allow_origins == (OTHER,)
    assert settings_of(recipe, None, [OTHER, "http://localhost:3000"]).allow_origins == (OTHER, "http://localhost:3000")
    assert settings_of(None, None, ["*", "chrome-extension://abc"]).allow_origins == ("*", "chrome-extension://abc")


@pytest.mark.parametrize(
    "origin", ["chat.example.org", OURS + "/", OURS + "/page", "HTTPS://chat.example.org", "", "null", "https://a b"]
)
def test_what_no_browser_would_send_is_refused(origin: str) -> None:
    with pytest.raises(RecipeError, match="allow_origins") as e:
        settings_of(None, None, [origin])
    assert "https://chat.example.org" in e.value.hint

"""Load, stalls and the end: clients who hang or run away, too many of them, and how a server drains."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from firesteel.compute import proc
from firesteel.core.config import ServeSettings
from firesteel.core.errors import FiresteelError, UserError
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.openai import access, server
from firesteel.serve.openai.access import Access, Keys
from firesteel.serve.openai.connections import Limits
from firesteel.serve.openai.listener import listen, url_of
from firesteel.serve.openai.process import Server, Starting
from firesteel.serve.openai.server import running
from tests.serve.api import ENDLESS, NAME, app_of, assert_error, body, idle, wait_until

SHORT = Limits(connections=400, head=1.0, write=1.0)
CROWD = 500


@pytest.fixture
def slow(taught: Transformer, tokenizer: Tokenizer) -> Any:
    """An application whose answers take seconds."""
    app = app_of(taught, tokenizer, ServeSettings(max_sequences=4, max_queued=4, max_new_tokens=100))
    engine = app.state.loop.engine
    step = engine.step

    def slower() -> Any:
        time.sleep(0.01)
        return step()

    engine.step = slower
    return app


@pytest.fixture
def own() -> Iterator[httpx.Client]:
    """A client whose connections end with the test."""
    with httpx.Client(timeout=30, verify=False) as client:
        yield client


def address(url: str) -> tuple[str, int]:
    return "127.0.0.1", int(url.removesuffix("/v1").rsplit(":", 1)[1])


def root(url: str) -> str:
    return url.removesuffix("/v1")


def answer(sock: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and JSON of what comes until the other side closes."""
    sock.settimeout(15)
    text = b""
    while part := sock.recv(65536):
        text += part
    head, _, content = text.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(content)["error"]


def files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_crowd_of_bad_clients_leaves_nothing_behind(
    taught: Transformer, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "BODY_SECONDS", 1.0)
    app = app_of(taught, tokenizer)
    with running(app, limits=SHORT) as url, httpx.Client(timeout=30, verify=False) as good:
        state = app.state.server.server_state
        assert good.post(f"{url}/chat/completions", json=body("count", max_tokens=2)).status_code == 200
        before, memory = files(), proc.resident(os.getpid())
        command = [
            sys.executable,
            str(Path(__file__).with_name("crowd.py")),
            str(address(url)[1]),
            NAME,
            str(CROWD),
            "4",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as crowd:
            statuses = []
            while crowd.poll() is None:
                response = good.post(f"{url}/chat/completions", json=body("count", max_tokens=2))
                statuses.append(response.status_code)
                if response.status_code == 429:
                    assert int(response.headers["retry-after"]) >= 1
            told, _ = crowd.communicate(timeout=30)
        ends = json.loads(told)
        assert sum(ends.values()) == CROWD, ends
        assert (
            ends["shed with 408"] >= CROWD // 5 and ends["shed with 408"] + ends.get("shed with 429", 0) >= CROWD // 3
        ), ends
        assert set(statuses) <= {200, 429} and 200 in statuses, statuses
        wait_until(lambda: idle(app), "sequences or blocks were left")
        wait_until(lambda: len(state.connections) <= 1 and not state.tasks, "connections or tasks were left")
        gc.collect()
        assert files() <= before + 2, "sockets were left"
        assert not app.state.loop._inboxes and not app.state.loop._queued and not app.state.loop._owners
        assert proc.resident(os.getpid()) - memory < 100 << 20
        assert good.post(f"{url}/chat/completions", json=body("count", max_tokens=2)).status_code == 200


def test_a_connection_too_many_is_503_but_health_tells_the_truth(
    app: Any, taught: Transformer, tokenizer: Tokenizer, own: httpx.Client
) -> None:
    with running(app_of(taught, tokenizer), limits=Limits(connections=5)) as url:
        others = [socket.create_connection(address(url)) for _ in range(5)]
        response = own.get(f"{url}/models")
        assert_error(response, 503, None, "too_many_connections")
        assert int(response.headers["retry-after"]) >= 1 and response.headers["connection"] == "close"
        assert own.get(f"{root(url)}/health").status_code == 200
        for other in others:
            other.close()
        wait_until(lambda: httpx.get(f"{url}/models").status_code == 200, "the room was not given back")


def test_half_a_request_is_408(taught: Transformer, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "BODY_SECONDS", 0.5)
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\nContent-Type: application/json\r\n\r\n"
    )
    with running(app_of(taught, tokenizer), limits=Limits(head=0.5)) as url:
        with socket.create_connection(address(url)) as sock:
            sock.settimeout(15)
            assert sock.recv(1) == b"", "who has said nothing is let go without an answer"
        for sent in (b"POST /v1/chat", head, head + b'{"model"', b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\nGET"):
            with socket.create_connection(address(url)) as sock:
                sock.sendall(sent)
                if sent.endswith(b"GET"):  # half a head after a whole request counts, too
                    assert sock.recv(65536).startswith(b"HTTP/1.1 200")
                status, error = answer(sock)
            assert status == 408 and error["code"] == "request_timeout" and set(error) >= {"type", "param"}, sent
        with socket.create_connection(address(url)) as sock:  # one that drips is not faster
            began = time.monotonic()
            with pytest.raises(ConnectionError):
                while time.monotonic() - began < 10:
                    sock.sendall(b"G")
                    time.sleep(0.02)
            assert time.monotonic() - began < 5


@pytest.mark.parametrize("key", [b"", b"Authorization: Bearer sk-right\r\n"])
def test_a_request_with_two_lengths_is_refused_and_nothing_after_it_is_read(
    taught: Transformer, tokenizer: Tokenizer, key: bytes
) -> None:
    keys = Keys({hashlib.sha256(b"sk-right").hexdigest(): "me"})
    lengths = b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n"
    first = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + key + lengths + b"\r\n0\r\n\r\n"
    with running(app_of(taught, tokenizer, keys=keys)) as url, socket.create_connection(address(url)) as sock:
        sock.sendall(first + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        status, error = answer(sock)  # its JSON would not be one object if the second were answered, too
    assert status == 400 and "exclude each other" in error["message"]


def test_what_is_no_http_is_answered_like_any_mistake(taught: Transformer, tokenizer: Tokenizer) -> None:
    with running(app_of(taught, tokenizer)) as url:
        for sent in (b"\x16\x03\x01 garbage\r\n\r\n", b"GET /health HTTP/1.1\r\n\r\n"):
            with socket.create_connection(address(url)) as sock:
                sock.sendall(sent)
                status, error = answer(sock)
            assert status == 400 and error["code"] == "invalid_http" and set(error) >= {"type", "param"}, sent


def test_bodies_of_all_requests_together_are_bounded(
    taught: Transformer, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch, own: httpx.Client
) -> None:
    app = app_of(taught, tokenizer)
    with running(app) as url:
        monkeypatch.setattr(access, "MAX_HELD", 1000)
        response = own.post(f"{url}/chat/completions", json=body("z" * 2000))
        assert_error(response, 503, None, "busy")
        assert response.headers["retry-after"]
        assert own.post(f"{url}/chat/completions", json=body("count", max_tokens=1)).status_code == 200


def test_a_client_that_never_reads_is_dropped(taught: Transformer, tokenizer: Tokenizer) -> None:
    app = app_of(taught, tokenizer)
    with running(app, limits=Limits(write=1.0)) as url, socket.socket() as sock:
        state = app.state.server.server_state
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(address(url))
        sock.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        wait_until(lambda: state.tasks, "nothing is being answered")
        wait_until(lambda: not state.connections and not state.tasks, "it was kept")


def stream(client: httpx.Client, url: str) -> Any:
    """An answer that goes on for seconds; its first line has come."""
    request = client.build_request("POST", f"{url}/chat/completions", json=body("forever", stream=True, **ENDLESS))
    response = client.send(request, stream=True)
    lines = response.iter_lines()
    next(lines)
    return lines


def test_openais_client_lets_go_of_an_idle_connection_before_the_server_does(slow: Any) -> None:
    kept = Server(slow, drain=0).config.timeout_keep_alive
    client = openai.DEFAULT_CONNECTION_LIMITS.keepalive_expiry
    assert client is not None and client + 1 < kept < Limits().head, "who closes while the other sends loses a request"


def test_draining_finishes_what_runs_and_takes_nothing_new(slow: Any, own: httpx.Client) -> None:
    with running(slow, drain=60) as url:
        assert own.get(f"{root(url)}/ready").json() == {"status": "ready", "model": NAME}
        lines = stream(own, url)
        slow.state.server.drain()
        with httpx.Client(verify=False) as new:
            response = new.get(f"{root(url)}/ready")
            assert_error(response, 503, None, "draining")
            assert int(response.headers["retry-after"]) >= 1
            assert new.get(f"{root(url)}/health").status_code == 200
            assert_error(new.post(f"{url}/chat/completions", json=body()), 503, None, "draining")
            assert "firesteel_ready 0.0" in new.get(f"{root(url)}/metrics").text
        rest = [line for line in lines if line]
        assert rest[-1] == "data: [DONE]" and '"finish_reason":"length"' in rest[-2]
    assert slow.state.server.unfinished == 0


@pytest.mark.parametrize("how", ["the time is up", "a second signal"])
def test_what_cannot_be_finished_is_told_so(slow: Any, own: httpx.Client, how: str) -> None:
    with running(slow, drain=0.2 if how == "the time is up" else 60) as url:
        lines = stream(own, url)
        began = time.monotonic()
        slow.state.server.handle_exit(signal.SIGTERM, None)
        if how == "a second signal":
            slow.state.server.handle_exit(signal.SIGTERM, None)
        rest = [line for line in lines if line]
        assert "shutting down" in json.loads(rest[-2][6:])["error"]["message"] and rest[-1] == "data: [DONE]"
    assert time.monotonic() - began < 5 and slow.state.server.unfinished == 1


def test_a_server_answers_while_its_model_loads(slow: Any, own: httpx.Client) -> None:
    loaded = threading.Event()

    def make() -> Any:
        loaded.wait(20)
        return slow

    with listen("127.0.0.1", 0) as listener:
        starting = Starting(make, lambda: None)
        http = Server(starting, drain=1)
        thread = threading.Thread(target=http.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        url = url_of(listener)
        assert own.get(f"{url}/health").json() == {"status": "loading"}
        response = own.get(f"{url}/ready")
        assert_error(response, 503, None, "loading")
        assert response.headers["retry-after"]
        assert_error(own.post(f"{url}/v1/chat/completions", json=body()), 503, None, "loading")
        loaded.set()
        wait_until(lambda: own.get(f"{url}/ready").status_code == 200, "never ready")
        http.drain()
        thread.join(20)
    assert not thread.is_alive() and slow.state.loop._thread is not None and not slow.state.loop._thread.is_alive()


def test_a_model_that_cannot_be_loaded_ends_the_server(folder: Path) -> None:
    with pytest.raises(UserError, match="smaller than one full context"):
        server.serve(folder, port=0, settings=ServeSettings(cache_gb=1e-6))
    with pytest.raises(UserError, match="'law' is no LoRA adapter"):
        server.serve(folder, port=0, adapters={"law": folder})
    with pytest.raises(UserError, match="called as the model"):
        server.serve(folder, port=0, adapters={"tiny-fire": folder})


def test_a_cut_server_ends_with_an_error(folder: Path) -> None:
    ended = Server(Starting(lambda: None, lambda: None), drain=1)  # type: ignore[arg-type, return-value]
    ended.force_exit, ended.unfinished = True, 2
    with pytest.raises(FiresteelError, match="second signal") as e:
        server._raise_end(Starting(lambda: None, lambda: None), ended)  # type: ignore[arg-type, return-value]
    assert "2 requests" in e.value.why and e.value.exit_code == 1


@pytest.mark.parametrize("key,owner", [("sk-right", "ward 3"), ("sk-wrong", None)])
def test_a_keys_owner_is_known_to_the_application(key: str, owner: str | None) -> None:
    import hashlib

    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["firesteel.owner"])

    async def send(message: Any) -> None:
        pass

    keys = Keys({hashlib.sha256(b"sk-right").hexdigest(): "ward 3"})
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/models",
        "headers": [(b"authorization", f"Bearer {key}".encode())],
    }
    asyncio.run(Access(app, keys, frozenset())(scope, app, send))  # type: ignore[arg-type]
    assert seen == ([owner] if owner else [])
    asyncio.run(Access(app, None, frozenset())(scope, app, send))  # type: ignore[arg-type]
    assert seen[-1] == ""

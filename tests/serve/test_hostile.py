"""Clients that never send all, never read, or send what no client sends: nothing hangs, nothing grows, nothing is a 5xx."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import threading
import time
from typing import Any

import pytest

from firesteel.compute import proc
from firesteel.core.config import ServeSettings
from firesteel.core.tokenizer import Tokenizer
from firesteel.model.transformer import Transformer
from firesteel.serve.openai import operation, process
from firesteel.serve.openai.access import MAX_BODY
from firesteel.serve.openai.connections import Limits
from firesteel.serve.openai.server import running
from tests.serve.api import ENDLESS, NAME, app_of, body, idle, wait_until

POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def address(url: str) -> tuple[str, int]:
    return "127.0.0.1", int(url.removesuffix("/v1").rsplit(":", 1)[1])


def connect(url: str) -> socket.socket:
    return socket.create_connection(address(url), timeout=15)


def sent(asked: Any) -> bytes:
    text = json.dumps(asked).encode()
    return POST + b"Content-Length: %d\r\n\r\n" % len(text) + text


def rest(sock: socket.socket) -> bytes:
    """What comes until the other side closes."""
    text = b""
    with contextlib.suppress(ConnectionError):
        while part := sock.recv(65536):
            text += part
    return text


def slowed(taught: Transformer, tokenizer: Tokenizer, tokens: int) -> tuple[Any, list[int]]:
    """An application whose steps take 10 ms and are counted."""
    app = app_of(taught, tokenizer, ServeSettings(max_sequences=4, max_queued=4, max_new_tokens=tokens))
    engine, steps = app.state.loop.engine, [0]
    step = engine.step

    def slower() -> Any:
        steps[0] += 1
        time.sleep(0.01)
        return step()

    engine.step = slower
    return app, steps


def test_a_drain_does_not_wait_for_requests_that_never_arrive(
    taught: Transformer, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "GRACE", 0.5)
    app, _ = slowed(taught, tokenizer, 200)
    halves = {
        "a body": POST + b"Content-Length: 99\r\n\r\n{",
        "a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
        "a body too large": POST + b"Content-Length: %d\r\n\r\n{" % (MAX_BODY + 1),
        "a head": b"POST /v1/chat",
    }
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(running(app, drain=60))
        stalled = {name: stack.enter_context(connect(url)) for name in halves}
        for name, half in halves.items():
            stalled[name].sendall(half)
        late = stack.enter_context(connect(url))
        late.sendall(sent(body(max_tokens=2))[:-5])
        reading = stack.enter_context(connect(url))
        reading.sendall(sent(body("forever", stream=True, **ENDLESS)))
        assert reading.recv(65536).startswith(b"HTTP/1.1 200")
        wait_until(lambda: len(app.state.server.server_state.tasks) == 5, "they did not come")
        began = time.monotonic()
        app.state.server.handle_exit(signal.SIGTERM, None)
        time.sleep(0.1)
        late.sendall(sent(body(max_tokens=2))[-5:])
        ends = {name: rest(sock) for name, sock in stalled.items()}
        took = time.monotonic() - began
        assert 0.4 < took < 2, took
        for name, status in (("a body", 503), ("a chunk", 503), ("a body too large", 413), ("a head", 408)):
            assert ends[name].startswith(b"HTTP/1.1 %d" % status), (name, ends[name])
        assert b'"code":"draining"' in ends["a body"] and b'"code":"draining"' in ends["a chunk"]
        assert rest(late).startswith(b"HTTP/1.1 200"), "what arrives in the grace is answered"
        assert rest(reading).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"), "a stream gets its end"
    assert app.state.server.unfinished == 0


def test_a_drain_ends_with_the_last_request_not_with_the_last_connection(
    taught: Transformer, tokenizer: Tokenizer
) -> None:
    with contextlib.ExitStack() as stack:
        with running(app_of(taught, tokenizer), drain=60) as url:
            for text in (b"", b"GET /he", POST + b"Content-Length: 99\r\n\r\n{"):
                stack.enter_context(connect(url)).sendall(text)
            time.sleep(0.2)
            began = time.monotonic()
        assert time.monotonic() - began < process.GRACE + 2.5


@pytest.mark.parametrize("sip", [0, 100])
def test_a_stream_that_nobody_reads_is_bounded_and_aborted(taught: Transformer, tokenizer: Tokenizer, sip: int) -> None:
    app, steps = slowed(taught, tokenizer, 480)
    asked = body("forever", stream=True, n=4, logprobs=True, top_logprobs=20, **ENDLESS)
    with running(app, limits=Limits(write=1.0)) as url, socket.socket() as sock:
        state, memory = app.state.server.server_state, proc.resident(os.getpid())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(address(url))
        sock.sendall(sent(asked))
        wait_until(lambda: state.tasks, "nothing is being answered")
        most = 0
        deadline = time.monotonic() + 20
        while state.tasks and time.monotonic() < deadline:
            inboxes = app.state.loop._inboxes
            most = max([most, *(inbox.qsize() for inbox in list(inboxes.values()))])
            time.sleep(0.01)
            if sip:  # a few bytes now and then are not reading
                with contextlib.suppress(ConnectionError):
                    sock.recv(sip)
        assert not state.tasks and steps[0] < 480, "it was computed to its end"
        assert most > 2, "it was read"  # as far as a busy machine lets the model get ahead
        wait_until(lambda: idle(app), "the sequences were not aborted")
        assert proc.resident(os.getpid()) - memory < 32 << 20


def nested(depth: int, inner: str = "1") -> str:
    return '{"a":' * depth + inner + "}" * depth


def asking(**options: str) -> bytes:
    """A chat request whose fields are given as JSON text."""
    fields = {"model": f'"{NAME}"', "messages": '[{"role":"user","content":"count"}]', "max_tokens": "2", **options}
    text = ("{" + ",".join(f'"{key}":{value}' for key, value in fields.items()) + "}").encode("utf-8", "surrogatepass")
    return POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(text) + text


def raw(text: bytes, more: bytes = b"") -> bytes:
    return POST + more + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(text) + text


def line(text: bytes, more: bytes = b"") -> bytes:
    return text + b"\r\nHost: x\r\nConnection: close\r\n" + more + b"\r\n"


GOOD = b'{"model":"%s","messages":[{"role":"user","content":"count"}],"max_tokens":2}' % NAME.encode()
CHUNKED = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
SCHEMA = '{"type":"json_schema","json_schema":{"name":"x","schema":%s}}'
UPGRADE = b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

ODD = {  # what is sent -> the statuses that are right
    "an endless header": (b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000, {400, 431}),
    "very many headers": (line(b"GET /health HTTP/1.1", b"X: a\r\n" * 20_000), {200, 400, 431}),
    "a null in a header": (line(b"GET /health HTTP/1.1", b"X: a\0b\r\n"), {400}),
    "a header without a name": (line(b"GET /health HTTP/1.1", b": b\r\n"), {400}),
    "a space before the colon": (line(b"GET /health HTTP/1.1", b"X : b\r\n"), {400}),
    "two lengths": (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", {400}),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n", {400}),
    "a length beyond numbers": (POST + b"Content-Length: " + b"9" * 500 + b"\r\n\r\n", {400, 413}),
    "an unknown coding": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", {400, 501}),
    "chunks of garbage": (CHUNKED + b"zz\r\n{}", {400}),
    "a chunk beyond memory": (CHUNKED + b"FFFFFFFFFFFFFFFFFFFFFF\r\n", {400}),
    "a chunk whose end is wrong": (CHUNKED + b"2\r\n{}XX0\r\n\r\n", {400}),
    "good chunks": (CHUNKED + b"%x\r\n" % len(GOOD) + GOOD + b"\r\n0\r\nX: trailer\r\n\r\n", {200}),
    "HTTP/1.0": (b"GET /health HTTP/1.0\r\n\r\n", {200}),
    "HTTP/0.9": (b"GET /health\r\n\r\n", {400}),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 404, 505}),
    "TLS": (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", {400}),
    "a web socket": (line(b"GET /v1/models HTTP/1.1", UPGRADE).replace(b"close", b"Upgrade, close"), {200}),
    "a proxy's request": (line(b"GET http://x/health HTTP/1.1"), {404}),
    "CONNECT": (line(b"CONNECT x:443 HTTP/1.1"), {404, 405}),
    "TRACE": (line(b"TRACE /health HTTP/1.1"), {405}),
    "OPTIONS of all": (line(b"OPTIONS * HTTP/1.1"), {404, 405}),
    "a method in small letters": (line(b"get /health HTTP/1.1"), {200, 405}),
    "a null in the path": (line(b"GET /v1/models/%00%ff%ed%a0%80 HTTP/1.1"), {404}),
    "a way out of the folder": (line(b"GET /../../etc/passwd HTTP/1.1"), {404}),
    "an encoded way out": (line(b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1"), {404}),
    "a long path": (line(b"GET /" + b"a" * 30_000 + b" HTTP/1.1"), {404}),
    "HEAD": (line(b"HEAD /health HTTP/1.1"), {200, 405}),
    "no body": (raw(b""), {400}),
    "no object": (raw(b'"hello"'), {400}),
    "a null in the body": (raw(b"{\0}"), {400}),
    "a null behind the body": (raw(GOOD + b"\0"), {400}),
    "bytes that are no UTF-8": (raw(b'{"model":"\xff\xfe"}'), {400}),
    "a BOM": (raw(b"\xef\xbb\xbf" + GOOD), {200, 400}),
    "UTF-16": (raw(GOOD.decode().encode("utf-16")), {200, 400}),
    "a body that is packed": (raw(b"\x1f\x8b\x08", b"Content-Encoding: gzip\r\n"), {400}),
    "a form": (raw(b"{}").replace(b"application/json", b"multipart/form-data"), {400}),
    "brackets without end": (raw(b"[" * 500_000), {400}),
    "tables without end": (raw(nested(100_000).encode()), {400}),
    "a deep unknown field": (asking(unknown=nested(900)), {400}),
    "deep metadata": (asking(metadata=nested(900)), {400}),
    "a deep schema": (asking(response_format=SCHEMA % nested(900)), {400}),
    "a schema that is itself": (asking(response_format=SCHEMA % '{"$ref":"#"}'), {200, 400}),
    "a schema's endless pattern": (asking(response_format=SCHEMA % '{"type":"string","pattern":"(a+)+$"}'), {200, 400}),
    "a schema's endless string": (
        asking(response_format=SCHEMA % '{"type":"string","minLength":1000000000}'), {200, 400}
    ),
    "very many messages": (asking(messages="[" + ",".join(['{"role":"user","content":""}'] * 30_000) + "]"), {400}),
    "very many elements": (asking(stop="[" + ",".join(['"a"'] * 100_000) + "]"), {400}),
    "keys in odd case": (asking(Model='"x"', MESSAGES="[]"), {400}),
    "a key twice": (asking().replace(b'"max_tokens"', b'"n":1,"n"    '), {200, 400}),
    "half a character": (asking(messages='[{"role":"user","content":"\\ud800"}]'), {200, 400}),
    "half a character in a key": (asking(**{"\\ud800": "1"}), {400}),
    "half a character as a stop": (asking(stop='"\\udfff"'), {200, 400}),
    "a number beyond numbers": (asking(seed="9" * 10_000), {400}),
    "a large seed": (asking(seed=str(2**80)), {400}),
    "a float beyond floats": (asking(temperature="1e999"), {400}),
    "not a number": (asking(temperature="NaN"), {400}),
    "a bias of no token": (asking(logit_bias='{"\uff11":1,"\u00b2":1,"-1":1,"99999999999999999999":1}'), {400}),
    "a long model name": (asking(model='"' + "x" * 500_000 + '"'), {404}),
    "a key that is no text": (line(b"GET /v1/models HTTP/1.1", b"Authorization: Bearer \xff\xfe\r\n"), {200}),
}  # fmt: skip


@pytest.fixture
def logged() -> Any:
    """What the server's loggers say at ERROR or above."""
    told: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    listener, loggers = (
        Listener(logging.ERROR),
        [logging.getLogger(n) for n in ("uvicorn.error", "firesteel", "asyncio")],
    )
    for logger in loggers:
        logger.addHandler(listener)
    yield told
    for logger in loggers:
        logger.removeHandler(listener)


@pytest.mark.parametrize("name", ODD)
def test_odd_requests_are_answered_and_nothing_breaks(url: str, app: Any, logged: list[str], name: str) -> None:
    text, right = ODD[name]
    began = time.monotonic()
    with connect(url) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(text)
        answer = rest(sock)
    assert time.monotonic() - began < 5
    status = int(answer.split(maxsplit=2)[1])
    assert status in right, answer[:600]
    assert not logged and b"Traceback" not in answer
    if status >= 400 and not text.startswith(b"HEAD"):
        error = json.JSONDecoder().raw_decode(answer.partition(b"\r\n\r\n")[2].decode())[0]["error"]
        assert set(error) == {"message", "type", "param", "code"} and len(answer) < 4096
    wait_until(lambda: idle(app), "something is still computed")


def test_pipelined_requests_are_answered_in_order(url: str) -> None:
    one, two = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", sent(body(max_tokens=2))
    with connect(url) as sock:
        sock.sendall((one + two) * 20 + line(b"GET /nothing HTTP/1.1"))
        answers = rest(sock)
    statuses = [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200] * 40 + [404] and answers.count(b'"chat.completion"') == 20


def test_a_body_is_asked_for_before_it_is_sent(url: str) -> None:
    text = json.dumps(body(max_tokens=2)).encode()
    with connect(url) as sock:
        sock.sendall(POST + b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(text))
        assert sock.recv(65536).startswith(b"HTTP/1.1 100 ")
        sock.sendall(text)
        assert rest(sock).startswith(b"HTTP/1.1 200 ")
    with connect(url) as sock:  # one that is too large is not even begun
        sock.sendall(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY * 1000))
        assert sock.recv(65536).startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 100 "))


def test_a_crowd_is_turned_away_before_its_prompts_are_read(
    taught: Transformer, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operation, "PREPARED", 2)
    app = app_of(taught, tokenizer, ServeSettings(max_sequences=1, max_queued=1, max_new_tokens=2))
    held, read, real = threading.Event(), [0], tokenizer.prompt

    def slow(*given: Any, **options: Any) -> Any:
        read[0] += 1
        held.wait(20)
        return real(*given, **options)

    monkeypatch.setattr(tokenizer, "prompt", slow)
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(running(app))
        half = stack.enter_context(connect(url))
        half.sendall(sent(body(max_tokens=1))[:-5])  # takes no place
        crowd = [stack.enter_context(connect(url)) for _ in range(4)]
        for client in crowd:
            client.sendall(sent(body(max_tokens=1)).replace(b"Host: x", b"Host: x\r\nConnection: close"))
        wait_until(lambda: read[0] == 4, "their prompts are not read")
        for path in ("chat/completions", "completions", "responses", "embeddings"):
            with connect(url) as late:
                late.sendall(sent(body()).replace(b"/v1/chat/completions", b"/v1/" + path.encode()))
                answer = late.recv(65536)
                assert answer.startswith(b"HTTP/1.1 429") and b"retry-after: 1" in answer.lower(), answer
        half.sendall(sent(body(max_tokens=1))[-5:])
        assert half.recv(65536).startswith(b"HTTP/1.1 429")
        assert read[0] == 4
        held.set()
        statuses = sorted(int(rest(client).split(maxsplit=2)[1]) for client in crowd)
        assert statuses[:2] == [200, 200] and set(statuses) <= {200, 429}
        wait_until(lambda: idle(app), "the places were not given back")
        with connect(url) as late:
            late.sendall(sent(body(max_tokens=1)))
            assert late.recv(65536).startswith(b"HTTP/1.1 200")
        assert b'error_type="queue_full",gen_ai_operation_name="embeddings"' in app_text(url)


def app_text(url: str) -> bytes:
    with connect(url) as sock:
        sock.sendall(line(b"GET /metrics HTTP/1.1"))
        return rest(sock)

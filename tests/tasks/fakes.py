"""A small HTTP server on loopback that misbehaves as it is told to, request by request."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handler = BaseHTTPRequestHandler
Reply = Callable[[Handler, dict[str, Any]], None]


def completion(text: str = "The answer is 5.", finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    """The body of a chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return {"object": "chat.completion", "choices": [choice], "usage": {"completion_tokens": 7}}


def send(handler: Handler, status: int, body: Any, **headers: str) -> None:
    """One reply with its length; a body that is no bytes goes as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


def fine(handler: Handler, asked: dict[str, Any]) -> None:
    send(handler, 200, completion())


def status(code: int, words: str = "busy", **headers: str) -> Reply:
    return lambda handler, asked: send(handler, code, {"error": {"message": words}}, **headers)


def raw(body: bytes, **headers: str) -> Reply:
    return lambda handler, asked: send(handler, 200, body, **headers)


def hang_up(handler: Handler, asked: dict[str, Any]) -> None:
    handler.connection.close()


def truncated(handler: Handler, asked: dict[str, Any]) -> None:
    """Whole JSON, and yet not all that was promised."""
    send(handler, 200, completion("The answer is 50"), **{"Content-Length": "5000"})


def endless(handler: Handler, asked: dict[str, Any]) -> None:
    """A body without a length that never ends."""
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b" " * (1 << 20))


def dripping(handler: Handler, asked: dict[str, Any]) -> None:
    """A byte now and then: no read waits for long, and the reply never comes."""
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        for _ in range(600):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)


class Fake(ThreadingHTTPServer):
    """Replies with each of `script` in turn, then as `then`; `seen` holds (path, body, headers) of all requests."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *script: Reply, then: Reply = fine) -> None:
        self.script, self.then, self.lock = list(script), then, threading.Lock()
        self.seen: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def asked(self) -> list[dict[str, Any]]:
        """Bodies of the questions."""
        return [body for path, body, _ in self.seen if path.endswith("/chat/completions")]


class _Handler(BaseHTTPRequestHandler):
    server: Fake

    def do_GET(self) -> None:
        self._reply({})

    def do_POST(self) -> None:
        self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _reply(self, body: dict[str, Any]) -> None:
        with self.server.lock:
            self.server.seen.append((self.path, body, dict(self.headers.items())))
            reply = self.server.script.pop(0) if self.server.script else self.server.then
        if reply is not fine or not self.path.endswith("/models"):
            reply(self, body)
        else:
            send(self, 200, {"data": [{"id": "only"}]})

    def log_message(self, *args: Any) -> None:
        pass


@contextlib.contextmanager
def serving(*script: Reply, then: Reply = fine) -> Iterator[Fake]:
    """A running fake."""
    fake = Fake(*script, then=then)
    thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.shutdown()
        fake.server_close()
        thread.join()

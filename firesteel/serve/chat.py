"""Chat in the terminal: the same server as over HTTP, on a free local port, with its answers streamed to the console."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console

from firesteel.core.config import ServeSettings
from firesteel.core.errors import FiresteelError
from firesteel.serve.openai.server import serving
from firesteel.serve.openai.text import Guard

HELP = "[dim]/reset begins a new conversation, /quit (or Ctrl-D) ends, Ctrl-C stops an answer · /reset 新对话，/quit 退出[/dim]"
LABEL = "AI 生成 / AI-generated"


def chat(
    model_folder: Path, guard: Guard | None = None, console: Console | None = None, *, question: str | None = None,
    temperature: float = 0.0, settings: ServeSettings | None = None, device: str = "cpu", context: int = 0,
    read: Callable[[str], str] = input,
) -> str:  # fmt: skip
    """Talk with a model until /quit; with `question`, ask that and return the answer. Raises UserError for the model."""
    console = console or Console()
    settings = settings or ServeSettings(max_sequences=1)  # one talks: the cache is one full context
    with serving(model_folder, guard=guard, settings=settings, device=device, name="model", context=context) as url:
        conversation = Conversation(url, console, temperature)
        if question is not None:
            return conversation.ask(question)
        console.print(HELP, highlight=False)
        last = ""
        while (line := _line(read, console)) is not None:
            if line == "/reset":
                conversation.messages.clear()
                console.print("[dim]new conversation · 新对话[/dim]")
            elif line.startswith("/"):
                console.print(HELP, highlight=False)
            elif line:
                last = conversation.ask(line)
        return last


def _line(read: Callable[[str], str], console: Console) -> str | None:
    """The next line, or None when the user wants to go."""
    try:
        line = read("\n> ").strip()
    except (EOFError, KeyboardInterrupt):
        console.print()
        return None
    return None if line in ("/quit", "/exit") else line


class Conversation:
    """Messages so far, and asking for the next."""

    def __init__(self, url: str, console: Console, temperature: float) -> None:
        self.messages: list[dict[str, str]] = []
        self._thinking = False
        self._url, self._console, self._temperature = url, console, temperature

    def ask(self, question: str) -> str:
        """Print the answer while it comes, reasoning dimmed, and return it. A blocked exchange is not kept."""
        messages = [*self.messages, {"role": "user", "content": question}]
        body = {"model": "model", "messages": messages, "stream": True, "temperature": self._temperature}
        answer, reason = "", None
        try:
            for choice in stream(self._url, body):
                delta = choice["delta"]
                self._print(delta.get("reasoning_content") or "", delta.get("content") or "")
                answer += delta.get("content") or ""
                reason = choice["finish_reason"] or reason
        except KeyboardInterrupt:
            reason = "stopped"  # the user has seen enough; the closed connection stops the engine
        self._console.print(f"\n[dim]({LABEL})[/dim]", highlight=False)
        if answer and reason != "content_filter":
            self.messages = [*messages, {"role": "assistant", "content": answer}]
        return answer

    def _print(self, reasoning: str, answer: str) -> None:
        if answer and self._thinking:
            self._console.print()
        for text, style in ((reasoning, "dim"), (answer, "")):
            if text:
                self._console.print(text, style=style, end="", markup=False, highlight=False, soft_wrap=True)
                self._thinking = bool(style)


def stream(url: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Choices of the chunks of a streamed chat completion. Raises FiresteelError with the server's message."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=300)
    try:
        path = f"{parts.path}/chat/completions"
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise FiresteelError(json.loads(response.read())["error"]["message"])
        for line in response:
            if line.startswith(b"data: {"):
                chunk = json.loads(line[6:])
                if "error" in chunk:
                    raise FiresteelError(chunk["error"]["message"])
                yield from chunk["choices"]
    finally:
        connection.close()

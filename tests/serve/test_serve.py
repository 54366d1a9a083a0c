"""Starting and stopping: a taken port, a folder that is no model, SIGTERM, and the terminal chat over the same server."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from io import StringIO
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from firesteel.core.errors import ArtefactError, FiresteelError, MachineError
from firesteel.serve.chat import chat
from firesteel.serve.engine import Engine
from firesteel.serve.openai.listener import listen
from firesteel.serve.openai.server import serve, serving
from tests.serve.api import LESSONS, WordGuard, http


def test_a_taken_port_is_explained_before_the_model_is_loaded(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(MachineError) as e:
            serve(tmp_path / "absent", port=port)
    assert str(port) in str(e.value) and f"--port {port + 1}" in e.value.hint


@pytest.mark.parametrize("host,hint", [("203.0.113.7", "does not have that address"), ("no host", "127.0.0.1")])
def test_an_address_that_is_not_ours_is_explained(host: str, hint: str) -> None:
    with pytest.raises(MachineError) as e:
        listen(host, 0)
    assert hint in e.value.hint


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="not a finished model"), serving(tmp_path):
        pass


def test_serving_names_the_model_by_its_folder_and_its_hash(folder: Path) -> None:
    with serving(folder) as url:
        assert http().get(f"{url}/models").json()["data"][0]["id"] == "tiny-fire"
        messages = [{"role": "user", "content": "count"}]
        body = {"model": "tiny-fire", "messages": messages, "max_tokens": 1}
        answer = http().post(f"{url}/chat/completions", json=body).json()
        assert answer["system_fingerprint"].startswith("fs-")
    with pytest.raises(httpx.ConnectError):
        http().get(f"{url}/models")


SERVER = "import sys; from pathlib import Path; from firesteel.serve.openai.server import serve; serve(Path(sys.argv[1]), port=0)"


def test_sigterm_ends_the_server_well(folder: Path) -> None:
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    command = [sys.executable, "-c", SERVER, str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        root = line.split(" at ")[1].split()[0]
        for _ in range(100):
            if http().get(f"{root}/health").status_code == 200:
                break
        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=60)
    assert server.returncode == 0 and "Traceback" not in errors, errors


def test_a_dead_engine_ends_the_server_with_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Engine) -> None:
        raise RuntimeError("the cosmic ray")

    monkeypatch.setattr(Engine, "step", broken)
    monkeypatch.setattr("firesteel.serve.openai.server.LINGER", 0.0)
    out = console()
    statuses: list[int] = []

    def ask() -> None:
        while "http://" not in printed(out):
            time.sleep(0.01)
        root = re.search(r"http://[\d.:]+", re.sub(r"\x1b\[[\d;]*m", "", printed(out)))
        assert root
        question = {"model": "tiny-fire", "messages": [{"role": "user", "content": "count"}]}
        statuses.append(http().post(f"{root[0]}/v1/chat/completions", json=question).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    with pytest.raises(FiresteelError, match="the engine died") as e:
        serve(folder, port=0, console=out)
    asking.join()
    assert statuses == [500] and "cosmic ray" in e.value.why and e.value.exit_code == 1


def console() -> Console:
    return Console(file=StringIO(), force_terminal=True, width=100, color_system="standard")


def printed(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_one_question_in_the_terminal(folder: Path) -> None:
    out = console()
    assert chat(folder, console=out, question=LESSONS[0]["user"]) == LESSONS[0]["content"]
    text = printed(out)
    assert f"\x1b[2m{LESSONS[0]['reasoning_content'][0]}" in text, "reasoning is dimmed"
    assert "AI 生成 / AI-generated" in text


def test_a_conversation_in_the_terminal(folder: Path) -> None:
    lines = iter(["", "/what", "count", "FORBIDDEN", "/reset", "count", "/quit", "never read"])
    out = console()
    assert chat(folder, WordGuard(), out, read=lambda _: next(lines)) == LESSONS[1]["content"]
    assert next(lines) == "never read"
    text = printed(out)
    assert text.count("begins") == 2 and "Sorry" in text


def test_the_end_of_input_ends_the_chat(folder: Path) -> None:
    def closed(_: str) -> str:
        raise EOFError

    assert chat(folder, console=console(), read=closed) == ""


def test_a_refused_question_tells_the_servers_reason(folder: Path) -> None:
    with pytest.raises(FiresteelError, match="maximum context length is 512"):
        chat(folder, console=console(), question="z" * 600)

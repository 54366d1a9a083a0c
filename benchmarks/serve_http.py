"""The sides of serve.py that are servers: llama.cpp, and ours through its API. Requests go over loopback, a thread each."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.serve_side import Plan, Request


class Streamed:
    """An engine behind HTTP: a thread a request. `path`, `body` and `read` say how it is spoken to."""

    path = "/completion"
    process: subprocess.Popen[bytes] | None = None

    def __init__(self, url: str) -> None:
        self.address = urllib.parse.urlsplit(url).netloc

    def body(self, request: Request) -> dict[str, Any]:
        """What to post."""
        return {
            "prompt": request.prompt, "n_predict": request.new, "temperature": 0, "ignore_eos": True, "stream": True,
            "return_tokens": True, "cache_prompt": True,
        }  # fmt: skip

    def read(self, request: Request, event: dict[str, Any]) -> None:
        """Take one event of the stream."""
        request.cached = event.get("timings", {}).get("cache_n", request.cached)
        request.take(event["tokens"], event["tokens_predicted"] - len(request.times))  # half a character comes later

    def counters(self) -> dict[str, float]:
        """None."""
        return {}

    def close(self) -> None:
        """End the server, if it is a process of its own."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()

    def play(self, requests: list[Request]) -> None:
        """A thread a request; the last ones wait for their turn."""
        threads, failed = [], []

        def run(request: Request) -> None:
            try:
                self._stream(request)
            except Exception as e:
                failed.append(e)

        for request in requests:
            while any(t.is_alive() and len(r.times) < request.after for r, t in zip(requests, threads, strict=False)):
                time.sleep(0.002)
            request.send()
            threads.append(threading.Thread(target=run, args=(request,)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]

    def _stream(self, request: Request) -> None:
        connection = http.client.HTTPConnection(self.address, timeout=600)
        connection.request("POST", self.path, json.dumps(self.body(request)), {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"HTTP {response.status}: {response.read()[:500]!r}")
        for line in response:
            if line.startswith(b"data: {"):
                self.read(request, json.loads(line[6:]))
        connection.close()


class LlamaCpp(Streamed):
    """llama.cpp's server, as xllamacpp carries it, in this process; spoken to over loopback, as its users do."""

    def __init__(self, plan: Plan) -> None:
        import xllamacpp

        p = xllamacpp.CommonParams()
        p.model.path, p.verbosity, p.n_parallel = plan["gguf"], 0, plan["sequences"]
        p.n_ctx, p.kv_unified = plan["cache_tokens"], True  # one pool for all, no fixed share each
        p.cpuparams.n_threads = p.cpuparams_batch.n_threads = plan["threads"]
        self.server = xllamacpp.Server(p)
        super().__init__(self.server.listening_address)
        system = " ".join(w[:-4] for w in xllamacpp.get_system_info().replace("CPU : ", "").split(" | ") if " = 1" in w)
        self.how = f"llama.cpp (xllamacpp {xllamacpp.__version__}: {system}), {Path(plan['gguf']).stem.rsplit('-')[-1]}"


class LlamaServer(Streamed):
    """A llama-server binary: plan["binary"]."""

    def __init__(self, plan: Plan) -> None:
        port, threads = _free_port(), str(plan["threads"])
        command = [
            plan["binary"], "-m", plan["gguf"], "--port", str(port), "-c", str(plan["cache_tokens"]), "-np",
            str(plan["sequences"]), "--kv-unified", "-t", threads, "-tb", threads, "--no-webui",
        ]  # fmt: skip
        self.process = _started(command, port, "/health")
        super().__init__(f"http://127.0.0.1:{port}")
        said = subprocess.run([plan["binary"], "--version"], capture_output=True, text=True, check=False)
        version = (said.stdout + said.stderr).strip().splitlines()[0]
        self.how = f"llama-server ({version}), {Path(plan['gguf']).stem.rsplit('-')[-1]}"


class OursOverHTTP(Streamed):
    """`firesteel serve` in a process of its own; /v1/completions with token ids."""

    path = "/v1/completions"

    def __init__(self, plan: Plan) -> None:
        port = _free_port()
        command = [sys.executable, "-m", "firesteel", "serve", plan["model"], "--port", str(port), "--no-guard"]
        command += ["--name", "served", "--device", "cpu"]
        self.process = _started(command, port, "/ready")
        super().__init__(f"http://127.0.0.1:{port}")
        self.how = "firesteel serve, /v1/completions, as it serves: the stored number type, and stop ids end an answer"

    def body(self, request: Request) -> dict[str, Any]:
        """What to post."""
        return {
            "model": "served", "prompt": request.prompt, "max_tokens": request.new, "temperature": 0, "stream": True,
            "stream_options": {"include_usage": True},
        }  # fmt: skip

    def read(self, request: Request, event: dict[str, Any]) -> None:
        """Take one event: a piece of text is about a token; usage has the count, which corrects the last."""
        if any(choice.get("text") for choice in event.get("choices", [])):
            request.take([], 1)
        usage = event.get("usage")
        if usage:
            request.take([], max(0, usage["completion_tokens"] - len(request.times)))
            request.cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _started(command: list[str], port: int, path: str) -> subprocess.Popen[bytes]:
    """A server's process, once this path answers 200; it ends with this process' group."""
    process = subprocess.Popen(command, stdout=sys.stderr, stdin=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return process
        except OSError:
            pass
        time.sleep(0.02)
    raise RuntimeError(f"{command[0]} ended with {process.returncode}")

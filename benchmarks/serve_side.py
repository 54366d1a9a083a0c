"""One side of serve.py: an engine in a process of its own, and what it is asked. The peers' kinds need no Firesteel.

    python benchmarks/serve_side.py KIND PLAN.json            KIND: a name in KINDS

The plan names the model, the number type, threads and bounds. The process loads, answers one token, says so in a JSON line,
and then answers each line of requests with the times of their tokens. A request: `prompt` (token ids), `new` (tokens, greedy,
no stop ids), `after` (it is sent when all earlier ones have so many tokens). Times are seconds since the line was read.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

sys.path[0] = str(Path(__file__).parents[1])  # in place of this folder, whose names are no modules
from benchmarks.serve_http import LlamaCpp, LlamaServer, OursOverHTTP  # noqa: E402

Plan = dict[str, Any]
Take = Callable[[list[int], int], None]  # new token ids (maybe unknown: []), and how many they are


class Request:
    """One request and what came of it."""

    def __init__(self, number: int, asked: dict[str, Any], began: float) -> None:
        self.number, self.began = number, began
        self.prompt: list[int] = asked["prompt"]
        self.new: int = asked["new"]
        self.after: int = asked.get("after", 0)
        self.sent = 0.0
        self.times: list[float] = []
        self.ids: list[int] = []
        self.cached = 0  # prompt tokens that were not computed again

    def take(self, ids: list[int], count: int) -> None:
        """Note tokens that have just arrived."""
        self.times += [time.perf_counter() - self.began] * count
        self.ids += ids

    def send(self) -> None:
        """Note that it is sent now."""
        self.sent = time.perf_counter() - self.began

    def answer(self) -> dict[str, Any]:
        """For the JSON line."""
        return {"sent": self.sent, "times": self.times, "ids": self.ids, "cached": self.cached}


class Engine(Protocol):
    """What a side can do."""

    how: str  # versions and settings, for the table

    def play(self, requests: list[Request]) -> None:
        """Run the requests, and note their tokens."""
        ...

    def counters(self) -> dict[str, float]:
        """Its own counters, if it has any."""
        ...


class Stepped:
    """An engine that is stepped by its caller: subclasses have `begin` and `step`."""

    def begin(self, request: Request) -> None:
        """Submit a request."""
        raise NotImplementedError

    def step(self) -> list[tuple[int, list[int]]]:
        """One step: new ids by number of request."""
        raise NotImplementedError

    def counters(self) -> dict[str, float]:
        """None."""
        return {}

    def play(self, requests: list[Request]) -> None:
        """Submit each when its time has come, and step until all have their tokens."""
        waiting, running = list(requests), list[Request]()
        while waiting or any(len(r.times) < r.new for r in running):
            while waiting and all(len(r.times) >= waiting[0].after for r in running):
                running.append(waiting.pop(0))
                running[-1].send()
                self.begin(running[-1])
            for number, ids in self.step():
                requests[number].take(ids, len(ids))


class Ours(Stepped):
    """Firesteel's engine; plan["engine"] has further arguments, those that it does not know are left out, aloud."""

    def __init__(self, plan: Plan) -> None:
        import torch

        from firesteel import __version__
        from firesteel.compute.device import set_up
        from firesteel.core.config import MachineSettings
        from firesteel.core.tokenizer import Tokenizer
        from firesteel.model.weights import load_model
        from firesteel.serve.engine import Engine as OurEngine

        set_up(MachineSettings(device="cpu", threads=plan["threads"]), 0)
        model = load_model(plan["model"], dtype=getattr(torch, plan["dtype"]))
        tokenizer: Any = (
            Tokenizer.load(Path(plan["model"])) if Path(plan["model"], "tokenizer.json").is_file() else None
        )
        known = inspect.signature(OurEngine).parameters
        wanted = {"step_tokens": 512, "prefix_cache": True, "speculate": False, "batch_invariant": False} | plan[
            "engine"
        ]
        options = {name: value for name, value in wanted.items() if name in known}
        self.missing = [name for name in plan["engine"] if name not in known]
        self.engine = OurEngine(
            model, tokenizer, max_sequences=plan["sequences"], cache_tokens=plan["cache_tokens"], **options
        )
        lacks = f", engine without {', '.join(self.missing)}" if self.missing else ""
        self.how = f"firesteel {__version__}, torch {torch.__version__}, {plan['dtype']}{lacks}"
        self._live: dict[str, tuple[Request, Any]] = {}
        self._asked = 0

    def begin(self, request: Request) -> None:
        """Submit."""
        from firesteel.serve.sequence import Sampling, Sequence

        self._asked += 1
        sampling = Sampling(max_new_tokens=request.new, temperature=0.0)
        sequence = Sequence(str(self._asked), request.prompt, sampling)
        self._live[sequence.id] = (request, sequence)
        self.engine.submit(sequence)

    def step(self) -> list[tuple[int, list[int]]]:
        """One step of the engine."""
        out = []
        for event in self.engine.step():
            request, sequence = self._live[event.sequence]
            out.append((request.number, [event.token]))
            if event.finish_reason:
                request.cached = sequence.prefix_hits
                del self._live[event.sequence]
        return out

    def counters(self) -> dict[str, float]:
        """Engine.stats, and bytes of cache a token."""
        stats: Any = getattr(self.engine, "stats", None)
        if callable(stats):
            stats = stats()
        named = stats if isinstance(stats, dict) else {n: getattr(stats, n) for n in dir(stats) if n[0] != "_"}
        numbers = {n: float(v) for n, v in named.items() if isinstance(v, (int, float))} if stats is not None else {}
        return numbers | {"cache_bytes_per_token": float(self.engine.runner.cache.bytes_per_token)}


class VLLM(Stepped):
    """vLLM on the CPU: LLM's own engine, stepped as LLM.generate steps it."""

    def __init__(self, plan: Plan) -> None:
        os.environ |= {
            "VLLM_CPU_KVCACHE_SPACE": "2",  # GiB
            "VLLM_CPU_OMP_THREADS_BIND": f"0-{plan['threads'] - 1}",
            "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
            "VLLM_LOGGING_LEVEL": "WARNING",
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
        }
        import vllm

        self.llm = vllm.LLM(
            plan["model"], dtype=plan["dtype"], max_model_len=plan["context"], max_num_seqs=plan["sequences"],
            enable_prefix_caching=True, disable_log_stats=True, **plan["engine"],
        )  # fmt: skip
        self.engine = self.llm.llm_engine
        import torch

        self.how = f"vLLM {vllm.__version__} cpu, torch {torch.__version__}, {plan['dtype']}"
        self._live: dict[str, Request] = {}
        self._asked = 0

    def close(self) -> None:
        """End its processes."""
        self.engine.engine_core.shutdown()

    def begin(self, request: Request) -> None:
        """Submit."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        self._asked += 1
        parameters = SamplingParams(
            temperature=0.0, max_tokens=request.new, ignore_eos=True, detokenize=False,
            output_kind=RequestOutputKind.DELTA,
        )  # fmt: skip
        self._live[str(self._asked)] = request
        self.engine.add_request(str(self._asked), {"prompt_token_ids": request.prompt}, parameters)

    def step(self) -> list[tuple[int, list[int]]]:
        """One step of the engine."""
        out = []
        for answer in self.engine.step():
            request = self._live[answer.request_id.split("-")[0]]
            request.cached = answer.num_cached_tokens or 0
            out.append((request.number, list(answer.outputs[0].token_ids)))
        return out


class Transformers:
    """transformers' generate on one padded batch; a conversation's cache is handed on from turn to turn."""

    def __init__(self, plan: Plan) -> None:
        import torch
        import transformers

        torch.set_num_threads(plan["threads"])
        self.torch, self.transformers = torch, transformers
        self.model: Any = transformers.AutoModelForCausalLM.from_pretrained(
            plan["model"], dtype=getattr(torch, plan["dtype"])
        ).eval()
        self.model.generation_config.eos_token_id = None
        self.static = bool(plan["engine"].get("static"))
        c = self.model.config
        cache = "static cache" if self.static else "dynamic cache"
        self.how = (
            f"transformers {transformers.__version__}, torch {torch.__version__}, {plan['dtype']}, "
            f"{c._attn_implementation} attention, {cache}"
        )
        self._kept: tuple[list[int], Any] = ([], None)

    def counters(self) -> dict[str, float]:
        """None."""
        return {}

    def play(self, requests: list[Request]) -> None:
        """One batch: nothing can join later. `new` is the first one's."""
        if any(r.after for r in requests):
            raise ValueError("generate() takes no newcomers: the batch must end first")
        torch, longest = self.torch, max(len(r.prompt) for r in requests)
        ids = torch.tensor([[0] * (longest - len(r.prompt)) + r.prompt for r in requests])
        mask = torch.tensor([[0] * (longest - len(r.prompt)) + [1] * len(r.prompt) for r in requests])
        options: dict[str, Any] = {"cache_implementation": "static"} if self.static else {}
        if len(requests) == 1 and not self.static:
            options["past_key_values"] = self._cache_for(requests[0])

        def noted(so_far: Any, scores: Any, **_: Any) -> Any:
            for request, row in zip(requests, so_far, strict=True):
                request.take([int(row[-1])], 1)
            return torch.zeros(len(so_far), dtype=torch.bool)

        for request in requests:
            request.send()
        criteria = self.transformers.StoppingCriteriaList([noted])
        with torch.inference_mode():
            out = self.model.generate(
                ids, attention_mask=mask, max_new_tokens=requests[0].new, do_sample=False, pad_token_id=0,
                stopping_criteria=criteria, **options,
            )  # fmt: skip
        if "past_key_values" in options:
            self._kept = (out[0].tolist()[:-1], options["past_key_values"])

    def _cache_for(self, request: Request) -> Any:
        """The last conversation's cache if this request goes on from it, else a new one."""
        tokens, cache = self._kept
        if not tokens or request.prompt[: len(tokens)] != tokens:
            return self.transformers.DynamicCache(config=self.model.config)
        request.cached = len(tokens)
        return cache


KINDS: dict[str, Callable[[Plan], Engine]] = {
    "ours": Ours, "ours-http": OursOverHTTP, "vllm": VLLM, "transformers": Transformers, "llama.cpp": LlamaCpp,
    "llama-server": LlamaServer,
}  # fmt: skip


def main() -> None:
    """One side's process. What libraries print goes to the error stream: the answers are JSON lines."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    kind, plan = sys.argv[1], json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    engine = KINDS[kind](plan)
    _play(engine, [{"prompt": [5, 6, 7, 8], "new": 1}])
    print(json.dumps({"how": engine.how}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(_play(engine, json.loads(line))), file=answers, flush=True)
    getattr(engine, "close", lambda: None)()  # what it has started itself
    os._exit(0)  # no engine's threads keep it


def _play(engine: Engine, asked: list[dict[str, Any]]) -> dict[str, Any]:
    began, before = time.perf_counter(), engine.counters()
    requests = [Request(number, one, began) for number, one in enumerate(asked)]
    try:
        engine.play(requests)
    except ValueError as e:
        return {"cannot": str(e)}
    after = engine.counters()
    moved = {n: after[n] - before.get(n, 0) for n in after if n != "cache_bytes_per_token"}
    still = {n: after[n] for n in after if n == "cache_bytes_per_token"}
    return {
        "seconds": time.perf_counter() - began,
        "requests": [r.answer() for r in requests],
        "counters": moved | still,
    }


if __name__ == "__main__":
    main()

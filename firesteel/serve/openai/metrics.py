"""Prometheus metrics of one server, in its own registry. Names and buckets are OpenTelemetry's GenAI conventions where they
exist (gen_ai.server.time_to_first_token -> gen_ai_server_time_to_first_token_seconds); the rest begins with firesteel_.

No prompt, answer or key is ever in a metric, and labels have few values.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from firesteel.serve.loop import EngineLoop

_DURATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)
_TOKENS = tuple(4.0**k for k in range(14))
_STATS = {  # counters of the engine (engine.stats) -> metric, and what it counts
    "steps": ("firesteel_engine_steps", "Passes through the model"),
    "prompt_tokens": ("firesteel_prompt_tokens", "Prompt tokens of admitted sequences"),
    "prefix_hit_tokens": ("firesteel_prefix_hit_tokens", "Prompt tokens that were found in the cache"),
    "new_tokens": ("firesteel_new_tokens", "Tokens generated"),
    "drafted": ("firesteel_drafted_tokens", "Tokens guessed ahead by the MTP module"),
    "accepted": ("firesteel_accepted_tokens", "Guesses that were right"),
    "preemptions": ("firesteel_preemptions", "Sequences that gave up their cache"),
}


class Metrics:
    """What the server counts and times."""

    def __init__(self, loop: EngineLoop, model: str) -> None:
        self.registry = r = CollectorRegistry()
        names = ("gen_ai_operation_name", "gen_ai_request_model")
        self._duration = Histogram(
            "gen_ai_server_request_duration_seconds", "Time from request to last byte", (*names, "error_type"),
            buckets=_DURATION, registry=r,
        )  # fmt: skip
        self._first_token = Histogram(
            "gen_ai_server_time_to_first_token_seconds", "Time from request to the first token", names, buckets=_FIRST,
            registry=r,
        )  # fmt: skip
        self._per_token = Histogram(
            "gen_ai_server_time_per_output_token_seconds", "Time between tokens of one sequence after the first", names,
            buckets=_PER_TOKEN, registry=r,
        )  # fmt: skip
        self._usage = Histogram(
            "gen_ai_client_token_usage",
            "Tokens of one request",
            (*names, "gen_ai_token_type"),
            buckets=_TOKENS,
            registry=r,
        )
        self.tokens = Counter("firesteel_tokens", "Tokens processed", ("type",), registry=r)
        self.blocked = Counter(
            "firesteel_guard_blocks", "Requests stopped by the guard", ("where", "category"), registry=r
        )
        queued = Histogram(
            "firesteel_queue_time_seconds", "Time that a sequence waited for its place", buckets=_FIRST, registry=r
        )
        loop.admitted = queued.observe
        r.register(_EngineCollector(loop))
        scheduler = loop.engine.scheduler
        for name, text, value in (
            ("firesteel_requests_in_flight", "Sequences accepted and not finished", lambda: loop.in_flight),
            ("firesteel_sequences_running", "Sequences being computed", lambda: len(scheduler.running)),
            ("firesteel_sequences_waiting", "Sequences waiting for room", lambda: len(scheduler.waiting)),
            ("firesteel_cache_use_ratio", "Share of the KV cache in use", lambda: loop.engine.cache_use),
            ("firesteel_up", "1 while the engine can serve", lambda: loop.problem is None),
            ("firesteel_ready", "1 while requests are taken", lambda: loop.problem is None and not loop.draining),
        ):
            Gauge(name, text, registry=r).set_function(value)

        self._bind("chat", model)

    def of(self, operation: str) -> Metrics:
        """The same metrics, counted under another of OpenTelemetry's operations: text_completion, embeddings."""
        other = copy.copy(self)
        other._bind(operation, self._labels["gen_ai_request_model"])
        return other

    def _bind(self, operation: str, model: str) -> None:
        self._labels = {"gen_ai_operation_name": operation, "gen_ai_request_model": model}
        self.first_token = self._first_token.labels(**self._labels)
        self.per_token = self._per_token.labels(**self._labels)

    def finished(self, seconds: float, error: str = "") -> None:
        """One request is over; `error` is its status or code, empty when it went well."""
        self._duration.labels(**self._labels, error_type=error).observe(seconds)

    def used(self, prompt: int, completion: int) -> None:
        """Tokens of one request."""
        for kind, count in (("input", prompt), ("output", completion)):
            self._usage.labels(**self._labels, gen_ai_token_type=kind).observe(count)
            self.tokens.labels(type=kind).inc(count)

    def text(self) -> bytes:
        """Exposition format."""
        return generate_latest(self.registry)


class _EngineCollector(Collector):
    """Reads the engine's plain counters when somebody asks; the engine's thread knows nothing of Prometheus."""

    def __init__(self, loop: EngineLoop) -> None:
        self.engine = loop.engine

    def collect(self) -> Iterator[Metric]:
        """Counters of the engine, and blocks of its cache."""
        engine, pool = self.engine, self.engine.scheduler.pool
        counts = {**vars(engine.stats), "preemptions": engine.scheduler.preemptions}
        for field, (name, text) in _STATS.items():
            yield CounterMetricFamily(name, text, value=counts[field])
        blocks = GaugeMetricFamily("firesteel_cache_blocks", "Blocks of the KV cache", labels=("state",))
        for state, count in (("used", pool.count - pool.free), ("free", pool.free)):
            blocks.add_metric((state,), count)
        yield blocks
        text = "Blocks of the KV cache whose content can be found again, used or free"
        yield GaugeMetricFamily("firesteel_prefix_cache_blocks", text, value=pool.named)

"""Prometheus metrics of one server, in its own registry. Names and buckets are OpenTelemetry's GenAI conventions where they
exist (gen_ai.server.time_to_first_token -> gen_ai_server_time_to_first_token_seconds); the rest begins with firesteel_.

No prompt, answer or key is ever in a metric, and labels have few values.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from firesteel.serve.loop import EngineLoop

_DURATION = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)
_TOKENS = tuple(4.0**k for k in range(14))


class Metrics:
    """What the server counts and times."""

    def __init__(self, loop: EngineLoop, model: str) -> None:
        self.registry = r = CollectorRegistry()
        names = ("gen_ai_operation_name", "gen_ai_request_model")
        chat = {"gen_ai_operation_name": "chat", "gen_ai_request_model": model}
        self._duration = Histogram(
            "gen_ai_server_request_duration_seconds", "Time from request to last byte", (*names, "error_type"),
            buckets=_DURATION, registry=r,
        )  # fmt: skip
        self._chat = chat
        self.first_token = Histogram(
            "gen_ai_server_time_to_first_token_seconds", "Time from request to the first token", names, buckets=_FIRST,
            registry=r,
        ).labels(**chat)  # fmt: skip
        self.per_token = Histogram(
            "gen_ai_server_time_per_output_token_seconds", "Time between tokens of one sequence after the first", names,
            buckets=_PER_TOKEN, registry=r,
        ).labels(**chat)  # fmt: skip
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
        scheduler = loop.engine.scheduler
        for name, text, value in (
            ("firesteel_requests_in_flight", "Sequences accepted and not finished", lambda: loop.in_flight),
            ("firesteel_sequences_running", "Sequences being computed", lambda: len(scheduler.running)),
            ("firesteel_sequences_waiting", "Sequences waiting for room", lambda: len(scheduler.waiting)),
            ("firesteel_cache_use_ratio", "Share of the KV cache in use", lambda: loop.engine.cache_use),
            ("firesteel_preemptions", "Sequences that gave up their cache so far", lambda: scheduler.preemptions),
            ("firesteel_up", "1 while the engine can serve", lambda: loop.problem is None),
        ):
            Gauge(name, text, registry=r).set_function(value)

    def finished(self, seconds: float, error: str = "") -> None:
        """One request is over; `error` is its status or code, empty when it went well."""
        self._duration.labels(**self._chat, error_type=error).observe(seconds)

    def used(self, prompt: int, completion: int) -> None:
        """Tokens of one request."""
        for kind, count in (("input", prompt), ("output", completion)):
            self._usage.labels(**self._chat, gen_ai_token_type=kind).observe(count)
            self.tokens.labels(type=kind).inc(count)

    def text(self) -> bytes:
        """Exposition format."""
        return generate_latest(self.registry)

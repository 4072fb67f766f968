"""Our calls as OpenTelemetry spans and metrics, named by its semantic conventions for generative AI.

Names: https://opentelemetry.io/docs/specs/semconv/gen-ai/ (status: development), as of semantic conventions 1.41.
"""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wakeful.lmstudio.errors import MissingExtra
from wakeful.lmstudio.statistics import CallRecord

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

PROVIDER = "lmstudio"
"""Our `gen_ai.provider.name`; the conventions have none for LM Studio and allow one's own."""

Attribute = str | int | float | list[str]

_SCOPE = "wakeful.lmstudio"
_DURATION_BOUNDS = tuple(0.01 * 2**step for step in range(14))
_TOKEN_BOUNDS = tuple(4**step for step in range(14))
"""As the conventions give them: 10 ms to 82 s, and 1 to 67,108,864 tokens."""

_PARAMETERS = {
    "temperature": float,
    "top_p": float,
    "top_k": float,
    "frequency_penalty": float,
    "presence_penalty": float,
    "max_tokens": int,
    "seed": int,
}


def shared_attributes(call: CallRecord) -> dict[str, Attribute]:
    """What spans and metrics both say of a call."""
    said: dict[str, Attribute] = {"gen_ai.operation.name": call.operation, "gen_ai.provider.name": PROVIDER}
    if call.model:
        said["gen_ai.request.model"] = call.model
    if call.response_model:
        said["gen_ai.response.model"] = call.response_model
    where = urlsplit(call.base_url)
    if where.hostname:
        said["server.address"] = where.hostname
        said["server.port"] = where.port or (443 if where.scheme == "https" else 80)
    if call.error is not None:
        said["error.type"] = type(call.error).__name__
    return said


def span_attributes(call: CallRecord) -> dict[str, Attribute]:
    """What a span says of a call; never its content."""
    said = shared_attributes(call)
    for name, kind in _PARAMETERS.items():
        value = call.parameters.get(name)
        if isinstance(value, int | float):
            said[f"gen_ai.request.{name}"] = kind(value)
    stop = call.parameters.get("stop")
    if stop:
        said["gen_ai.request.stop_sequences"] = [stop] if isinstance(stop, str) else [str(item) for item in stop]
    if call.finish_reason:
        said["gen_ai.response.finish_reasons"] = [call.finish_reason]
    if call.first_token_s is not None:
        said["gen_ai.response.time_to_first_chunk"] = call.first_token_s
    for name, tokens in (
        ("input_tokens", call.usage.prompt_tokens),
        ("output_tokens", call.usage.completion_tokens),
        ("cache_read.input_tokens", call.usage.cached_tokens),
        ("reasoning.output_tokens", call.usage.reasoning_tokens),
    ):
        if tokens is not None:
            said[f"gen_ai.usage.{name}"] = tokens
    if call.retries:
        said["http.request.resend_count"] = call.retries
    return said


class Telemetry:
    """Makes a span and measurements of each call; `observe` is an `Observer`.

    Content is never recorded: it may be private, and is long.
    tracer_provider, meter_provider: the process's own unless given
    Raises MissingExtra when `opentelemetry-api` is not installed.
    """

    def __init__(
        self,
        *,
        tracer_provider: "TracerProvider | None" = None,
        meter_provider: "MeterProvider | None" = None,
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError as error:
            raise MissingExtra.named("opentelemetry-api", "otel") from error
        self._trace = trace
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_DURATION_BOUNDS,
        )
        self._first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            unit="s",
            description="Time to receive the first chunk.",
            explicit_bucket_boundaries_advisory=_DURATION_BOUNDS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKEN_BOUNDS,
        )

    def observe(self, call: CallRecord) -> None:
        """Record a call as a child of the span that is current."""
        trace = self._trace
        span = self._tracer.start_span(
            f"{call.operation} {call.model}".rstrip(),
            kind=trace.SpanKind.CLIENT,
            start_time=_nanoseconds(call.started_at),
            attributes=span_attributes(call),
        )
        if call.error is not None:
            span.set_status(trace.Status(trace.StatusCode.ERROR))
        span.end(_nanoseconds(call.started_at + call.duration_s))
        said = shared_attributes(call)
        self._duration.record(call.duration_s, said)
        said.pop("error.type", None)
        if call.first_token_s is not None:
            self._first_chunk.record(call.first_token_s, said)
        for kind, tokens in (("input", call.usage.prompt_tokens), ("output", call.usage.completion_tokens)):
            if tokens is not None:
                self._tokens.record(tokens, {**said, "gen_ai.token.type": kind})


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)

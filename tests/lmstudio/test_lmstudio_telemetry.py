"""Calls as spans and metrics under the GenAI conventions, read back through OpenTelemetry's own SDK."""

import sys
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from wakeful.lmstudio.chat.events import Usage
from wakeful.lmstudio.errors import MissingExtra, ServerBusy
from wakeful.lmstudio.statistics import CallRecord
from wakeful.lmstudio.telemetry import Telemetry

CALL = CallRecord(
    "chat",
    "m",
    1000.0,
    2.5,
    0.5,
    Usage(prompt_tokens=7, completion_tokens=2, cached_tokens=3),
    "stop",
    retries=1,
    response_model="m-1",
    base_url="http://localhost:1234",
    parameters={"temperature": 0, "max_tokens": 9, "stop": "END", "unheard_of": 1},
)


def observed(call: CallRecord) -> tuple[ReadableSpan, dict[str, Any]]:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracer, meter = TracerProvider(), MeterProvider([reader])
    tracer.add_span_processor(SimpleSpanProcessor(exporter))
    Telemetry(tracer_provider=tracer, meter_provider=meter).observe(call)
    data = reader.get_metrics_data()
    assert data is not None
    metrics = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    meter.shutdown()
    tracer.shutdown()
    return exporter.get_finished_spans()[0], metrics


def test_a_span_says_what_the_conventions_ask_for() -> None:
    span, _ = observed(CALL)
    assert (span.name, span.kind.name, span.status.status_code.name) == ("chat m", "CLIENT", "UNSET")
    assert (span.start_time, span.end_time) == (1_000_000_000_000, 1_002_500_000_000)
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "lmstudio",
        "gen_ai.request.model": "m",
        "gen_ai.response.model": "m-1",
        "server.address": "localhost",
        "server.port": 1234,
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.5,
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "http.request.resend_count": 1,
    }


def test_metrics_have_the_names_units_and_bounds_of_the_conventions() -> None:
    _, metrics = observed(CALL)
    assert {name: metric.unit for name, metric in metrics.items()} == {
        "gen_ai.client.operation.duration": "s",
        "gen_ai.client.operation.time_to_first_chunk": "s",
        "gen_ai.client.token.usage": "{token}",
    }
    [duration] = metrics["gen_ai.client.operation.duration"].data.data_points
    assert duration.sum == 2.5
    assert (duration.explicit_bounds[0], duration.explicit_bounds[-1]) == (0.01, 81.92)
    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum
        for point in metrics["gen_ai.client.token.usage"].data.data_points
    }
    assert tokens == {"input": 7, "output": 2}


def test_a_failure_is_named_and_nothing_private_told() -> None:
    failed = CallRecord("chat", "", 0.0, 1.0, error=ServerBusy("geheim", detail="geheim"))
    span, metrics = observed(failed)
    assert (span.name, span.status.status_code.name) == ("chat", "ERROR")
    assert (span.attributes or {})["error.type"] == "ServerBusy"
    assert "geheim" not in span.to_json()
    assert "gen_ai.client.token.usage" not in metrics


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingExtra, match=r"wakeful\[otel\]"):
        Telemetry()

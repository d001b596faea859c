"""A collector: a real gRPC server that speaks OTLP, and keeps what it is sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)


class OtlpCollector(TraceServiceServicer):
    """``names`` are those of the spans, in the order of their arrival. While ``answers`` is not set, it only listens."""

    def __init__(self) -> None:
        self.address = ""
        self.names: list[str] = []
        self.identities: list[dict[str, str]] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.asked = threading.Event()
        self.answers = threading.Event()
        self.answers.set()

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
        self.asked.set()
        self.answers.wait()
        if context.is_active():  # not given up by the client meanwhile
            self.metadata.append(dict(context.invocation_metadata()))
            for of_resource in request.resource_spans:
                attributes = of_resource.resource.attributes
                self.identities.append({each.key: each.value.string_value for each in attributes})
                self.names += [span.name for of_scope in of_resource.scope_spans for span in of_scope.spans]
        return ExportTraceServiceResponse()


@contextmanager
def otlp_collector() -> Iterator[OtlpCollector]:
    """A collector on a free port of the loopback address."""
    servicer = OtlpCollector()
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        add_TraceServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
        servicer.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield servicer
        finally:
            servicer.answers.set()
            server.stop(0).wait()

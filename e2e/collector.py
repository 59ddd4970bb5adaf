"""An OpenTelemetry collector that reads OTLP over HTTP by the official messages."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

MESSAGES = {
    "/v1/traces": (ExportTraceServiceRequest, ExportTraceServiceResponse),
    "/v1/metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse),
}


class Collector:
    """Accepts everything, and keeps it."""

    def __init__(self):
        received = self.received = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                message, response = MESSAGES[self.path]
                body = self.rfile.read(int(self.headers["content-length"]))
                received.append((self.path, dict(self.headers), message.FromString(body)))
                answer = response().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def of(self, path):
        return [message for known, _, message in self.received if known == path]

    def resources(self):
        """The resource of each message, as attributes."""
        traces = [resource for message in self.of("/v1/traces") for resource in message.resource_spans]
        metrics = [resource for message in self.of("/v1/metrics") for resource in message.resource_metrics]
        return [attributes(resource.resource) for resource in traces + metrics]

    def spans(self):
        """All spans so far."""
        return [
            span
            for message in self.of("/v1/traces")
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def metrics(self):
        """The metrics received last, by their names."""
        messages = self.of("/v1/metrics")
        found = {}
        for resource in messages[-1].resource_metrics if messages else []:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    assert metric.name not in found, metric.name
                    found[metric.name] = metric
        return found


def attributes(holder):
    """The attributes of a span, a point or a resource, by their names."""
    found = {}
    for attribute in holder.attributes:
        assert attribute.key not in found, attribute.key
        found[attribute.key] = value(attribute.value)
    return found


def value(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(item) for item in any_value.array_value.values]
    return getattr(any_value, kind)

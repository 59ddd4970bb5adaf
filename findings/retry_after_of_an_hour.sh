#!/usr/bin/env bash
# What the Python libraries of OpenAI and Anthropic do when a server answers 429 with Retry-After: one minute and a
# second, ten minutes, an hour. One would expect a bound, and the same one in both, for one generator writes them both.
#
# Seen with openai 3.52.0 and anthropic 2.11.0 on Python 3.11:
#
#     openai 3.52.0     Retry-After: 61    3 requests, waits [61.0, 61.0]
#     openai 3.52.0     Retry-After: 600   1 requests, waits []
#     openai 3.52.0     Retry-After: 3600  1 requests, waits []
#     anthropic 2.11.0  Retry-After: 61    3 requests, waits [61.0, 61.0]
#     anthropic 2.11.0  Retry-After: 600   3 requests, waits [600.0, 600.0]
#     anthropic 2.11.0  Retry-After: 3600  3 requests, waits [3600.0, 3600.0]
#
# OpenAI's library gives up above two minutes; Anthropic's sleeps for as long as it is told, twice. With
# `x-should-retry: false` beside it, each asks once and raises its error.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check openai==3.52.0 anthropic==2.11.0

cat >"$folder/ask.py" <<'PYTHON'
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import anthropic
import openai

QUESTION = {"messages": [{"role": "user", "content": "?"}], "model": "m"}


class Refusing(BaseHTTPRequestHandler):
    headers_to_send = {}
    requests = 0

    def do_POST(self):
        Refusing.requests += 1
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(429)
        for name, value in Refusing.headers_to_send.items():
            self.send_header(name, value)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


server = HTTPServer(("127.0.0.1", 0), Refusing)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"

waits = []
time.sleep = waits.append  # nobody has to wait for what is only told


def ask(library, headers):
    waits.clear()
    Refusing.requests, Refusing.headers_to_send = 0, headers
    try:
        if library is openai:
            openai.OpenAI(base_url=url, api_key="-").chat.completions.create(**QUESTION)
        else:
            anthropic.Anthropic(base_url=url, api_key="-").messages.create(**QUESTION, max_tokens=1)
    except (openai.RateLimitError, anthropic.RateLimitError):
        return Refusing.requests, list(waits)


expected = {
    openai: {61: [61.0, 61.0], 600: [], 3600: []},
    anthropic: {61: [61.0, 61.0], 600: [600.0, 600.0], 3600: [3600.0, 3600.0]},
}
for library, by_seconds in expected.items():
    name = f"{library.__name__} {library.__version__}"
    for seconds, expected_waits in by_seconds.items():
        requests, seen = ask(library, {"retry-after": str(seconds)})
        print(f"{name:17} Retry-After: {seconds:<4}  {requests} requests, waits {seen}")
        assert seen == expected_waits, f"{name} was expected to wait {expected_waits}"
        assert ask(library, {"retry-after": str(seconds), "x-should-retry": "false"}) == (1, [])
PYTHON
"$folder/env/bin/python" "$folder/ask.py"

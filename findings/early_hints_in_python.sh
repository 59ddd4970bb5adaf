#!/usr/bin/env bash
# Python's http.client, and so urllib3 and requests, take a 103 Early Hints (or 102 Processing) for the final response:
# the caller sees status 103 and an empty body, and the real response stays unread on the connection. RFC 9110, section
# 15.2, has every client read interim responses that it does not expect. httpx (httpcore, h11) and aiohttp skip them.
#
# Seen with Python 3.11.7, requests 2.32.5, urllib3 2.5.0, httpx 0.28.1, aiohttp 3.13.2:
#   requests 103 ''
#   urllib3  103 ''
#   httpx    200 'hello'
#   aiohttp  200 'hello'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    requests==2.32.5 urllib3==2.5.0 httpx==0.28.1 aiohttp==3.13.2
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import platform
import socket
import sys
import threading

import aiohttp
import httpx
import requests
import urllib3

ANSWER = (
    b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n"
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"
)


def serve(listener):
    while True:
        connection, _ = listener.accept()
        with connection:
            read = b""
            while b"\r\n\r\n" not in read:
                read += connection.recv(65536)
            connection.sendall(ANSWER)


async def over_aiohttp(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=[listener], daemon=True).start()
url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

answer = requests.get(url, timeout=10)
told = {"requests": (answer.status_code, answer.text)}
answer = urllib3.request("GET", url, timeout=10, retries=False)
told["urllib3"] = answer.status, answer.data.decode()
answer = httpx.get(url, timeout=10)
told["httpx"] = answer.status_code, answer.text
told["aiohttp"] = asyncio.run(over_aiohttp(url))

print("Python", platform.python_version())
for name, (status, body) in told.items():
    print(f"{name:8} {status} {body!r}")
expected = {"requests": (103, ""), "urllib3": (103, ""), "httpx": (200, "hello"), "aiohttp": (200, "hello")}
sys.exit(told != expected)
PYTHON

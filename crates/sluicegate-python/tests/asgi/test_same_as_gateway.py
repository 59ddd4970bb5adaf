"""The middleware gives the same answers by the same policy file as the gateway, byte for byte."""

import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from gateway import Gateway, run
from server import Server, free_port, until

APP = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sluicegate.fastapi import RateLimitMiddleware

async def echo(request):
    body = await request.body()
    return JSONResponse({"path": request.url.path, "read": len(body)}, headers={"x-own": "kept"})

async def missing(request):
    return Response("nobody", 404, headers={"ratelimit": '"mine";r=7', "ratelimit-policy": '"mine";q=9;w=60'})

async def ready(request):
    return Response()

METHODS = ["GET", "POST", "PUT", "OPTIONS", "DELETE"]
routes = [Route("/ready", ready), Route("/own", missing), Route("/{rest:path}", echo, methods=METHODS)]
bare = Starlette(routes=routes)
limited = RateLimitMiddleware(bare, "sluicegate.toml")
"""

POLICY = """
[gateway]
trusted_proxies = ["127.0.0.2"]
max_body = "1KiB"

[identity]
api_keys = "keys.toml"
default_tier = "free"

[tiers.free]
[tiers.premium]
scale = 3

{responses}

[limits.everybody]
quota = "100 items/hour"

[[route]]
path = "/predict"
limits = ["2/hour", {{ name = "daily", quota = "1000/day" }}]

[[route]]
path = "/models/{{model}}/predict"
methods = ["POST"]
meter = {{ items = "/inputs" }}
limits = ["everybody", {{ quota = "50 items/hour", key = ["api_key", "path:model"] }}]

[[route]]
path = "/premium"
tier = "premium"
limits = ["5/hour"]

[[route]]
path = "/keyed"
limits = [{{ name = "keyed", quota = "1/hour", key = "api_key" }}]

[[route]]
path = "/body"
limits = [{{ quota = "1/hour", key = "body:/user" }}]

[[route]]
path = "/form"
limits = [{{ quota = "1/hour", key = ["client_ip", "body:model"] }}]

[[route]]
path = "/v2/models/a/infer"
meter = [{{ items = "kserve", max = 64 }}, "bytes"]
limits = ["100 items/hour", "5/hour", "100000 bytes/year"]

[[route]]
path = "/shadow"
limits = [{{ quota = "1/hour", mode = "shadow" }}]

[[route]]
path = "/own"
limits = ["5/hour"]

[[route]]
path = "/files/{{*rest}}"
limits = ["2/hour"]
"""

JSON = {"content-type": "application/json"}
BATCH = {"json": {"inputs": [1] * 20}}
FORM = {"content-type": "application/x-www-form-urlencoded"}
UPLOAD = {"content-type": "multipart/form-data; boundary=b"}
PART = '--b\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
MODEL, FILE = PART.format("model", "", "a"), PART.format("file", '; filename="a.wav"', "0" * 4000)
SHAPE = b'{"inputs":[{"shape":[20,3]}]}'


def tensors(length, tail=b"", **headers):
    return ("POST", "/v2/models/a/infer", {"content": SHAPE + tail, "headers": {INFERENCE: str(length), **headers}})


INFERENCE = "inference-header-content-length"

# Each is asked as often as it says, of both; {key} is a premium customer's API key.
REQUESTS = {
    "allowed and denied": [("GET", "/predict", {})] * 3,
    "denied to HEAD": [("GET", "/predict", {})] * 2 + [("HEAD", "/predict", {})],
    "a query": [("GET", "/predict?a=b&c=%20d", {})],
    "no route": [("GET", "/nowhere", {})],
    "a premium client": [("GET", "/predict", {"headers": {"x-api-key": "{key}"}})] * 7,
    "the wrong tier": [("GET", "/premium", {}), ("GET", "/premium", {"headers": {"authorization": "Bearer {key}"}})],
    "an unknown key": [("GET", "/keyed", {"headers": {"x-api-key": "sg_aaaaaaaa_wrong"}})] * 2,
    "keys": [("GET", "/keyed", {"headers": {"x-api-key": "{key}"}})] * 2 + [("GET", "/keyed", {})] * 2,
    "items": [("POST", "/models/a/predict", BATCH)] * 3 + [("POST", "/models/b/predict", BATCH)] * 3,
    "more items than there are": [("POST", "/models/a/predict", {"json": {"inputs": [1] * 51}})],
    "another method": [("GET", "/models/a/predict", {})] * 2,
    "a body without its cost": [("POST", "/models/a/predict", {"content": b"{}", "headers": JSON})],
    "a body that is no JSON": [("POST", "/models/a/predict", {"content": b"{", "headers": JSON})],
    "no body": [("POST", "/models/a/predict", {})],
    "no body that is needed": [(method, "/v2/models/a/infer", {}) for method in ("GET", "HEAD", "OPTIONS", "DELETE", "GET", "GET")],
    "forms": [("POST", "/form", {"content": f"x=1&model={model}", "headers": FORM}) for model in "aabb"],
    "JSON called a form": [("POST", "/form", {"content": '{"model": "a"}', "headers": FORM})] * 2,
    "an upload": [("POST", "/form", {"content": MODEL + FILE + "--b--", "headers": UPLOAD})] * 2,
    "an upload in pieces": [("POST", "/form", {"content": "upload", "headers": UPLOAD})] * 2,
    "a field behind a file": [("POST", "/form", {"content": FILE + MODEL + "--b--", "headers": UPLOAD})],
    "a form that is none": [
        ("POST", "/form", {"content": content, "headers": headers})
        for content, headers in [(MODEL * 2 + "--b--", UPLOAD), (MODEL, UPLOAD), ("x", {"content-type": "multipart/form-data"})]
    ],
    "tensors": [tensors(len(SHAPE), b"\xff" * length) for length in (0, 100, 4000)],
    "tensors in pieces": [("POST", "/v2/models/a/infer", {"content": "tensors", "headers": {INFERENCE: "29"}})] * 2,
    "tensors of no length": [tensors(length) for length in (0, "x", 30, 2000, "-1")],
    "compressed tensors": [tensors(len(SHAPE), **{"content-encoding": "gzip"})],
    "more items than one request may have": [
        ("POST", "/v2/models/a/infer", {"json": {"inputs": [{"shape": [items]}]}}) for items in (64, 65)
    ],
    "too large a body": [("POST", "/models/a/predict", {"json": {"inputs": [1] * 1000}})],
    "too large a body in pieces": [("POST", "/models/a/predict", {"content": "pieces", "headers": JSON})],
    "a compressed body": [("POST", "/models/a/predict", {"content": b"x", "headers": {"content-encoding": "gzip"}})],
    "a key in the body": [("POST", "/body", {"json": {"user": user}}) for user in "aabb"],
    "shadow mode": [("GET", "/shadow", {})] * 3,
    "headers of the app's own": [("GET", "/own", {})],
    "an ambiguous path": [("GET", "/files/a%2Fb", {}), ("GET", "/predict/%2e%2e/predict", {}), ("GET", "//predict", {})],
    "a path to its end": [("GET", "/files/a/b", {}), ("GET", "/files/c", {}), ("GET", "/files/a/b/c", {})],
    "an escaped path": [("GET", "/files/a%20b", {}), ("GET", "/pre%64ict", {})],
    "a forwarded address": [("GET", "/predict", {"headers": {"x-forwarded-for": "203.0.113.9"}, "proxy": True})] * 3
    + [("GET", "/predict", {"headers": {"x-forwarded-for": "203.0.113.8"}, "proxy": True})],
    "a spoofed address": [("GET", "/predict", {"headers": {"x-forwarded-for": f"203.0.113.{n}"}}) for n in range(3)],
}


PIECES = {
    "pieces": lambda: iter([b'{"inputs": ['] + [b"1, " * 100] * 10 + [b"1]}"]),
    "upload": lambda: iter([MODEL[:9].encode(), MODEL[9:].encode()] + [FILE.encode()] + [b"--b--"]),
    "tensors": lambda: iter([SHAPE[:9], SHAPE[9:] + b"\0"] + [b"\xff" * 50] * 9),
}
"""Bodies whose length is not announced."""


class Pair:
    """The same app behind the gateway and under the middleware, by one policy."""

    def __init__(self, folder, responses=""):
        (folder / "app.py").write_text(APP)
        for home in ("gateway", "middleware"):
            (folder / home).mkdir()
        keys = folder / "gateway" / "keys.toml"
        policy = POLICY.format(responses=responses)
        (folder / "middleware" / "sluicegate.toml").write_text(policy)
        (folder / "gateway" / "sluicegate.toml").write_text(policy)
        made = run("key", "new", "--tenant", "acme", "--tier", "premium", "--file", keys)
        assert made.returncode == 0, made.stderr
        self.key = made.stdout.strip()
        (folder / "middleware" / "keys.toml").write_text(keys.read_text())
        self.folder = folder
        self.policy = policy
        self.servers = []
        upstream = self._uvicorn("bare")
        self.gateway = Gateway(folder / "gateway", upstream, policy)
        self.servers.append(self.gateway)
        self.urls = [self.gateway.url, self._uvicorn("limited")]

    def _uvicorn(self, app):
        url = f"http://127.0.0.1:{free_port()}"
        command = [sys.executable, "-c", UVICORN, self.folder, app, url.rsplit(":", 1)[1]]
        log = self.folder / f"{app}.log"
        self.servers.append(Server(command, f"{url}/ready", log, {"SLUICEGATE_TEST_HOME": str(self.folder / "middleware")}))
        return url

    def ask(self, url, requests, address):
        """The responses to requests from their own address."""
        for method, path, settings in requests:
            settings = dict(settings)
            local = "127.0.0.2" if settings.pop("proxy", False) else address
            headers = {name: value.replace("{key}", self.key) for name, value in settings.pop("headers", {}).items()}
            settings["content"] = PIECES.get(settings.get("content"), lambda: settings.get("content"))()
            transport = httpx.HTTPTransport(local_address=local, verify=False)
            # A request without an id gets one of its own, and the answer's body has it too.
            with httpx.Client(transport=transport, headers={"x-request-id": "mine"}, timeout=30) as client:
                answer = client.request(method, url + path, headers=headers, **settings)
            yield answer.status_code, seen(answer), answer.content

    def stop(self):
        for server in self.servers:
            server.stop()


UVICORN = """
import os, sys
import uvicorn
sys.path.insert(0, sys.argv[1])
os.chdir(os.environ["SLUICEGATE_TEST_HOME"])
uvicorn.run(f"app:{sys.argv[2]}", port=int(sys.argv[3]), proxy_headers=False, log_level="warning")
"""


def seen(answer):
    """The header lines, but for the servers' own, and without the moment that they were written at."""
    lines = [(name.lower(), value) for name, value in answer.headers.raw]
    # The gateway names every request, also in the app's answers. An app names its requests as it likes.
    is_the_apps = "request-id" not in answer.headers
    others = SERVERS | {b"x-request-id"} if is_the_apps else SERVERS
    return sorted((name, b"" if name in MOMENTS else value) for name, value in lines if name not in others)


SERVERS = {b"date", b"server", b"connection", b"transfer-encoding"}
MOMENTS = {
    b"retry-after-ms",
    b"x-ratelimit-reset",
    b"x-ratelimit-reset-requests",
    b"anthropic-ratelimit-requests-reset",
}


@pytest.fixture(scope="module", params=["ietf", "all families"])
def pair(request, tmp_path_factory):
    families = '[responses]\nheaders = ["ietf", "draft-06", "github", "openai", "anthropic"]'
    pair = Pair(tmp_path_factory.mktemp("pair"), "" if request.param == "ietf" else families)
    yield pair
    pair.stop()


@pytest.fixture
def address(request):
    """An address of this machine that no other test asks from."""
    names = sorted(REQUESTS)
    return f"127.0.1.{1 + names.index(request.node.callspec.params['requests'])}"


@pytest.mark.parametrize("requests", REQUESTS)
def test_the_same_requests_get_the_same_answers(pair, requests, address):
    by_gateway, by_middleware = (list(pair.ask(url, REQUESTS[requests], address)) for url in pair.urls)
    for number, (expected, given) in enumerate(zip(by_gateway, by_middleware, strict=True)):
        assert given == expected, f"{REQUESTS[requests][number]}"


def test_what_was_compared_are_answers_of_all_kinds(pair):
    """So that both sides are not merely wrong alike."""
    url = pair.urls[1]

    def ask(requests, address="127.0.2.1"):
        return [status for status, _, _ in pair.ask(url, REQUESTS[requests], address)]

    assert ask("allowed and denied") == [200, 200, 429]
    assert ask("the wrong tier")[0] == 403
    assert ask("an unknown key") == [401, 401]
    assert ask("a body without its cost") == [400]
    assert ask("too large a body") == ask("too large a body in pieces") == [413]
    assert ask("a compressed body") == [415]
    assert ask("no body that is needed") == [200] * 5 + [429]
    assert ask("forms") == [200, 429, 200, 429]
    assert ask("JSON called a form", "127.0.2.3") == [200, 429]
    assert ask("an upload", "127.0.2.7") == ask("an upload in pieces", "127.0.2.8") == [200, 429]
    assert ask("tensors", "127.0.2.4") == [200] * 3
    assert ask("tensors in pieces", "127.0.2.5") == [200] * 2
    assert ask("tensors of no length") == [400] * 5
    assert ask("more items than one request may have", "127.0.2.6") == [200, 413]
    assert ask("a field behind a file") == [413]
    assert ask("a form that is none") == [400] * 3
    assert ask("an ambiguous path")[1] == 400


def test_a_denial_has_a_request_id_on_both_sides(pair):
    for url in pair.urls:
        transport = httpx.HTTPTransport(local_address="127.0.2.2", verify=False)
        with httpx.Client(transport=transport) as client:
            for _ in range(3):
                answer = client.get(f"{url}/predict")
        assert answer.status_code == 429
        assert len(answer.headers["x-request-id"]) == 32
        assert answer.headers["x-request-id"] in answer.text


def test_a_key_that_is_revoked_while_the_app_runs_becomes_unknown(pair):
    keys = pair.folder / "middleware" / "keys.toml"
    made = run("key", "new", "--tenant", "globex", "--file", keys)
    key = made.stdout.strip()

    def status():
        return httpx.get(f"{pair.urls[1]}/nowhere", headers={"x-api-key": key}, verify=False).status_code

    until(lambda: status() == 200, "a new key is known")
    assert run("key", "revoke", key.split("_")[1], "--file", keys).returncode == 0
    until(lambda: status() == 401, "the revoked key is answered 401")


def test_a_crowd_gets_exactly_the_quota_of_both(pair):
    def ask(url):
        return httpx.get(f"{url}/files/crowd", timeout=30, verify=False).status_code

    with ThreadPoolExecutor(8) as threads:
        for url in pair.urls:
            assert sorted(threads.map(ask, [url] * 20)) == [200] * 2 + [429] * 18

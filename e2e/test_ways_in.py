"""The cases of ways_in.toml, decided by the gateway and by the ways to ask its decision server."""

import json
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from rate_limit_service import OK, call, service
from server import TIMEOUT, free_port

SUITE = tomllib.loads(Path(__file__).with_name("ways_in.toml").read_text())

# Until a step, so many seconds may have passed since the first one.
SLOW = 60


class Gateway:
    """Clients' requests pass the gateway."""

    sees_body = True

    def __init__(self, gateway, _):
        self.url = gateway.url

    def ask(self, step):
        headers = {"x-forwarded-for": step["client"], **step.get("headers", {})}
        content_type = {"content-type": "application/json"} if "body" in step else {}
        with httpx.Client(base_url=self.url, headers=headers | content_type, timeout=TIMEOUT) as client:
            return client.post(step["path"], content=step.get("body"))


class Decisions:
    """A proxy asks the decision server, at one of its endpoints."""

    sees_body = False

    def __init__(self, _, address):
        self.url = f"http://{address}"

    def ask(self, step):
        headers = {"x-forwarded-for": step["client"], **step.get("headers", {}), **self.described(step["path"])}
        with httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT) as client:
            return self.answer(client.post(self.endpoint(step["path"])))

    def described(self, path):
        return {}

    def answer(self, answer):
        return answer


class ForwardAuth(Decisions):
    def endpoint(self, _):
        return "/forward-auth"

    def described(self, path):
        return {"x-forwarded-method": "POST", "x-forwarded-uri": path}


class AuthRequest(Decisions):
    def endpoint(self, _):
        return "/auth-request"

    def described(self, path):
        return {"x-original-method": "POST", "x-original-uri": path}

    def answer(self, answer):
        answer.status_code = int(answer.headers.get("sluicegate-status", answer.status_code))
        return answer


class ExtAuthz(Decisions):
    def endpoint(self, path):
        return f"/ext-authz{path}"


class Take:
    """A program describes the request in JSON."""

    sees_body = True

    def __init__(self, _, address):
        self.url = f"http://{address}/take"

    def ask(self, step):
        headers = {"x-forwarded-for": step["client"], **step.get("headers", {})}
        described = {"method": "POST", "path": step["path"], "client_ip": "127.0.0.1", "headers": headers}
        if "body" in step:
            headers["content-type"] = "application/json"
            described["body"] = parsed(step["body"])
        answer = httpx.post(self.url, json=described, timeout=TIMEOUT).raise_for_status().json()
        return httpx.Response(answer.get("status", 200), headers=answer["headers"], text=str(answer))


def parsed(body):
    """A body in JSON. What is none is a text."""
    try:
        return json.loads(body)
    except ValueError:
        return body


class RateLimitService:
    """Envoy asks for a descriptor of the path, the client and the headers. The case's routes become those of descriptors."""

    sees_body = False

    def __init__(self, _, address):
        self.address = address

    def ask(self, step):
        with service(self.address) as ask:
            answer = ask(call("ways", entries(step)))
        status = 200 if answer.overall == OK else 429
        return httpx.Response(status, headers=answer.headers, text=answer.body)


def entries(step):
    described = {"path": step["path"], "remote_address": step["client"], **step.get("headers", {})}
    return list(described.items())


def described(case):
    """The policy of a case with a route for each descriptor of its steps, or `None` if no descriptor has what it needs."""
    policy = tomllib.loads(case["policy"])
    routes = {route["path"]: route for route in policy.get("route", [])}
    limits = dict(policy.get("limits", {}))
    written = []
    for step in case["steps"]:
        route = routes.get(step["path"])
        # Envoy's filter has one status for everything that is denied.
        if route is None or route.keys() > {"path", "limits"} or step["status"] not in (200, 429):
            return None
        own = [limit for limit in route["limits"] if isinstance(limit, dict)]
        limits |= {limit["name"]: {key: value for key, value in limit.items() if key != "name"} for limit in own}
        names = [limit["name"] if limit in own else limit for limit in route["limits"]]
        keys = [f"path={step['path']}", *[key for key, _ in entries(step)[1:]]]
        table = f"[[route]]\ndescriptor = {{ domain = 'ways', entries = {keys} }}\nlimits = {names}\n"
        if table not in written:
            written.append(table)
    if any(limit.get("key", "client_ip") not in ("client_ip", "global") for limit in limits.values()):
        return None
    tables = [
        f"[limits.{name}]\n" + "".join(f"{key} = {value!r}\n" for key, value in limit.items())
        for name, limit in limits.items()
    ]
    return "".join(tables + written)


WAYS = [Gateway, ForwardAuth, AuthRequest, ExtAuthz, Take, RateLimitService]


class Agreeing(BaseHTTPRequestHandler):
    """Answers every request with an empty 200."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def agreeing():
    """The address of a server that agrees to everything."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Agreeing)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def left(answer):
    """The amounts that the RateLimit field tells, in its order."""
    items = answer.headers.get("ratelimit", "").split(", ")
    return [int(item.split(";r=")[1].split(";")[0]) for item in items if item]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", SUITE["case"], ids=lambda case: case["name"])
def test_every_way_in_decides_alike(start, agreeing, tmp_path, case, way):
    if case.get("sees_body") and not way.sees_body:
        pytest.skip("a proxy that asks does not tell the body")
    keys = tmp_path / "keys.toml"
    keys.write_text(SUITE["keys"])
    address = f"127.0.0.1:{free_port()}"
    env = {"SLUICEGATE_DECISIONS__LISTEN": address, "SLUICEGATE_IDENTITY__API_KEYS": str(keys)}
    policy = described(case) if way is RateLimitService else case["policy"]
    if policy is None:
        pytest.skip("no descriptor has what this case needs")
    asked = way(start(SUITE["before"] + policy, upstream=agreeing, env=env), address)

    for number, step in enumerate(case["steps"]):
        answer = asked.ask(step)
        told = f"step {number}: {answer.status_code} {answer.headers} {answer.text}"
        assert answer.status_code == step["status"], told
        assert left(answer) == step.get("left", []), told
        after = answer.headers.get("retry-after")
        if "retry_after" in step:
            assert step["retry_after"] - SLOW <= int(after) <= step["retry_after"], told
        else:
            assert after is None, told

"""The admin port, asked by its own description, by people and by programs."""

import json
import pathlib
import subprocess
import sys

import httpx

TOKEN = "correct-horse-battery-staple"

POLICY = """
[tiers.free]
[tiers.premium]
scale = 5

[identity]
tier         = "header:x-user-tier"
default_tier = "free"

[[route]]
path   = "/health"
limits = [
  { name = "calls", quota = "3/day" },
  { name = "slots", quota = "2 concurrent", key = "global" },
]
"""


def test_it_answers_as_its_openapi_document_says(start, tmp_path):
    gateway = start(POLICY, env={"SLUICEGATE_GATEWAY__ADMIN_TOKEN": TOKEN})
    command = [
        pathlib.Path(sys.executable).with_name("schemathesis"),
        *["run", f"{gateway.admin_url}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}"],
        *["--checks", "all", "--max-examples", "50", "--seed", "1", "--request-timeout", "10", "--no-color"],
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    # All but the one that it begins with.
    assert "Tested: 12" in done.stdout, done.stdout
    assert httpx.get(f"{gateway.admin_url}/livez").status_code == 200


def test_without_the_token_nothing_but_health_and_metrics_is_told(start):
    gateway = start(POLICY, env={"SLUICEGATE_GATEWAY__ADMIN_TOKEN": TOKEN})
    for path in ["/livez", "/readyz", "/metrics", "/openapi.json"]:
        assert httpx.get(gateway.admin_url + path).status_code == 200
    for method, path in [("GET", "/policy"), ("GET", "/denials"), ("GET", "/limits?key=global"), ("POST", "/config/reload")]:
        refused = httpx.request(method, gateway.admin_url + path)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="sluicegate"')
        assert refused.json()["status"] == 401
        assert allowed(gateway, method, path).status_code == 200
    assert TOKEN not in allowed(gateway, "GET", "/policy").text
    assert TOKEN not in gateway.logged()


def test_a_caller_that_was_denied_is_looked_up_and_let_through_again(start):
    gateway = start(POLICY, env={"SLUICEGATE_GATEWAY__ADMIN_TOKEN": TOKEN})
    with gateway.client("127.0.0.9") as client:
        codes = [client.get("/health").status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        told = allowed(gateway, "GET", "/limits", key="client_ip=127.0.0.9").json()
        left = {limit["tiers"][0]: limit["remaining"] for limit in told["limits"]}
        assert left == {"free": 0, "premium": 15}
        reset = allowed(gateway, "DELETE", "/limits", key="client_ip=127.0.0.9", limit="calls").json()
        assert [account["account"] for account in reset["reset"]] == [
            "calls:free|client_ip=127.0.0.9",
            "calls:premium|client_ip=127.0.0.9",
        ]
        assert client.get("/health").status_code == 200
    # Who reads the log sees that it was the caller of the denial, and not who that is.
    logged = [json.loads(line) for line in gateway.logged().splitlines() if line.startswith("{")]
    [denied] = [line for line in logged if line["message"] == "denied"]
    resets = [line for line in logged if line["message"] == "reset an account"]
    assert [line["limit"] for line in resets] == ["calls", "calls"]
    assert resets[0]["key"] == denied["key"]
    assert "127.0.0.9" not in gateway.logged()


def allowed(gateway, method, path, **query):
    """Asks the admin port with its token."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    return httpx.request(method, gateway.admin_url + path, headers=headers, params=query or None)

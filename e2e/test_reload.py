"""Reloads of a gateway that is being asked all the time."""

import re

import httpx

from load import Load
from server import until

# Each request has a key of its own. In a table for a million, a key would touch a page that none has touched before.
POLICY = """
[store]
max_keys = 1000

[[route]]
path = "/health"
limits = [
  {{ name = "counted", quota = "{counted}/day", key = "global", algorithm = "fixed-window" }},
  {{ name = "changing", quota = "{changing}/second", key = "header:x-client" }},
]

[[route]]
path = "/models/{{model}}/predict"
limits = ["{changing}/hour"]
"""

RELOADS = 1000


def test_a_thousand_reloads_under_load_fail_no_request_lose_no_balance_and_keep_the_memory(start):
    gateway = start(policy(0))
    with Load([gateway], ["/health"], clients=2) as load, httpx.Client(base_url=gateway.admin_url) as admin:
        until(lambda: len(load.answers) > 5 * RELOADS, "requests have all the memory that they take")
        for number in range(1, RELOADS + 1):
            gateway.policy.write_text(policy(number))
            assert admin.post("/config/reload").status_code == 200
            if number == RELOADS // 2:
                half_way = allocated(gateway)
        at_the_end = allocated(gateway)
        load.stop()

    assert set(load.codes("/health")) == {200}
    assert load.codes("/health")[200] > RELOADS / 10
    # Where the machine stalls between the change and the request, the gateway finds the change by itself as well.
    assert gateway.metric('sluicegate_config_reloads_total{result="ok"}') >= RELOADS
    assert gateway.metric('sluicegate_config_reloads_total{result="error"}') == 0
    with gateway.client() as client:
        told = client.get("/health").headers["ratelimit"]
    assert remaining(told, "counted") == quota(RELOADS) - load.codes("/health")[200] - 1
    assert at_the_end - half_way < 1 << 20


def quota(number):
    return 10_000_000 + number


def policy(number):
    return POLICY.format(counted=quota(number), changing=1000 + number % 2)


def remaining(header, limit):
    """The remaining amount of a limit in a RateLimit header."""
    return int(re.search(rf'"{limit}";r=(\d+)', header).group(1))


def allocated(gateway):
    """Bytes of the gateway's memory but for the pages of its program, which come and go with the system's cache."""
    with open(f"/proc/{gateway.process.pid}/status") as status:
        return int(re.search(r"^RssAnon:\s+(\d+) kB$", status.read(), re.M).group(1)) * 1024

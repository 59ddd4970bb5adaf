"""Books of tokens that three gateways share on one Redis, while each of them is killed once under load.

A limit of one request's tokens shows the charge of each request by itself. A limit that no caller can spend shows all that an
account holds, where the limit beside it that has the same terms shows nothing below zero.
"""

import asyncio
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from dialects import BODIES
from server import until
from token_books import ADMIN, METERS
from token_run import CALLERS, Run, requests

# `SLUICEGATE_BOOKS_REQUESTS=10000 PYTEST_ARGS="-k killed_gateways" ./test e2e` shows it for more than a check has time for.
REQUESTS = int(os.environ.get("SLUICEGATE_BOOKS_REQUESTS", 2000))
AT_ONCE = min(1000, REQUESTS // 5)

QUOTA = 5 * REQUESTS  # heavy callers ask for twice as much
LARGE = 1_000_000_000
SLOTS = 60
MAX_DEBT = 20
STEP = 20
LEASE = 3

POLICY = f"""
[store]
url = "{{url}}"
timeout = "1s"
lease = "{LEASE}s"
outage = "deny"

[defaults]
algorithm = "fixed-window"

[limits]
tight  = {{{{ quota = "{QUOTA} tokens/day", key = "header:x-caller", max_debt = {MAX_DEBT} }}}}
held   = {{{{ quota = "{LARGE} tokens/day", key = "header:x-caller", max_debt = {MAX_DEBT} }}}}
spent  = {{{{ quota = "{LARGE} tokens/day", key = "header:x-caller" }}}}
input  = {{{{ quota = "{LARGE} input_tokens/day", key = "header:x-request-id" }}}}
output = {{{{ quota = "{LARGE} output_tokens/day", key = "header:x-request-id" }}}}
own    = {{{{ quota = "{SLOTS} concurrent", key = "header:x-caller" }}}}
all    = {{{{ quota = "{LARGE} concurrent", key = "global" }}}}
"""

ROUTE = """
[[route]]
path = "{path}"
meter = {{ tokens = "{meter}", default_output = {step} }}
limits = ["tight", "held", "spent", "input", "output", "own", "all"]
"""


@pytest.fixture
def run(start, arrange, mock_model):
    routes = (ROUTE.format(path=path, meter=METERS[path], step=STEP) for path in BODIES)
    policy = POLICY.format(url=arrange("redis").url) + "".join(routes)
    gateways = [start(policy, upstream=mock_model.url) for _ in range(3)]
    return Run(gateways, requests(REQUESTS, seed=1), AT_ONCE)


def test_what_is_held_stays_within_the_quota_and_what_is_charged_is_what_was_used(run, mock_model):
    seen = []
    callers = sorted(set(CALLERS))

    def watch(gateway):
        seen.extend(used(gateway, f"header:x-caller={caller}", "held") for caller in callers)

    asyncio.run(run.go(watch))

    gateway = run.gateways[0]
    until(lambda: used(gateway, "global", "all") == 0, f"all slots are free within the lease of {LEASE} s and its renewal")
    for caller in callers:
        assert used(gateway, f"header:x-caller={caller}", "own") == 0, f"{caller} has lost a slot"
    mock_model.totals_at_rest()
    assert all(gateway.metric("sluicegate_store_errors_total") == 0 for gateway in run.gateways)

    # Nothing is admitted beyond the quota, and no more than their debts comes on top of it when they end.
    held = [LARGE - request.balances["held"] for request in run.requests if "held" in request.balances]
    admitted = [request for request in run.requests if "output" in request.balances and not is_denied(request)]
    assert max(LARGE - request.balances["held"] for request in admitted) <= QUOTA
    assert max(seen + held) <= QUOTA + SLOTS * MAX_DEBT

    charges = charged(run)
    made = {record["id"]: record for record in mock_model.ledger()}
    assert len(made) == sum(mock_model.totals()[end] for end in ("complete", "failed", "left")), "none was made twice"
    wrong, kinds = [], Counter()
    for request in run.requests:
        kind, is_right = judge(request, *charges[request.id], made.get(request.id), run.is_settled(request))
        kinds[kind] += 1
        if not is_right:
            wrong.append((kind, charges[request.id], request, made.get(request.id)))
    print(f"{len(run.requests)} requests: {dict(kinds)}; at most {max(seen + held)} held of {QUOTA}, seen {len(seen)} times")
    assert not wrong, f"{len(wrong)} are wrong, such as {wrong[:3]}; all: {kinds}"
    # What was to be shown has happened.
    assert all(kinds[kind] for kind in ("whole", "left", "unanswered", "refused", "denied", "killed, reserved")), kinds

    # The accounts that the requests share have the same books.
    spent, forgiven = Counter(), Counter()
    for request in run.requests:
        total = sum(charges[request.id])
        spent[request.caller] += total
        forgiven[request.caller] += max(0, total - sum(reserved(request) or (0, 0)) - MAX_DEBT)
    for caller in callers:
        key = f"header:x-caller={caller}"
        assert used(gateway, key, "spent") == spent[caller], caller
        assert spent[caller] - forgiven[caller] <= used(gateway, key, "held") <= spent[caller], caller


def judge(request, input, output, record, is_settled):
    """The kind of a request that was charged so, and `True` if that is right."""
    if is_denied(request):
        return "denied", (input, output) == (0, 0) and record is None
    if not is_settled:
        return judge_killed(request, input, output, record)
    if "x-mock-status" in request.settings:
        return "refused", request.status == request.settings["x-mock-status"] and (input, output) == (0, 0)
    if request.leaves_unanswered is not None:
        if record is None:
            return "never served", True
        # Nobody knows what the model made. It is never free.
        ends = {request_maximum(request), record["output_tokens"] if record["ended"] == "complete" else None}
        return "unanswered", input > 0 and output in ends
    if record is None:
        return "lost", False
    made = (record["input_tokens"], record["output_tokens"])
    if request.status == 502:
        # It broke off before its head.
        return "broken", (input, output) == (0, 0)
    if request.is_whole and record["ended"] == "complete":
        return "whole", request.status == 200 and (input, output) == made
    # Of a stream that breaks off, what has come is charged, and of its input what is known. Its head may break off, too.
    known = (reserved(request) or (input, 0))[0]
    is_right = input > 0 and input in (known, made[0]) and request.chunks <= output <= made[1]
    return ("left" if request.leaves_after is not None else "broken"), is_right


def judge_killed(request, input, output, record):
    """The same for a request whose gateway was killed before it must have settled it: its reservation stays charged, once."""
    if reserved(request) is None:
        # Its client has seen nothing of it. What the model has seen was taken before.
        return "killed, unseen", record is None or (input > 0 or "x-mock-status" in request.settings)
    known = reserved(request)
    made = (record["input_tokens"], record["output_tokens"]) if record else (0, 0)
    # A stream takes more in steps while it runs, and gives them back after it is settled.
    steps = range(0, max(0, made[1] - known[1]) + STEP, STEP)
    if input == known[0] and output in {known[1] + step for step in steps}:
        return "killed, reserved", True
    return "killed, settled", input in (known[0], made[0]) and output <= made[1] + steps[-1]


def is_denied(request):
    """Returns `True` if a gateway has denied it, and not the model: then it has reserved nothing."""
    return request.status == 429 and reserved(request) == (0, 0)


def request_maximum(request):
    return next(value for value in _values(request.body) if isinstance(value, int) and not isinstance(value, bool))


def _values(body):
    for value in body.values():
        if isinstance(value, dict):
            yield from _values(value)
        else:
            yield value


def reserved(request):
    """The tokens that a request has reserved: its own limits had not been touched. `None` if no response has come."""
    if "input" not in request.balances:
        return None
    return LARGE - request.balances["input"], LARGE - request.balances["output"]


def used(gateway, key, limit):
    """What is taken of a limit."""
    answer = ADMIN.get(f"{gateway.admin_url}/limits", params={"key": key, "limit": limit}).raise_for_status()
    [account] = answer.json()["limits"]
    return (SLOTS if limit == "own" else LARGE) - account["remaining"]


def charged(run):
    """The input and output tokens that each request was charged, by its id."""
    def ask(request):
        gateway = run.gateways[hash(request.id) % len(run.gateways)]
        key = f"header:x-request-id={request.id}"
        answer = ADMIN.get(f"{gateway.admin_url}/limits", params={"key": key}).raise_for_status()
        remaining = {account["limit"]: account["remaining"] for account in answer.json()["limits"]}
        return request.id, (LARGE - remaining["input"], LARGE - remaining["output"])

    with ThreadPoolExecutor(4) as pool:
        return dict(pool.map(ask, run.requests))

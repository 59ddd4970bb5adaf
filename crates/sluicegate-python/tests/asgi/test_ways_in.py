"""The cases that every way in decides alike, decided by the middleware."""

import pathlib
import tomllib

import pytest
from starlette.responses import Response

from sluicegate import Limiter
from sluicegate.fastapi import RateLimitMiddleware

SUITE = tomllib.loads((pathlib.Path(__file__).parents[4] / "e2e/ways_in.toml").read_text())


def left(answer):
    """The amounts that the RateLimit field tells, in its order."""
    items = answer.headers.get("ratelimit", "").split(", ")
    return [int(item.split(";r=")[1].split(";")[0]) for item in items if item]


@pytest.mark.parametrize("case", SUITE["case"], ids=lambda case: case["name"])
def test_the_middleware_decides_as_every_way_in(case, clock, ask, tmp_path):
    (tmp_path / "keys.toml").write_text(SUITE["keys"])
    policy = tmp_path / "sluicegate.toml"
    policy.write_text(SUITE["before"] + case["policy"])
    limited = RateLimitMiddleware(Response(), limiter=Limiter(policy=policy, clock=clock))
    client = ask(limited, "127.0.0.1")

    for number, step in enumerate(case["steps"]):
        headers = {"x-forwarded-for": step["client"], **step.get("headers", {})}
        if "body" in step:
            headers["content-type"] = "application/json"
        answer = client.post(step["path"], content=step.get("body"), headers=headers)
        after = answer.headers.get("retry-after")
        assert (answer.status_code, left(answer), after and int(after)) == (
            step["status"],
            step.get("left", []),
            step.get("retry_after"),
        ), f"step {number}: {answer.headers} {answer.text}"

"""Pages of other origins: `[cors]` in the middleware, alone and beside Starlette's."""

import pytest
from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware

from sluicegate import Limiter
from sluicegate.fastapi import RateLimit, RateLimitMiddleware

PAGE = "https://app.example"
ORIGIN = {"origin": PAGE}
PREFLIGHT = {**ORIGIN, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
ROUTE = {"path": "/predict", "limits": [{"name": "predict", "quota": "1/minute"}]}


def app(**cors):
    """An app of one route, with Starlette's middleware around it if there are any settings of that."""
    app = FastAPI()

    @app.post("/predict")
    async def predict():
        return "served"

    if cors:
        app.add_middleware(CORSMiddleware, allow_methods=["*"], allow_headers=["*"], **cors)
    return app


def limited(app, **policy):
    app.add_middleware(RateLimitMiddleware, policy={"route": [ROUTE], **policy})
    return app


def all_of(answer, name):
    return answer.headers.get_list(name)


def test_a_page_reads_what_passes_and_what_is_denied(ask):
    client = ask(limited(app(), cors={"origins": PAGE, "credentials": True}))

    for status in (200, 429):
        answer = client.post("/predict", headers=ORIGIN)
        assert answer.status_code == status
        assert all_of(answer, "access-control-allow-origin") == [PAGE]
        assert all_of(answer, "access-control-allow-credentials") == ["true"]
        assert all_of(answer, "vary") == ["Origin"]
        assert "retry-after, ratelimit, ratelimit-policy" in answer.headers["access-control-expose-headers"]

    other = client.post("/predict", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_preflights_are_answered_before_the_app_and_spend_nothing(ask):
    client = ask(limited(app(), cors={"origins": PAGE}))

    for _ in range(3):
        answer = client.options("/predict", headers=PREFLIGHT)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["access-control-allow-headers"] == "authorization"
        assert "content-length" not in answer.headers
    assert client.options("/predict", headers={**PREFLIGHT, "origin": "https://evil.example"}).status_code == 403
    assert client.post("/predict", headers=ORIGIN).status_code == 200


@pytest.mark.parametrize("policy", [{}, {"cors": {"origins": PAGE, "preflight": "pass"}}])
def test_preflights_that_the_app_answers_spend_nothing(ask, policy):
    client = ask(limited(app(allow_origins=[PAGE]), **policy))

    for _ in range(3):
        answer = client.options("/predict", headers=PREFLIGHT)
        assert answer.status_code == 200
        assert all_of(answer, "access-control-allow-origin") == [PAGE]
        assert "ratelimit" not in answer.headers
    assert client.post("/predict", headers=ORIGIN).status_code == 200
    assert client.post("/predict", headers=ORIGIN).status_code == 429


def test_around_starlettes_middleware_its_fields_stay_and_ours_are_exposed(ask):
    inner = app(allow_origins=[PAGE], expose_headers=["x-model"])
    client = ask(limited(inner, cors={"origins": PAGE, "preflight": "pass"}))

    passed, denied = (client.post("/predict", headers=ORIGIN) for _ in range(2))

    assert all_of(passed, "access-control-allow-origin") == [PAGE]
    first, second = all_of(passed, "access-control-expose-headers")
    assert first == "x-model" and "ratelimit" in second.split(", ")
    assert [line.lower() for line in all_of(passed, "vary")] == ["origin"]
    assert denied.status_code == 429 and all_of(denied, "access-control-allow-origin") == [PAGE]


@pytest.mark.parametrize("policy", [{}, {"cors": {"origins": PAGE}}])
def test_inside_starlettes_middleware_a_denial_gets_its_fields_once(ask, policy):
    around = app()
    limited(around, **policy)
    around.add_middleware(CORSMiddleware, allow_origins=[PAGE], allow_methods=["*"], expose_headers=["ratelimit"])
    client = ask(around)

    assert client.options("/predict", headers={**ORIGIN, "access-control-request-method": "POST"}).status_code == 200
    for status in (200, 429):
        answer = client.post("/predict", headers=ORIGIN)
        assert answer.status_code == status
        assert all_of(answer, "access-control-allow-origin") == [PAGE]
        assert "ratelimit" in answer.headers["access-control-expose-headers"]


def test_a_limit_inside_the_app_leaves_sharing_to_the_app(ask):
    limiter = Limiter(policy={"cors": {"origins": "*"}})
    app = FastAPI()

    @app.post("/predict", dependencies=[Depends(RateLimit("1/minute", limiter=limiter))])
    async def predict():
        return "served"

    bare = ask(app)
    assert bare.post("/predict", headers=ORIGIN).status_code == 200
    denied = bare.post("/predict", headers=ORIGIN)
    assert denied.status_code == 429 and "access-control-allow-origin" not in denied.headers

    shared = ask(CORSMiddleware(app, allow_origins=[PAGE], allow_methods=["*"]))
    assert shared.options("/predict", headers={**ORIGIN, "access-control-request-method": "POST"}).status_code == 200
    denied = shared.post("/predict", headers=ORIGIN)
    assert denied.status_code == 429
    assert all_of(denied, "access-control-allow-origin") == [PAGE]

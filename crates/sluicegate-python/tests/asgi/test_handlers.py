"""The handlers of an app: they answer what a limit denies, in the order in which Starlette looks them up."""

import fastapi
import pytest
import starlette.exceptions
from fastapi import Depends, FastAPI
from fastapi.exception_handlers import http_exception_handler
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import WebSocketDenialResponse

from sluicegate.fastapi import RateLimit, RateLimitExceeded
from sluicegate.slowapi import Limiter as SlowAPI
from sluicegate.slowapi.errors import RateLimitExceeded as SlowAPIExceeded
from sluicegate.slowapi.middleware import SlowAPIASGIMiddleware, SlowAPIMiddleware
from sluicegate.slowapi.util import get_remote_address

HANDLERS = {
    "status": 429,
    "class": RateLimitExceeded,
    "FastAPI's": fastapi.HTTPException,
    "Starlette's": starlette.exceptions.HTTPException,
    "another status": 404,
    "any": Exception,
}


def saying(word):
    async def handler(request, raised):
        return JSONResponse({"by": word}, getattr(raised, "status_code", 500), headers=getattr(raised, "headers", None))

    return handler


@pytest.fixture(params=["dependency", "decorator", "Starlette"])
def limited(request, limiter):
    """An app with a limit that lets nothing pass twice, and handlers: `limited("status", "class")`."""

    def limited(*names):
        handlers = {HANDLERS[name]: saying(name) for name in names}
        limit = RateLimit("1/minute", limiter=limiter)
        if request.param == "Starlette":
            return Starlette(routes=[Route("/", limit(starlette_endpoint))], exception_handlers=handlers)
        app = FastAPI(exception_handlers=handlers)
        if request.param == "dependency":
            app.get("/", dependencies=[Depends(limit)])(lambda: {})
        else:
            app.get("/")(limit(lambda: {}))
        return app

    return limited


async def starlette_endpoint(request):
    return JSONResponse({})


@pytest.mark.parametrize(
    "handlers, by",
    [
        (["Starlette's"], "Starlette's"),
        (["FastAPI's"], "FastAPI's"),
        (["FastAPI's", "Starlette's"], "FastAPI's"),
        (["class", "FastAPI's", "Starlette's"], "class"),
        (["status", "class", "Starlette's"], "status"),
        (["another status", "Starlette's"], "Starlette's"),
    ],
    ids=lambda given: given if isinstance(given, str) else " ".join(given),
)
def test_the_first_that_starlette_would_find_answers(limited, ask, handlers, by):
    client = ask(limited(*handlers))
    answers = [client.get("/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert [answer.json() for answer in answers[1:]] == [{"by": by}] * 2
    assert answers[1].headers["retry-after"] == "60"


@pytest.mark.parametrize("handlers", [[], ["another status"], ["any"]], ids=["none", "another status", "any"])
def test_without_one_the_answer_is_the_gateways(limited, ask, handlers):
    client = ask(limited(*handlers))
    answer = [client.get("/") for _ in range(2)][1]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"


def test_fastapis_own_handler_is_none_of_the_apps(limiter, ask):
    app = FastAPI(exception_handlers={starlette.exceptions.HTTPException: http_exception_handler})
    app.get("/", dependencies=[Depends(RateLimit("1/minute", limiter=limiter))])(lambda: {})
    client = ask(app)
    assert [client.get("/").headers["content-type"] for _ in range(2)] == ["application/json", "application/problem+json"]


def test_a_mounted_app_has_handlers_of_its_own(limiter, ask):
    app, sub = FastAPI(), FastAPI()
    app.add_exception_handler(starlette.exceptions.HTTPException, saying("outer"))
    for part in (app, sub):
        part.get("/x", dependencies=[Depends(RateLimit("1/minute", limiter=limiter))])(lambda: {})
    app.mount("/sub", sub)
    client = ask(app)
    told = [client.get(path).json() for path in ("/x", "/x", "/sub/x", "/sub/x")]
    assert told[1] == {"by": "outer"}
    assert told[3]["error"]["code"] == "rate_limit_exceeded"


def test_a_websockets_denial_goes_the_same_way(limiter, ask):
    app = FastAPI(exception_handlers={starlette.exceptions.HTTPException: saying("Starlette's")})

    @app.websocket("/", dependencies=[Depends(RateLimit("1/minute", limiter=limiter))])
    async def endpoint(websocket: fastapi.WebSocket):
        await websocket.accept()
        await websocket.close()

    client = ask(app)
    with client.websocket_connect("/"):
        pass
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/"):
        pass
    assert denied.value.json() == {"by": "Starlette's"}


@pytest.mark.parametrize("middleware", [SlowAPIASGIMiddleware, SlowAPIMiddleware])
@pytest.mark.parametrize(
    "handlers, by",
    [
        ({429: "status", SlowAPIExceeded: "class"}, "status"),
        ({SlowAPIExceeded: "class", starlette.exceptions.HTTPException: "base"}, "class"),
        ({starlette.exceptions.HTTPException: "base"}, "base"),
        ({}, None),
    ],
    ids=["status", "class", "base", "none"],
)
def test_slowapis_middleware_finds_the_same_handlers_as_its_decorators(ask, middleware, handlers, by):
    limiter = SlowAPI(get_remote_address, default_limits=["1/minute"])
    app = FastAPI(exception_handlers={kind: saying(word) for kind, word in handlers.items()})
    app.state.limiter = limiter
    app.add_middleware(middleware)
    app.get("/")(lambda: {})
    client = ask(app)
    told = [client.get("/").json() for _ in range(2)][1]
    assert told == ({"by": by} if by else {"error": "Rate limit exceeded: 1 per 1 minute"})

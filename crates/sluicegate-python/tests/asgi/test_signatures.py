"""The signature of a decorated endpoint: what FastAPI, and other decorators, read there."""

import functools
import inspect
import sys
import types
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Request, Response, WebSocket
from starlette.endpoints import HTTPEndpoint
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse

from sluicegate.fastapi import RateLimit
from sluicegate.slowapi import Limiter as SlowAPI
from sluicegate.slowapi.util import get_remote_address

# Models and endpoints whose annotations are texts, as in a module that begins with `from __future__ import annotations`.
TEXTS = '''
from __future__ import annotations
import functools
from typing import Annotated, Optional
from fastapi import Body, Depends, Request, Response
from pydantic import BaseModel

class Item(BaseModel):
    size: int

def doubled(item: Item) -> int:
    return 2 * item.size

def function(item: Item) -> int:
    return item.size

async def nested(item: "Item", more: Optional["Item"] = None) -> dict[str, int]:
    return {"size": item.size}

async def injected(request: Request, response: Response, item: Item, twice: Annotated[int, Depends(doubled)]) -> int:
    assert isinstance(request, Request) and isinstance(response, Response)
    return twice

async def scaled(scale: int, item: Item) -> int:
    return scale * item.size

partial = functools.partial(scaled, 3)

class Called:
    async def __call__(self, item: Item) -> int:
        return item.size

class Plain:
    def __call__(self, item: Item) -> int:
        return item.size

called, plain, in_partial = Called(), Plain(), functools.partial(Called())
method = Plain().__call__

def wrapped_by_another(endpoint):
    @functools.wraps(endpoint)
    async def inner(*args, **kwargs):
        return await endpoint(*args, **kwargs)
    return inner

under_another = wrapped_by_another(nested)

class Made(BaseModel):
    """A class that is an endpoint: what it makes is the answer."""
    item: Item

def inside(*decorators):
    class Local(BaseModel):
        size: int

    async def local(item: Local) -> int:
        return item.size

    for decorate in decorators:
        local = decorate(local)
    return local
'''


@pytest.fixture(scope="module")
def texts():
    """A module of its own, so that its names are nowhere else."""
    module = types.ModuleType("texts_of_a_test")
    sys.modules[module.__name__] = module
    exec(compile(TEXTS, "texts", "exec"), vars(module))
    yield module
    del sys.modules[module.__name__]


@pytest.fixture
def native(limiter):
    """A limit on the test's clock, as a decorator."""
    return RateLimit("2/minute", limiter=limiter)


def of_slowapi(**settings):
    return SlowAPI(get_remote_address, request_parameter="optional", **settings).limit("2/minute")


@pytest.fixture(params=["native", "slowapi", "slowapi with headers", "slowapi on native", "native on slowapi"])
def decorate(request, native):
    """A decorator of either kind, and of both on each other. Two requests a minute pass."""
    if request.param == "native":
        return native
    if request.param == "slowapi":
        return of_slowapi()
    drop_in = of_slowapi(headers_enabled=True)
    if request.param == "slowapi with headers":
        return drop_in
    if request.param == "slowapi on native":
        return lambda endpoint: drop_in(native(endpoint))
    return lambda endpoint: native(drop_in(endpoint))


def answers(ask, endpoint, **request):
    """The statuses of three requests, and the first answer."""
    app = FastAPI()
    app.state.limiter = SlowAPI(get_remote_address)
    app.post("/")(endpoint)
    client = ask(app)
    told = [client.post("/", **request) for _ in range(3)]
    return [answer.status_code for answer in told], told[0]


# --- parameters that an endpoint has, and decorators need too ---


async def with_response(response: Response) -> dict[str, str]:
    response.headers["x-mine"] = "1"
    return {}


async def with_request(request: Request) -> dict[str, str]:
    assert isinstance(request, Request)
    return {}


async def with_connection(connection: HTTPConnection) -> dict[str, str]:
    assert isinstance(connection, HTTPConnection)
    return {}


async def with_all(tasks: BackgroundTasks, connection: HTTPConnection, request: Request, response: Response) -> dict[str, str]:
    assert connection.scope is request.scope
    tasks.add_task(response.headers.setdefault, "x-late", "1")
    return {}


def in_a_thread(response: Response, request: Request) -> dict[str, str]:
    response.status_code = 200
    return {}


async def sized(size: int, request: Request, response: Response) -> int:
    assert isinstance(request, Request) and isinstance(response, Response)
    return size


class Called:
    async def __call__(self, response: Response):
        return {}


ENDPOINTS = [
    with_response,
    with_request,
    with_connection,
    with_all,
    in_a_thread,
    functools.partial(sized, 5),
    functools.partial(sized, size=5),
    Called(),
]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: getattr(endpoint, "__name__", type(endpoint).__name__))
def test_an_endpoint_keeps_the_parameters_that_limits_need_too(ask, decorate, endpoint):
    statuses, first = answers(ask, decorate(endpoint))
    assert statuses == [200, 200, 429]
    if endpoint is with_response:
        assert first.headers["x-mine"] == "1"


@pytest.mark.parametrize("endpoint", [with_response, with_request, with_all, in_a_thread, Called()])
def test_what_is_left_is_told_whichever_parameters_an_endpoint_has(ask, native, endpoint):
    _, first = answers(ask, native(endpoint))
    assert ";r=1" in first.headers["ratelimit"]


def test_an_endpoint_that_has_request_and_response_gets_no_other_parameter(native):
    assert [*inspect.signature(native(with_all)).parameters] == ["tasks", "connection", "request", "response"]


def test_a_websockets_own_parameter_is_enough(limiter, ask):
    app = FastAPI()

    @app.websocket("/")
    @RateLimit("1/minute", limiter=limiter)
    async def echo(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_text("here")
        await websocket.close()

    client = ask(app)
    with client.websocket_connect("/") as websocket:
        assert websocket.receive_text() == "here"
    with pytest.raises(Exception) as denied, client.websocket_connect("/"):
        pass
    assert denied.value.status_code == 429


# --- decorators of others, above and below ---


def passing(endpoint):
    """Hands all on, as most decorators do."""

    @functools.wraps(endpoint)
    async def inner(*args, **kwargs):
        return await endpoint(*args, **kwargs)

    return inner


def not_async(endpoint):
    """Gives what is to be awaited."""

    @functools.wraps(endpoint)
    def inner(*args, **kwargs):
        return endpoint(*args, **kwargs)

    return inner


def injecting(endpoint):
    """Adds parameters of FastAPI's types, as caches do."""
    signature = inspect.signature(endpoint)

    @functools.wraps(endpoint)
    async def inner(*args, their_request: Request, their_response: Response, their_connection: HTTPConnection, **kwargs):
        their_response.headers["x-theirs"] = their_request.method
        assert their_connection.scope is their_request.scope
        return await endpoint(*args, **kwargs)

    theirs = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind)
        for name, kind in (("their_request", Request), ("their_response", Response), ("their_connection", HTTPConnection))
    ]
    inner.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *theirs])
    return inner


def binding(endpoint):
    """Calls the endpoint by its signature."""
    signature = inspect.signature(endpoint)

    @functools.wraps(endpoint)
    async def inner(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return await endpoint(*bound.args, **bound.kwargs)

    return inner


@pytest.mark.parametrize("other", [passing, injecting, binding, not_async])
@pytest.mark.parametrize("order", ["above", "below"])
def test_decorators_of_others_stand_above_and_below(ask, native, other, order):
    async def endpoint(size: int = 1) -> int:
        return size

    decorated = other(native(endpoint)) if order == "above" else native(other(endpoint))
    if other is not_async and order == "above":
        decorated = passing(decorated)
    statuses, first = answers(ask, decorated, params={"size": 7})
    assert (statuses, first.json()) == ([200, 200, 429], 7)
    assert ";r=1" in first.headers["ratelimit"]
    assert other is not injecting or first.headers["x-theirs"] == "POST"


def test_other_decorators_see_no_parameter_of_fastapis_own_types(decorate):
    async def endpoint(size: int = 1) -> int:
        return size

    hidden = [p for name, p in inspect.signature(decorate(endpoint)).parameters.items() if name != "size"]
    assert len(hidden) == 1, "one, however many decorators there are"
    assert hidden[0].default is None
    assert Annotated[Any, hidden[0].annotation.__metadata__[0]] == hidden[0].annotation


def test_hidden_parameters_are_not_in_the_description(ask, decorate):
    app = FastAPI()

    @app.get("/{item}")
    @decorate
    async def endpoint(item: int, size: int = 1): ...

    described = ask(app).get("/openapi.json").json()["paths"]["/{item}"]["get"]["parameters"]
    assert [parameter["name"] for parameter in described] == ["item", "size"]


def test_a_limit_below_another_decorator_and_above_a_limit_passes_on_what_it_needs(limiter, ask):
    once, twice = (RateLimit(quota, limiter=limiter, name=name) for quota, name in (("1/day", "a"), ("2/minute", "b")))

    @once
    @passing
    @twice
    async def endpoint():
        return {}

    assert answers(ask, endpoint)[0] == [200, 429, 429]


def test_a_class_with_a_function_for_each_method_is_an_error_where_it_is_decorated(native):
    with pytest.raises(TypeError, match="decorate those"):
        native(type("Model", (HTTPEndpoint,), {}))


def test_a_sync_generator_behind_a_call_is_told_to_use_a_dependency(native):
    class Yields:
        def __call__(self):
            yield 1

    with pytest.raises(TypeError, match="Depends"):
        native(Yields())


# --- annotations that are texts ---


@pytest.mark.parametrize("name", ["function", "nested", "called", "plain", "method", "partial", "in_partial", "injected", "under_another"])
def test_annotations_as_texts_are_read_where_python_would(ask, decorate, texts, name):
    endpoint = getattr(texts, name)
    body = {"item": {"size": 4}, "more": None} if name in ("nested", "under_another") else {"size": 4}
    statuses, first = answers(ask, decorate(endpoint), json=body)
    assert statuses == [200, 200, 429], first.text
    expected = {"partial": 12, "injected": 8, "nested": {"size": 4}, "under_another": {"size": 4}}
    assert first.json() == expected.get(name, 4)


@pytest.mark.parametrize("kinds", [["native"], ["slowapi"], ["native", "slowapi"], ["slowapi", "native"], ["native", "native"]])
def test_a_model_that_a_function_defines_is_found(ask, native, texts, kinds):
    decorators = [native if kind == "native" else of_slowapi(headers_enabled=True) for kind in kinds]
    statuses, first = answers(ask, texts.inside(*decorators), json={"size": 4})
    assert (statuses[0], first.json()) == (200, 4)
    assert 429 in statuses


def test_a_class_is_an_endpoint_as_it_is_without_a_limit(ask, native, texts):
    statuses, first = answers(ask, native(texts.Made), json={"size": 4})
    assert (statuses, first.json()) == ([200, 200, 429], {"item": {"size": 4}})


def test_the_answers_type_is_read_too(ask, native, texts):
    app = FastAPI()
    app.post("/")(native(texts.nested))
    schema = ask(app).get("/openapi.json").json()["paths"]["/"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema["additionalProperties"] == {"type": "integer"}


def test_a_text_that_nobody_can_read_spoils_no_other(native, texts):
    def endpoint(item, other):
        return item

    endpoint.__annotations__ = {"item": "int", "other": "OnlyForTypeCheckers"}
    read = inspect.signature(native(endpoint)).parameters
    assert (read["item"].annotation, read["other"].annotation) == (int, "OnlyForTypeCheckers")

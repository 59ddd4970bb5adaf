"""Real clients and parsers, reading the gateway's responses."""

import functools

import anthropic
import http_sfv
import ollama
import openai
import pytest

from dialects import ROUTE
from model import FLOWER
from server import TIMEOUT
from token_books import METERS

CHAT = '[[route]]\npath = "/v1/chat/completions"\nmeter = "openai"\nlimits = ["{quota}"]\n'
MESSAGES = '[[route]]\npath = "/v1/messages"\nmeter = "anthropic"\nlimits = ["{quota}"]\n'
# A request reserves 11 tokens or so, and uses 4.
EACH_SECOND = pytest.mark.parametrize("quota", ["1/second", "15 tokens/second"])
EACH_HOUR = pytest.mark.parametrize("quota", ["1/hour", "15 tokens/hour"])
QUESTION = {"messages": [{"role": "user", "content": "Which gate?"}], "model": "mock", "max_tokens": 1}


@pytest.fixture
def gate(start, mock_model):
    """Starts a gateway before the mock model: `gateway = gate(policy)`."""
    return lambda policy: start(policy, upstream=mock_model.url)


@pytest.fixture
def chat():
    """Asks through OpenAI's SDK, with its own idea of retries."""

    # Made once, because making one takes longer than asking: a quota would fill up meanwhile.
    client = functools.cache(lambda url: openai.OpenAI(base_url=f"{url}/v1", api_key="unused", timeout=TIMEOUT))

    def chat(gateway):
        return client(gateway.url).chat.completions.create(**QUESTION).choices[0].message.content

    return chat


@pytest.fixture
def message():
    """Asks through Anthropic's SDK, with its own idea of retries."""

    client = functools.cache(lambda url: anthropic.Anthropic(base_url=url, api_key="unused", timeout=TIMEOUT))

    def message(gateway):
        return client(gateway.url).messages.create(**QUESTION).content[0].text

    return message


@EACH_SECOND
def test_openai_waits_as_long_as_it_is_told_and_its_first_retry_passes(gate, mock_model, chat, quota):
    gateway = gate(CHAT.format(quota=quota))

    asked = asked_until_denied(gateway, chat)

    # One denial for all that were asked: its first retry has passed.
    assert gateway.summary()["limited_requests"] == 1
    assert mock_model.totals()["requests"] == asked


@EACH_SECOND
def test_anthropic_waits_as_long_as_it_is_told_and_its_first_retry_passes(gate, mock_model, message, quota):
    gateway = gate(MESSAGES.format(quota=quota))

    asked = asked_until_denied(gateway, message)

    # One denial for all that were asked: its first retry has passed.
    assert gateway.summary()["limited_requests"] == 1
    assert mock_model.totals()["requests"] == asked


@EACH_HOUR
def test_openai_raises_a_rate_limit_error_with_code_and_type(gate, chat, quota):
    gateway = gate(CHAT.format(quota=quota))

    with pytest.raises(openai.RateLimitError) as raised:
        asked_until_denied(gateway, chat)

    assert raised.value.code == "rate_limit_exceeded"
    assert raised.value.type == "rate_limit_error"
    assert raised.value.body["message"].startswith("Too Many Requests")
    assert raised.value.request_id == raised.value.response.json()["request_id"]
    # So long a wait is not worth a retry, and the SDK was told so.
    assert gateway.summary()["limited_requests"] == 1


@EACH_HOUR
def test_anthropic_raises_a_rate_limit_error_with_type(gate, message, quota):
    gateway = gate(MESSAGES.format(quota=quota))

    with pytest.raises(anthropic.RateLimitError) as raised:
        asked_until_denied(gateway, message)

    assert raised.value.body["error"]["type"] == "rate_limit_error"
    assert raised.value.request_id == raised.value.body["request_id"]
    assert gateway.summary()["limited_requests"] == 1


def test_ollama_raises_the_error_and_does_not_ask_again(gate, mock_model):
    gateway = gate('[[route]]\npath = "/api/chat"\nmeter = "ollama"\nlimits = ["5 tokens/day"]')
    client = ollama.Client(host=gateway.url, timeout=TIMEOUT)

    with pytest.raises(ollama.ResponseError, match="Too Many Requests.*output tokens") as raised:
        client.chat(model="mock", messages=QUESTION["messages"])

    assert raised.value.status_code == 429
    assert gateway.summary()["limited_requests"] == 1
    assert mock_model.totals()["requests"] == 0


CUTTING = """
[defaults]
key = "global"

[limits.cut]
quota = "20 output_tokens/day"
on_exhausted = "cut"
"""


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/api/chat"])
def test_a_client_takes_a_stream_that_is_cut_for_an_error(gate, mock_model, path):
    gateway = gate(CUTTING + ROUTE.format(path=path, meter=METERS[path], limit="cut"))
    mock_model.set(output_tokens=1000, pause_ms=1)
    to_openai = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused", timeout=TIMEOUT, max_retries=0)
    to_anthropic = anthropic.Anthropic(base_url=gateway.url, api_key="unused", timeout=TIMEOUT, max_retries=0)
    to_ollama = ollama.Client(host=gateway.url, timeout=TIMEOUT)
    ask = {"model": "mock", "messages": QUESTION["messages"], "stream": True}
    error, stream = {
        "/v1/chat/completions": (openai.APIError, lambda: to_openai.chat.completions.create(**ask)),
        "/v1/completions": (openai.APIError, lambda: to_openai.completions.create(model="mock", prompt="Hi", stream=True)),
        "/v1/responses": (openai.APIError, lambda: to_openai.responses.create(model="mock", input="Hi", stream=True)),
        # No maximum: to the mock model, a negative number is none.
        "/v1/messages": (anthropic.APIStatusError, lambda: to_anthropic.messages.create(**ask, max_tokens=-1)),
        "/api/chat": (ollama.ResponseError, lambda: to_ollama.chat(**ask)),
    }[path]

    with pytest.raises(error, match="the tokens of the limit cut are spent"):
        list(stream())

    assert 20 <= mock_model.totals_at_rest()["output_tokens"] < 1000


TWO_LIMITS = """
[[route]]
path = "/predict"
limits = [
  { name = "few", quota = "2/hour" },
  { name = "many", quota = "100/hour" },
]
"""


def test_the_rate_limit_fields_are_structured_fields(start):
    gateway = start(TWO_LIMITS)
    with gateway.client() as client:
        answer = client.post("/predict", json=FLOWER)

    limits, policies = fields(answer)
    assert limits["few"]["r"] == 1
    assert limits["many"]["r"] == 99
    assert policies["few"] == {"q": 2, "w": 3600}
    assert policies["many"] == {"q": 100, "w": 3600}


def test_on_a_denial_the_spent_limit_comes_first(start):
    gateway = start(TWO_LIMITS)
    with gateway.client() as client:
        answers = [client.post("/predict", json=FLOWER) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    limits, _ = fields(answers[2])
    name, first = next(iter(limits.items()))
    assert (name, first["r"]) == ("few", 0)
    assert int(answers[2].headers["retry-after"]) >= first["t"] >= 1
    assert answers[2].json()["violated-policies"] == ["few"]


def test_a_denial_is_a_problem_document_that_no_cache_keeps(start):
    gateway = start(TWO_LIMITS)
    with gateway.client() as client:
        denial = [client.post("/predict", json=FLOWER, headers={"x-request-id": "abc"}) for _ in range(3)][2]

    assert denial.headers["content-type"] == "application/problem+json"
    assert denial.headers["cache-control"] == "no-store"
    assert denial.headers.get_list("retry-after") == [denial.headers["retry-after"]]
    assert denial.headers["x-request-id"] == denial.headers["request-id"] == "abc"
    problem = denial.json()
    assert problem["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert problem["status"] == 429


def asked_until_denied(gateway, ask):
    """Asks until the SDK has met a denial, and returns how often. It answers all the same, so it has retried."""
    for asked in range(1, 21):
        assert ask(gateway) == " the"
        if gateway.summary()["limited_requests"]:
            return asked
    raise AssertionError("20 requests at 1 a second, and none was denied")


def fields(answer):
    """`RateLimit` and `RateLimit-Policy`, by a strict parser: {name: {parameter: value}}."""
    parsed = []
    for name in ("ratelimit", "ratelimit-policy"):
        members = http_sfv.List()
        members.parse(answer.headers[name].encode())
        assert all(type(member.value) is str for member in members)
        parsed.append({member.value: dict(member.params) for member in members})
    return parsed

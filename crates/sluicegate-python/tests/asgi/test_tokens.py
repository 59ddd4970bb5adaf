"""Tokens that requests reserve, and what they are charged, however their responses end: the gateway's numbers."""

import asyncio
import gzip
import json

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from sluicegate import Charge, Limiter
from sluicegate.fastapi import RateLimitMiddleware, StreamCut, permit

ME = "203.0.113.7"
CHAT, CUT, GROWS = "/v1/chat/completions", "/cut/chat", "/grows/chat"
POLICY = {
    "limits": {
        "rpm": {"quota": "100/day"},
        "tpm": {"quota": "100000 tokens/day"},
        "cut": {"quota": "20 output_tokens/day", "on_exhausted": "cut"},
        "grows": {"quota": "1000 output_tokens/day"},
        "slots": {"quota": "2 concurrent"},
    },
    "route": [
        {"path": CHAT, "meter": "openai", "limits": ["rpm", "tpm", "slots"]},
        {"path": CUT, "meter": {"tokens": "openai", "default_output": 10}, "limits": ["cut"]},
        {"path": GROWS, "meter": {"tokens": "openai", "default_output": 10}, "limits": ["grows"]},
        {"path": "/v1/messages", "meter": "anthropic", "limits": ["tpm"]},
        {"path": "/api/chat", "meter": "ollama", "limits": ["tpm"]},
    ],
}
WORD = b'data: {"choices":[{"index":0,"delta":{"content":" word"}}]}\n\n'
USAGE = {"prompt_tokens": 21, "completion_tokens": 7, "total_tokens": 28}
MESSAGES = [{"role": "user", "content": "hi"}]
PLAIN = {"messages": MESSAGES, "max_tokens": 50}
STREAM = {**PLAIN, "stream": True}


class Server:
    """A server of one request within the event loop, whose client may leave."""

    def __init__(self, app, path=CHAT, body=STREAM):
        self.sent = asyncio.Queue()
        self.gone = asyncio.Event()
        # As httpx writes it.
        self._body = json.dumps(body, separators=(",", ":")).encode()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(self._body)).encode())],
            "client": (ME, 50000),
        }
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self):
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        if self.gone.is_set():
            raise OSError("the client has gone away")
        await self.sent.put(message)

    async def message(self):
        return await asyncio.wait_for(self.sent.get(), 10)

    async def leave(self):
        self.gone.set()
        await asyncio.wait([self.task], timeout=10)
        assert self.task.done()


def account(limit="tpm"):
    return Charge(f"{limit}|client_ip={ME}", POLICY["limits"][limit]["quota"])


def spent(limiter, limit="tpm", whole=100_000):
    return whole - limiter.peek(account(limit)).remaining


def model(answer):
    """An app, and its limiter. It answers every request by `answer(request)`."""
    limiter = Limiter(policy=POLICY)
    app = Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])])
    return RateLimitMiddleware(app, limiter=limiter), limiter


def streamed(*pieces, then=None, **settings):
    async def answer(request):
        async def events():
            for piece in pieces:
                yield piece
            if then is not None:
                await then()

        return StreamingResponse(events(), media_type="text/event-stream", **settings)

    return answer


async def forever():
    await asyncio.Event().wait()


async def fails():
    raise RuntimeError("the model is broken")


def input_tokens(body=STREAM):
    """The estimated input of a request: what a response without output is charged."""
    app, limiter = model(streamed(b"data: [DONE]\n\n"))
    asyncio.run(served(app, body=body))
    assert spent(limiter) > 0
    return spent(limiter)


async def served(app, path=CHAT, body=STREAM):
    server = Server(app, path, body)
    await asyncio.wait_for(server.task, 10)
    return server


ANTHROPIC = {"content": [], "usage": {"input_tokens": 21, "output_tokens": 7}}
OLLAMA = {"message": {}, "done": True, "prompt_eval_count": 21, "eval_count": 7}


@pytest.mark.parametrize("path, answer", [(CHAT, {"usage": USAGE}), ("/v1/messages", ANTHROPIC), ("/api/chat", OLLAMA)])
def test_an_answer_is_charged_by_its_usage(ask, path, answer):
    async def whole(request):
        return JSONResponse(answer)

    app, limiter = model(whole)
    response = ask(app).post(path, json=PLAIN)
    assert response.json() == answer
    left = int(response.headers["ratelimit"].split('"tpm";r=')[1].split(";")[0])
    assert left <= 100_000 - 50, "the reservation is told"
    assert spent(limiter) == 28


def test_an_answer_that_is_compressed_is_charged_by_its_usage(ask):
    async def whole(request):
        return StreamingResponse(
            iter([gzip.compress(json.dumps({"usage": USAGE}).encode())]),
            headers={"content-encoding": "gzip", "content-type": "application/json"},
        )

    app, limiter = model(whole)
    assert ask(app).post(CHAT, json=PLAIN).json() == {"usage": USAGE}
    assert spent(limiter) == 28


def test_a_stream_is_charged_by_its_usage_at_any_split(ask):
    last = b'data: {"choices":[],"usage":{"prompt_tokens":21,"completion_tokens":7}}\n\ndata: [DONE]\n\n'
    body = WORD * 3 + last
    for size in (1, 7, 1000):
        app, limiter = model(streamed(*(body[at : at + size] for at in range(0, len(body), size))))
        # No byte is changed, and nothing is asked of the app: it is the model server.
        assert ask(app).post(CHAT, json=STREAM).content == body
        assert spent(limiter) == 28


def test_a_stream_without_usage_is_charged_by_its_text(ask):
    app, limiter = model(streamed(*[WORD] * 5, b"data: [DONE]\n\n"))
    ask(app).post(CHAT, json=STREAM)
    assert spent(limiter) == input_tokens() + 5


@pytest.mark.parametrize("chunks", [0, 1, 5])
def test_a_client_that_leaves_a_stream_pays_what_was_produced(chunks):
    async def leaves():
        app, limiter = model(streamed(*[WORD] * chunks, then=forever))
        server = Server(app)
        for _ in range(1 + chunks):
            await server.message()
        await server.leave()
        return spent(limiter)

    assert asyncio.run(leaves()) == input_tokens() + chunks


@pytest.mark.parametrize("chunks", [0, 1, 5])
def test_a_stream_that_its_app_breaks_is_charged_by_what_came(chunks):
    app, limiter = model(streamed(*[WORD] * chunks, then=fails))
    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(served(app))
    assert spent(limiter) == input_tokens() + chunks


@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_an_app_that_refuses_gives_the_tokens_back_and_not_the_request(ask, status):
    async def refuses(request):
        return JSONResponse({"error": {"message": "no"}}, status)

    app, limiter = model(refuses)
    assert ask(app).post(CHAT, json=PLAIN).status_code == status
    assert (spent(limiter), spent(limiter, "rpm", 100)) == (0, 1)


@pytest.mark.parametrize("is_silent", [True, False])
def test_an_app_that_fails_before_its_response_gives_the_tokens_back_and_not_the_request(is_silent):
    limiter = Limiter(policy=POLICY)

    async def app(scope, receive, send):
        if not is_silent:
            raise RuntimeError("the model is broken")

    limited = RateLimitMiddleware(app, limiter=limiter)
    if is_silent:
        asyncio.run(served(limited))
    else:
        with pytest.raises(RuntimeError, match="broken"):
            asyncio.run(served(limited))
    assert (spent(limiter), spent(limiter, "rpm", 100), spent(limiter, "slots", 2)) == (0, 1, 0)


@pytest.mark.parametrize("body, output", [(PLAIN, 50), (STREAM, 0)])
@pytest.mark.parametrize("way", ["noticed", "raised", "cancelled"])
def test_a_client_that_leaves_before_the_response_pays_what_may_have_been_made(way, body, output):
    limiter = Limiter(policy=POLICY)

    async def app(scope, receive, send):
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        if way == "raised":
            raise RuntimeError("the client is gone")

    async def leaves():
        server = Server(RateLimitMiddleware(app, limiter=limiter), body=body)
        await asyncio.sleep(0)
        if way == "cancelled":
            server.task.cancel()
            await asyncio.wait([server.task], timeout=10)
        else:
            await server.leave()

    asyncio.run(leaves())
    assert (spent(limiter), spent(limiter, "slots", 2)) == (input_tokens(body) + output, 0)


def test_a_client_that_leaves_within_an_answer_in_one_piece_keeps_the_reservation():
    async def leaves():
        async def whole(request):
            async def pieces():
                yield b'{"choices": ['
                await forever()

            return StreamingResponse(pieces(), media_type="application/json")

        app, limiter = model(whole)
        server = Server(app, body=PLAIN)
        assert [(await server.message())["type"] for _ in range(2)] == ["http.response.start", "http.response.body"]
        await server.leave()
        return spent(limiter)

    assert asyncio.run(leaves()) == input_tokens(PLAIN) + 50


def test_work_in_the_background_may_settle_by_hand(ask):
    async def works_on(permit):
        await permit.settle_async(input_tokens=1, output_tokens=2)

    async def whole(request):
        return JSONResponse({"usage": USAGE}, background=BackgroundTask(works_on, permit(request)))

    app, limiter = model(whole)
    ask(app).post(CHAT, json=PLAIN)
    assert (spent(limiter), spent(limiter, "slots", 2)) == (3, 0)


def test_a_stream_beyond_its_reservation_takes_more_while_it_runs():
    async def grows():
        taken = []

        def word():
            taken.append(spent(limiter, "grows", 1000))
            return WORD

        async def answer(request):
            async def events():
                for _ in range(25):
                    yield word()

            return StreamingResponse(events(), media_type="text/event-stream")

        app, limiter = model(answer)
        await served(app, GROWS, {"messages": MESSAGES, "stream": True})
        return taken, spent(limiter, "grows", 1000)

    taken, charged = asyncio.run(grows())
    assert (taken[10], taken[11], taken[21]) == (10, 20, 30)
    assert charged == 25, "and gives the rest back"


@pytest.mark.parametrize("way", ["fails", "returns", "goes on"])
def test_a_stream_whose_tokens_are_spent_is_cut_with_an_error_and_without_an_end(way):
    seen = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for _ in range(30):
            try:
                await send({"type": "http.response.body", "body": WORD, "more_body": True})
            except StreamCut:
                seen.append("cut")
                if way == "fails":
                    raise
                if way == "returns":
                    return
        await send({"type": "http.response.body", "body": b""})

    async def cut():
        limiter = Limiter(policy=POLICY)
        server = Server(RateLimitMiddleware(app, limiter=limiter), CUT, {"messages": MESSAGES, "stream": True})
        with pytest.raises(StreamCut):
            await asyncio.wait_for(server.task, 10)
        sent = [server.sent.get_nowait() for _ in range(server.sent.qsize())][1:]
        return sent, limiter.peek(account("cut"))

    sent, balance = asyncio.run(cut())
    assert [message["body"] for message in sent[:-1]] == [WORD] * 21
    assert sent[-1]["body"].startswith(b'data: {"error":{"message":"Too Many Requests: the tokens of the limit cut ')
    assert all(message["more_body"] for message in sent), "it has no proper end"
    assert balance.remaining == 0
    assert round(balance.reset_after / 86400 * 20, 2) == 21, "all that was sent is charged, and no more"
    assert seen[0] == "cut"


def test_an_app_settles_by_hand_what_it_used(ask):
    told = {}

    async def used(request):
        await permit(request).settle_async(**told)
        return JSONResponse({"usage": USAGE})

    app, limiter = model(used)
    for told, charged in [
        ({"input_tokens": 2, "output_tokens": 3}, 5),
        ({"tokens": 10}, 15),
        ({"output_tokens": 1}, 16 + input_tokens(PLAIN)),
    ]:
        ask(app).post(CHAT, json=PLAIN)
        assert spent(limiter) == charged


def test_a_redis_is_settled_while_nobody_waits(arrange):
    limiter = Limiter(arrange("redis").url, policy=POLICY)
    left, grown = input_tokens() + 3, 25

    async def answer(request):
        if request.url.path == GROWS:
            # More tokens are still asked for when it ends.
            return await streamed(*[WORD] * grown)(request)
        if (await request.json()).get("stream"):
            return await streamed(*[WORD] * 3, then=forever)(request)
        return JSONResponse({"usage": USAGE})

    async def charged(limit, whole, expected):
        for _ in range(1000):
            charged = whole - (await limiter.peek_async(account(limit))).remaining
            if charged == expected:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{charged} tokens are charged, not {expected}")

    async def settled():
        app = RateLimitMiddleware(Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])]), limiter=limiter)
        await served(app, body=PLAIN)
        await charged("tpm", 100_000, 28)
        server = Server(app)
        for _ in range(4):
            await server.message()
        await server.leave()
        await charged("tpm", 100_000, 28 + left)
        await served(app, GROWS, {"messages": MESSAGES, "stream": True})
        await charged("grows", 1000, grown)
        assert (await limiter.peek_async(account("slots"))).remaining == 2

    asyncio.run(settled())

"""gRPC from end to end: grpcio's client, the gateway, and grpcio's server behind it."""

import queue

import grpc
import pytest

from server import TIMEOUT, free_port, until
from triton import LIVE, SERVICE, Client, Triton

INFER = f'[[route]]\npath = "/{SERVICE}/ModelInfer"\n'


@pytest.fixture
def triton():
    triton = Triton(free_port())
    yield triton
    triton.stop()


@pytest.fixture
def call(start, triton):
    """A client before a gateway with a policy: `client = call(policy)`."""
    clients = []

    def call(policy="", upstream=None, **metadata):
        gateway = start(policy, upstream=upstream or triton.url)
        clients.append(Client(gateway, metadata.items()))
        clients[-1].gateway = gateway
        return clients[-1]

    yield call
    for client in clients:
        client.close()


def failure(call):
    """The error that a call ends with."""
    with pytest.raises(grpc.RpcError) as raised:
        call.result()
    return raised.value


def test_messages_pass_with_their_metadata(call, triton):
    client = call()

    assert client.live() == LIVE
    inferring = client.infer(b"\x0a\x04iris", trace="7")

    assert inferring.result() == b"\x0a\x04iris"
    assert triton.metadata["trace"] == "7"
    assert dict(inferring.initial_metadata())["x-version"] == "3"
    assert dict(inferring.trailing_metadata())["x-seconds-bin"] == b"\x00\xff"


def test_a_message_of_8_mb_passes_both_ways(call):
    message = bytes(range(256)) * (8 << 12)

    assert call().infer(message).result() == message


def test_a_stream_arrives_message_by_message(call, triton):
    messages = call().repeat(b"token")

    for _ in range(10):
        triton.go.release()
        assert next(messages) == b"token"
    assert next(messages, None) is None


def test_both_sides_talk_in_turn(call):
    said = queue.SimpleQueue()
    heard = call().stream(iter(said.get, None))

    for number in range(10):
        said.put(b"%d" % number)
        assert next(heard) == b"%d" % number
    said.put(None)
    assert next(heard, None) is None


def test_an_error_of_the_server_arrives_as_it_is(call):
    error = failure(call().infer(do="fail"))

    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert error.details() == "no model “iris”: 100 % sure"
    assert dict(error.trailing_metadata())["x-model"] == "iris"


def test_a_deadline_and_a_cancel_reach_the_server(call, triton):
    client = call()
    for end in ("deadline", "cancel"):
        triton.started.clear()
        triton.cancelled.clear()
        calling = client.infer(do="hang", timeout=0.5 if end == "deadline" else TIMEOUT)
        assert triton.started.wait(TIMEOUT)
        if end == "cancel":
            calling.cancel()
        else:
            assert failure(calling).code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert triton.cancelled.wait(TIMEOUT), f"the server has learned of the {end}"


def test_a_spent_limit_is_resource_exhausted_and_says_when_to_call_again(call):
    client = call(INFER + 'limits = [{ name = "infer", quota = "2/minute" }]')

    assert [client.infer(b"x").result() for _ in range(2)] == [b"x", b"x"]
    error = failure(client.infer(b"x"))

    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.details().startswith("Too Many Requests: the limit infer (2/minute) is spent")
    told = dict(error.trailing_metadata())
    assert 20_000 < int(told["grpc-retry-pushback-ms"]) <= 60_000
    assert 20 < int(told["retry-after"]) <= 60
    assert client.live() == LIVE, "other methods have no such limit"


def test_slots_are_held_until_a_call_ends(call, triton):
    client = call(INFER + 'limits = ["1 concurrent"]')

    hanging = client.infer(do="hang")
    assert triton.started.wait(TIMEOUT)
    assert failure(client.infer()).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    hanging.cancel()
    until(lambda: client.infer().code() == grpc.StatusCode.OK, "the slot is free")


def test_what_the_gateway_says_itself_has_a_status_of_grpc(call, triton):
    tier = '[identity]\ndefault_tier = "free"\n[tiers.free]\n[tiers.premium]\n'

    denied = call(tier + INFER + 'tier = "premium"\nlimits = []')
    error = failure(denied.infer())
    assert (error.code(), error.details()) == (grpc.StatusCode.PERMISSION_DENIED, "Premium access required")

    hurried = call(INFER + 'limits = []\nresponse_timeout = "200ms"')
    assert failure(hurried.infer(do="hang")).code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert triton.cancelled.wait(TIMEOUT), "and the server learns that nobody waits any more"

    alone = call(upstream=f"h2c://127.0.0.1:{free_port()}")
    assert failure(alone.infer()).code() == grpc.StatusCode.UNAVAILABLE


def test_calls_at_once_share_a_connection_and_exactly_the_quota_passes(call):
    client = call(INFER + 'limits = [{ name = "infer", quota = "100/hour" }]')

    calls = [client.infer(b"%d" % number) for number in range(300)]
    codes = [calling.code() for calling in calls]

    assert codes.count(grpc.StatusCode.OK) == 100
    assert codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) == 200


def test_a_server_that_restarts_is_called_again(call, triton):
    client = call()

    for _ in range(3):
        assert [client.infer(b"%d" % number).result() for number in range(3)] == [b"0", b"1", b"2"]
        triton.restart()

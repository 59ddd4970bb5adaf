"""Triton's own client before the gateway: its batches are counted, whether tensors are JSON or binary behind it."""

import numpy as np
import pytest
import tritonclient.http
from tritonclient.utils import InferenceServerException

from triton_http import TritonHttp

POLICY = """
[gateway]
max_body = "4KiB"

[[route]]
path = "/v2/models/{model}/infer"
meter = { items = "kserve", max = 64 }
limits = [{ name = "items", quota = "100 items/hour", key = ["client_ip", "path:model"] }]
"""


@pytest.fixture
def triton():
    triton = TritonHttp()
    yield triton
    triton.stop()


@pytest.fixture
def infer(start, triton):
    """Infers a batch of a number of rows: `infer(8, binary=True)` are the sums of its rows."""
    gateway = start(POLICY, upstream=triton.url)
    client = tritonclient.http.InferenceServerClient(gateway.url.removeprefix("http://"))

    def infer(rows, binary=True, width=4, **settings):
        tensor = np.arange(rows * width, dtype=np.float32).reshape(rows, width)
        given = tritonclient.http.InferInput("x", tensor.shape, "FP32")
        given.set_data_from_numpy(tensor, binary_data=binary)
        sums = client.infer("iris", [given], **settings).as_numpy("sum")
        assert np.allclose(sums, tensor.sum(axis=1))

    infer.client = client
    yield infer
    client.close()


@pytest.mark.parametrize("binary", [True, False])
def test_a_batch_costs_its_rows(infer, triton, binary):
    for rows in (1, 60, 39):
        infer(rows, binary)
    with pytest.raises(InferenceServerException, match="Too Many Requests: the limit items .* is spent"):
        infer(1, binary)
    assert triton.rows == [1, 60, 39]


@pytest.mark.parametrize("binary", [True, False])
def test_more_rows_than_the_server_takes_never_reach_it(infer, triton, binary):
    with pytest.raises(InferenceServerException, match="has 65 items, and at most 64 are taken at once"):
        infer(65, binary)
    infer(64, binary)
    assert triton.rows == [64]


@pytest.mark.parametrize("binary", [True, False])
def test_the_batch_is_a_dimension_of_the_input_that_the_policy_names(start, triton, binary):
    named = POLICY.replace('items = "kserve"', 'items = "kserve", input = "x", dimension = 1')
    gateway = start(named, upstream=triton.url)
    client = tritonclient.http.InferenceServerClient(gateway.url.removeprefix("http://"))
    tensors = [np.zeros((2, 50), np.float32), np.zeros((3, 60), np.float32)]
    given = [tritonclient.http.InferInput(name, it.shape, "FP32") for name, it in zip(["x", "mask"], tensors)]
    for tensor, it in zip(given, tensors):
        tensor.set_data_from_numpy(it, binary_data=binary)
    client.infer("iris", given)
    client.infer("iris", given[::-1])
    with pytest.raises(InferenceServerException, match="Too Many Requests: the limit items .* is spent"):
        client.infer("iris", given)
    assert triton.rows == [2, 3]
    client.close()


def test_tensors_may_be_larger_than_max_body(infer, triton):
    infer(8, width=1_000_000)
    with pytest.raises(InferenceServerException, match="The body is larger than 4096 bytes"):
        infer(8, binary=False, width=1_000)
    assert triton.rows == [8]


def test_what_cannot_be_counted_is_said_to_be_so(infer, triton):
    with pytest.raises(InferenceServerException, match="is compressed: send it without Content-Encoding"):
        infer(1, request_compression_algorithm="gzip")
    # A bare tensor, as Triton takes it for models of one input.
    answer = infer.client._post(
        "v2/models/iris/infer", b"\0" * 16, {"Inference-Header-Content-Length": 0}, None
    )
    assert answer.status_code == 400
    assert b"Inference-Header-Content-Length is 0, so the items cannot be counted" in answer.read()
    assert triton.rows == []


def test_what_asks_for_no_inference_passes_without_a_body(infer):
    assert infer.client.is_server_live()
    assert infer.client.is_model_ready("iris")

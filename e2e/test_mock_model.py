"""The mock model: real clients read each of its dialects, and its books have what they were told."""

import anthropic
import ollama
import openai
import pytest

from server import TIMEOUT

ASK = {"model": "mock", "messages": [{"role": "user", "content": "How many gates has the river?"}]}
TEXT = ' the gate opens"\n'  # the first five tokens


@pytest.fixture
def openai_client(mock_model):
    return openai.OpenAI(base_url=f"{mock_model.url}/v1", api_key="unused", timeout=TIMEOUT, max_retries=0)


@pytest.fixture
def anthropic_client(mock_model):
    return anthropic.Anthropic(base_url=mock_model.url, api_key="unused", timeout=TIMEOUT, max_retries=0)


@pytest.fixture
def ollama_client(mock_model):
    return ollama.Client(host=mock_model.url, timeout=TIMEOUT)


@pytest.fixture(params=["whole", "byte by byte", "all at once"])
def pieces(mock_model, request):
    """Streams come in every kind of pieces."""
    mock_model.set(**{"byte by byte": {"split_bytes": 1}, "all at once": {"join_events": 1000}}.get(request.param, {}))


def test_openai_reads_chat_completions(mock_model, openai_client):
    answer = openai_client.chat.completions.create(**ASK, max_tokens=5, n=2)
    assert [choice.message.content for choice in answer.choices] == [TEXT, TEXT]
    assert answer.choices[0].finish_reason == "length"
    assert_books(mock_model, answer.usage.prompt_tokens, answer.usage.completion_tokens)


def test_openai_reads_streams_of_chat_completions(mock_model, openai_client, pieces):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(openai_client.chat.completions.create(**ASK, max_tokens=5, **options))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    assert [chunk.usage is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert_books(mock_model, chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens)


def test_openai_reads_completions(mock_model, openai_client, pieces):
    stream = openai_client.completions.create(model="mock", prompt=["a", "b"], max_tokens=5, stream=True)
    texts = ["", ""]
    for chunk in stream:
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts == [TEXT, TEXT]
    answer = openai_client.completions.create(model="mock", prompt="a", max_tokens=5)
    assert answer.choices[0].text == TEXT
    assert_books(mock_model, 3, 15)


def test_openai_reads_responses(mock_model, openai_client, pieces):
    answer = openai_client.responses.create(model="mock", input="Hello", max_output_tokens=5)
    assert (answer.output_text, answer.status) == (TEXT, "incomplete")
    stream = openai_client.responses.create(model="mock", input="Hello", stream=True)
    events = list(stream)
    assert events[-1].type == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    usage = events[-1].response.usage
    assert_books(
        mock_model,
        answer.usage.input_tokens + usage.input_tokens,
        answer.usage.output_tokens + usage.output_tokens,
    )


def test_openai_reads_embeddings(mock_model, openai_client):
    answer = openai_client.embeddings.create(model="mock", input=["Hello", "you"], dimensions=3)
    assert [item.embedding for item in answer.data] == [[0.0] * 3] * 2
    assert_books(mock_model, answer.usage.prompt_tokens, 0)


def test_anthropic_reads_messages(mock_model, anthropic_client):
    mock_model.set(cached_tokens=3)
    answer = anthropic_client.messages.create(**ASK, max_tokens=5)
    assert (answer.content[0].text, answer.stop_reason) == (TEXT, "max_tokens")
    counted = anthropic_client.messages.count_tokens(**ASK).input_tokens
    assert answer.usage.input_tokens + answer.usage.cache_read_input_tokens == counted
    assert_books(mock_model, counted, answer.usage.output_tokens)


@pytest.mark.parametrize("usage", ["asked", "running"])
def test_anthropic_reads_streams_of_messages(mock_model, anthropic_client, pieces, usage):
    mock_model.set(usage=usage, comment=True)
    with anthropic_client.messages.stream(**ASK, max_tokens=5) as stream:
        assert "".join(stream.text_stream) == TEXT
        usage = stream.get_final_message().usage
    assert_books(mock_model, usage.input_tokens, usage.output_tokens)


def test_ollama_reads_chat_and_generate(mock_model, ollama_client, pieces):
    options = {"num_predict": 5}
    chat = list(ollama_client.chat(**ASK, options=options, stream=True))
    assert "".join(line.message.content for line in chat) == TEXT
    generated = ollama_client.generate(model="mock", prompt="Hello", options=options)
    assert (generated.response, generated.done_reason) == (TEXT, "length")
    assert_books(
        mock_model,
        chat[-1].prompt_eval_count + generated.prompt_eval_count,
        chat[-1].eval_count + generated.eval_count,
    )


def test_each_client_sees_the_error_of_a_stream_in_its_dialect(
    mock_model, openai_client, anthropic_client, ollama_client
):
    mock_model.set(fail="error", fail_after=2)
    with pytest.raises(openai.APIError, match="as it was told"):
        list(openai_client.chat.completions.create(**ASK, stream=True))
    # An event like others in this dialect: the client does not raise it.
    [*_, error] = openai_client.responses.create(model="mock", input="Hello", stream=True)
    assert error.type == "error" and "as it was told" in error.message
    with pytest.raises(anthropic.APIStatusError, match="as it was told"):
        list(anthropic_client.messages.create(**ASK, max_tokens=5, stream=True))
    with pytest.raises(ollama.ResponseError, match="as it was told"):
        list(ollama_client.chat(**ASK, stream=True))
    totals = mock_model.totals_at_rest()
    assert (totals["failed"], totals["output_tokens"]) == (4, 8)


def test_a_client_that_leaves_is_in_the_books(mock_model, openai_client):
    mock_model.set(fail="hang", fail_after=3)
    stream = openai_client.chat.completions.create(**ASK, stream=True)
    text = ""
    while len(text) < len(" the gate opens"):
        text += next(stream).choices[0].delta.content or ""
    stream.close()
    totals = mock_model.totals_at_rest()
    assert (totals["left"], totals["output_tokens"]) == (1, 3)


def assert_books(mock_model, input_tokens, output_tokens):
    totals = mock_model.totals_at_rest()
    assert (totals["input_tokens"], totals["output_tokens"]) == (input_tokens, output_tokens)
    assert input_tokens > 0 and totals["refused"] == totals["left"] == totals["failed"] == 0

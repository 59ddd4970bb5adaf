"""Client libraries that meet a denial for its tokens. `./test clients` installs them and runs this."""

import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from any_model import TEXT, AnyModel
from dialects import ROUTE
from server import TIMEOUT, until

pytestmark = pytest.mark.skipif("CLIENTS" not in os.environ, reason="`./test clients` installs the libraries and runs this")

# They retry as they are told, and the first retry passes.
PATIENT = [
    "openai-py",
    "openai-responses-py",
    "anthropic-py",
    "groq-py",
    "cerebras-py",
    "together-py",
    "cohere-py",
    "mistralai-with-retries-py",
    "langchain-py",
    "litellm-py",
    "pydantic-ai-py",
    "openai-agents-py",
    "openai-js",
    "openai-responses-js",
    "anthropic-js",
    "ai-js",
    "ai-responses-js",
]
# They retry when they like, and pass once the time is over.
IMPATIENT = ["google-with-retries-py", "google-with-retries-js"]
# They raise the error.
RAISING = ["mistralai-py", "google-py", "huggingface-py", "ollama-py", "mistralai-js", "google-js"]

# They read streams here, too.
STREAMING = [
    "openai-stream-py",
    "openai-responses-stream-py",
    "anthropic-stream-py",
    "cerebras-stream-py",
    "together-stream-py",
    "mistralai-stream-py",
    "langchain-stream-py",
    "litellm-stream-py",
    "ollama-stream-py",
    "openai-stream-js",
    "openai-responses-stream-js",
    "anthropic-stream-js",
    "ai-stream-js",
    "ai-responses-stream-js",
    "mistralai-stream-js",
]

# An account for each model: empty for some seconds, so that a library gets there on a machine that does much else.
DENYING = """
[gateway]
log_keys = "plain"

[limits.tpm]
quota = "100 tokens/15 seconds"
key = "body:/model"

[limits.google]
quota = "100 tokens/15 seconds"
key = "path:model"
"""
CUTTING = """
[limits.tpm]
quota = "20 output_tokens/day"
key = "body:/model"
on_exhausted = "cut"
"""
ROUTES = [
    ("/v1/chat/completions", "openai", "tpm"),
    ("/openai/v1/chat/completions", "openai", "tpm"),
    ("/v1/responses", "openai", "tpm"),
    ("/v1/messages", "anthropic", "tpm"),
    ("/api/chat", "ollama", "tpm"),
    ("/v2/chat", "cohere", "tpm"),
    ("/v1/models/{model}", "gemini", "google"),
]


class Library:
    """A process that asks through client libraries, until `stop()`."""

    def __init__(self, command, url, errors):
        self.answers = {}
        self.process = subprocess.Popen(
            [*command, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        assert self.process.stdout.readline() == "ready\n", "see the log of errors"
        self.reading = threading.Thread(target=self._read)
        self.reading.start()

    def ask(self, name):
        print(name, file=self.process.stdin, flush=True)

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            # Twenty libraries have threads and pools to end, which is not what is tested.
            self.process.kill()
            self.process.wait()
        self.reading.join()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                answer = json.loads(line)
                self.answers[answer.pop("name")] = answer


@pytest.fixture
def model():
    model = AnyModel()
    yield model
    model.stop()


def policy(limits, routes):
    return limits + "".join(ROUTE.format(path=path, meter=meter, limit=limit) for path, meter, limit in routes)


@pytest.fixture
def libraries(tmp_path):
    """Starts a process for each language: `py, js = libraries(gateway)`."""
    running = []
    folder, here = Path(os.environ["CLIENTS"]), Path(__file__).with_name("clients")
    # Modules are looked up from the folder of the script.
    shutil.copy(here / "asking.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(folder / "node_modules")

    def libraries(gateway):
        with open(tmp_path / "errors.log", "w") as errors:
            running.append(Library([folder / "bin" / "python", here / "asking.py"], gateway.url, errors))
            running.append(Library(["node", tmp_path / "asking.mjs"], gateway.url, errors))
        return running

    yield libraries
    for library in running:
        library.stop()


def test_each_library_meets_a_denial_as_the_guide_says(start, model, libraries):
    gateway = start(policy(DENYING, ROUTES), upstream=model.url)
    py, js = libraries(gateway)
    names = [*PATIENT, *IMPATIENT, *RAISING]
    library = {name: py if name.endswith("-py") else js for name in names}
    # First uses take seconds: for them there are tokens.
    for name in names:
        library[name].ask(name)
    assert answered(names, py, js) == {name: {"text": TEXT} for name in names}
    py.answers.clear()
    js.answers.clear()
    spent = {}
    for name in names:
        spend(gateway, name)
        spent[name] = denied(gateway, name), model.requests[name]
        library[name].ask(name)
        # The others wait meanwhile, so that none comes when its tokens are there again.
        until(lambda: denied(gateway, name) > spent[name][0] or name in library[name].answers, f"{name} has asked")
    answers = answered(names, py, js)

    counted = {name: (denied(gateway, name), model.requests[name]) for name in names}
    seen = {name: (answers[name], *(now - then for now, then in zip(counted[name], spent[name]))) for name in names}
    for name in PATIENT:
        assert seen[name] == ({"text": TEXT}, 1, 1), (name, seen[name])
    for name in IMPATIENT:
        answer, denials, requests = seen[name]
        assert (answer, requests) == ({"text": TEXT}, 1) and 1 <= denials <= 4, (name, seen[name])
    for name in RAISING:
        answer, denials, requests = seen[name]
        assert (denials, requests) == (1, 0) and "Too Many Requests" in answer["error"], (name, seen[name])


def test_each_library_takes_a_stream_that_is_cut_for_an_error(start, mock_model, libraries):
    gateway = start(policy(CUTTING, ROUTES[:5]), upstream=mock_model.url)
    py, js = libraries(gateway)
    for name in STREAMING:
        (py if name.endswith("-py") else js).ask(name)
    answers = answered(STREAMING, py, js)
    assert gateway.logged().count("a stream is cut") == len(STREAMING)
    assert [name for name in STREAMING if "error" not in answers[name]] == [], answers


def answered(names, *libraries):
    """The answers to all that were asked."""

    def told():
        told = {name: answer for library in libraries for name, answer in library.answers.items()}
        return told if len(told) == len(names) else None

    return until(told, "each library has an answer or an error", timeout=2 * TIMEOUT)


def spend(gateway, name):
    """Spends nearly all of a client's tokens, a few at a time."""
    contents, messages = [{"parts": [{"text": "hi"}]}], [{"role": "user", "content": "hi"}]
    if name.startswith("google"):
        path = f"/v1/models/{name}:generateContent"
        body = {"contents": contents, "generationConfig": {"maxOutputTokens": 1}}
    else:
        path, body = "/v1/chat/completions", {"model": name, "messages": messages, "max_tokens": 1}
    while httpx.post(gateway.url + path, json=body, timeout=TIMEOUT).status_code == 200:
        pass


def denied(gateway, name):
    """The number of its requests that were denied."""
    lines = [json.loads(line) for line in gateway.logged().splitlines() if line.startswith("{")]
    keys = [line["key"] for line in lines if line.get("message") == "denied"]
    return sum(key.split("=")[-1].split(":")[0].split("%")[0] == name for key in keys)

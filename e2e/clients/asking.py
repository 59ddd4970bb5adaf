"""Asks one question through each client library in Python whose name is read, all at once: `python asking.py URL`.

A line of JSON says what came of each: its name, and the text or the error. The name is the model, too.
"""

import asyncio
import json
import os
import sys
import threading

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "true"  # it would ask for prices on the network

import agents
import anthropic
import cerebras.cloud.sdk
import cohere
import groq
import huggingface_hub
import langchain_openai
import litellm
import mistralai.client
import ollama
import openai
import pydantic_ai
import together
from google import genai
from mistralai.client.utils import BackoffStrategy, RetryConfig
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

URL = sys.argv[1]
QUESTION = "Which gate?"
CHAT = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 25}
KEY = {"api_key": "unused"}

agents.set_tracing_disabled(True)


def chat(client, name):
    return client.chat.completions.create(model=name, **CHAT).choices[0].message.content


def ask_openai(name):
    return chat(openai.OpenAI(base_url=f"{URL}/v1", **KEY), name)


def ask_openai_responses(name):
    client = openai.OpenAI(base_url=f"{URL}/v1", **KEY)
    return client.responses.create(model=name, input=QUESTION, max_output_tokens=25).output_text


def ask_anthropic(name):
    return anthropic.Anthropic(base_url=URL, **KEY).messages.create(model=name, **CHAT).content[0].text


def ask_groq(name):
    return chat(groq.Groq(base_url=URL, **KEY), name)


def ask_cerebras(name):
    return chat(cerebras.cloud.sdk.Cerebras(base_url=URL, warm_tcp_connection=False, **KEY), name)


def ask_together(name):
    return chat(together.Together(base_url=URL, **KEY), name)


def ask_cohere(name):
    return cohere.ClientV2(base_url=URL, **KEY).chat(model=name, **CHAT).message.content[0].text


def ask_mistralai(name, **settings):
    client = mistralai.client.Mistral(server_url=URL, **KEY, **settings)
    return client.chat.complete(model=name, **CHAT).choices[0].message.content


def ask_mistralai_with_retries(name):
    return ask_mistralai(name, retry_config=RetryConfig("backoff", BackoffStrategy(500, 60_000, 1.5, 60_000), True))


def ask_google(name, **options):
    client = genai.Client(http_options=genai.types.HttpOptions(base_url=URL, **options), **KEY)
    config = genai.types.GenerateContentConfig(max_output_tokens=25)
    return client.models.generate_content(model=name, contents=QUESTION, config=config).text


def ask_google_with_retries(name):
    return ask_google(name, retry_options=genai.types.HttpRetryOptions())


def ask_huggingface(name):
    client = huggingface_hub.InferenceClient(base_url=f"{URL}/v1", **KEY)
    return client.chat_completion(model=name, **CHAT).choices[0].message.content


def ask_langchain(name):
    client = langchain_openai.ChatOpenAI(base_url=f"{URL}/v1", model=name, max_tokens=25, **KEY)
    return client.invoke(QUESTION).content


def ask_litellm(name):
    return litellm.completion(model=f"openai/{name}", api_base=f"{URL}/v1", **CHAT, **KEY).choices[0].message.content


def ask_pydantic_ai(name):
    model = OpenAIChatModel(name, provider=OpenAIProvider(base_url=f"{URL}/v1", **KEY))
    return asyncio.run(pydantic_ai.Agent(model, model_settings={"max_tokens": 25}).run(QUESTION)).output


def ask_openai_agents(name):
    client = openai.AsyncOpenAI(base_url=f"{URL}/v1", **KEY)
    model = agents.OpenAIChatCompletionsModel(model=name, openai_client=client)
    agent = agents.Agent(name="gate", model=model, model_settings=agents.ModelSettings(max_tokens=25))
    return asyncio.run(agents.Runner.run(agent, QUESTION)).final_output


def ask_ollama(name):
    return ollama.Client(host=URL).chat(model=name, messages=CHAT["messages"], options={"num_predict": 25}).message.content


def read(chunks):
    return "".join(str(chunk) for chunk in chunks)


def read_chat(client, name):
    return read(client.chat.completions.create(model=name, messages=CHAT["messages"], stream=True))


def ask_openai_stream(name):
    return read_chat(openai.OpenAI(base_url=f"{URL}/v1", **KEY), name)


def ask_openai_responses_stream(name):
    client = openai.OpenAI(base_url=f"{URL}/v1", **KEY)
    return read(client.responses.create(model=name, input=QUESTION, stream=True))


def ask_anthropic_stream(name):
    client = anthropic.Anthropic(base_url=URL, **KEY)
    # No maximum: to the mock model, a negative number is none.
    with client.messages.stream(model=name, messages=CHAT["messages"], max_tokens=-1) as stream:
        return read(stream.text_stream)


def ask_cerebras_stream(name):
    return read_chat(cerebras.cloud.sdk.Cerebras(base_url=URL, warm_tcp_connection=False, **KEY), name)


def ask_together_stream(name):
    return read_chat(together.Together(base_url=URL, **KEY), name)


def ask_mistralai_stream(name):
    stream = mistralai.client.Mistral(server_url=URL, **KEY).chat.stream(model=name, messages=CHAT["messages"])
    return read(stream)


def ask_langchain_stream(name):
    client = langchain_openai.ChatOpenAI(base_url=f"{URL}/v1", model=name, **KEY)
    return read(client.stream(QUESTION))


def ask_litellm_stream(name):
    messages = CHAT["messages"]
    return read(litellm.completion(model=f"openai/{name}", api_base=f"{URL}/v1", messages=messages, stream=True, **KEY))


def ask_ollama_stream(name):
    return read(ollama.Client(host=URL).chat(model=name, messages=CHAT["messages"], stream=True))


def ask(name):
    try:
        told = {"text": globals()[f"ask_{name.removesuffix('-py').replace('-', '_')}"](name)}
    except Exception as error:
        told = {"error": f"{type(error).__name__}: {error}"}
    # One write, so that no two lines are mixed.
    sys.stdout.write(json.dumps({"name": name, **told}) + "\n")
    sys.stdout.flush()


print("ready", flush=True)
for line in sys.stdin:
    threading.Thread(target=ask, args=[line.strip()]).start()

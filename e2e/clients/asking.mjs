// The same as asking.py, through client libraries in JavaScript: `node asking.mjs URL`.

import { createInterface } from "node:readline";

import { createOpenAI } from "@ai-sdk/openai";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import { Mistral } from "@mistralai/mistralai";
import { generateText, streamText } from "ai";
import OpenAI from "openai";

const url = process.argv[2];
const question = "Which gate?";
const messages = [{ role: "user", content: question }];
const apiKey = "unused";

const openai = () => new OpenAI({ baseURL: `${url}/v1`, apiKey });
const ai = () => createOpenAI({ baseURL: `${url}/v1`, apiKey });

async function google(model, options) {
    const client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: url, ...options } });
    const config = { maxOutputTokens: 25 };
    return (await client.models.generateContent({ model, contents: question, config })).text;
}

// What a stream of the ai package tells of errors it gives to its caller as parts.
async function ai_stream(model) {
    let text = "";
    for await (const part of streamText({ model, prompt: question, onError() {} }).fullStream) {
        if (part.type === "error") throw part.error;
        text += part.text ?? "";
    }
    return text;
}

async function all(chunks) {
    const read = [];
    for await (const chunk of await chunks) read.push(chunk);
    return JSON.stringify(read);
}

const clients = {
    openai: async (model) =>
        (await openai().chat.completions.create({ model, messages, max_tokens: 25 })).choices[0].message.content,
    "openai-responses": async (model) =>
        (await openai().responses.create({ model, input: question, max_output_tokens: 25 })).output_text,
    anthropic: async (model) =>
        (await new Anthropic({ baseURL: url, apiKey }).messages.create({ model, messages, max_tokens: 25 })).content[0].text,
    ai: async (model) =>
        (await generateText({ model: ai().chat(model), prompt: question, maxOutputTokens: 25 })).text,
    "ai-responses": async (model) =>
        (await generateText({ model: ai().responses(model), prompt: question, maxOutputTokens: 25 })).text,
    google: (model) => google(model),
    "google-with-retries": (model) => google(model, { retryOptions: { attempts: 5 } }),
    mistralai: async (model) => {
        const client = new Mistral({ serverURL: url, apiKey });
        return (await client.chat.complete({ model, messages, maxTokens: 25 })).choices[0].message.content;
    },
    "openai-stream": (model) => all(openai().chat.completions.create({ model, messages, stream: true })),
    "openai-responses-stream": (model) => all(openai().responses.create({ model, input: question, stream: true })),
    "anthropic-stream": (model) =>
        all(new Anthropic({ baseURL: url, apiKey }).messages.create({ model, messages, max_tokens: -1, stream: true })),
    "ai-stream": (model) => ai_stream(ai().chat(model)),
    "ai-responses-stream": (model) => ai_stream(ai().responses(model)),
    "mistralai-stream": (model) => all(new Mistral({ serverURL: url, apiKey }).chat.stream({ model, messages })),
};

async function ask(name) {
    let told;
    try {
        told = { text: await clients[name.replace(/-js$/, "")](name) };
    } catch (error) {
        told = { error: `${error.constructor.name}: ${error.message}` };
    }
    console.log(JSON.stringify({ name, ...told }));
}

console.log("ready");
for await (const line of createInterface({ input: process.stdin })) ask(line.trim());

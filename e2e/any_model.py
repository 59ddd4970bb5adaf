"""A model server that answers in the dialect of every client library, and counts the requests for each model."""

import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT = "the third"
INPUT = 10


class AnyModel:
    """Serves on loopback until `stop()`. A response uses as many tokens as its request allows."""

    def __init__(self):
        self.requests = requests = Counter()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                model = body.get("model") or re.search(r"/models/([^:]+):", self.path)[1]
                requests[model] += 1
                payload = json.dumps(answer(self.path, model, most(body))).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def most(body):
    """The most output tokens, wherever a dialect has them."""
    places = [body, body.get("options", {}), body.get("generationConfig", {})]
    names = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict", "maxOutputTokens")
    return max(place[name] for place in places for name in names if place.get(name))


def answer(path, model, output):
    total = INPUT + output
    if path.endswith(":generateContent"):
        content = {"role": "model", "parts": [{"text": TEXT}]}
        usage = {"promptTokenCount": INPUT, "candidatesTokenCount": output, "totalTokenCount": total}
        return {"candidates": [{"index": 0, "content": content, "finishReason": "STOP"}], "usageMetadata": usage}
    if path == "/api/chat":
        message = {"role": "assistant", "content": TEXT}
        counts = {"prompt_eval_count": INPUT, "eval_count": output}
        return {"model": model, "created_at": TIME, "message": message, "done": True, "done_reason": "stop", **counts}
    if path == "/v2/chat":
        message = {"role": "assistant", "content": [{"type": "text", "text": TEXT}]}
        usage = {"tokens": {"input_tokens": INPUT, "output_tokens": output}}
        return {"id": "1", "finish_reason": "COMPLETE", "message": message, "usage": usage}
    if path == "/v1/messages":
        usage = {"input_tokens": INPUT, "output_tokens": output}
        content = [{"type": "text", "text": TEXT}]
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": content}
        return {**message, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
    if path == "/v1/responses":
        text = {"type": "output_text", "text": TEXT, "annotations": []}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
        usage = {"input_tokens": INPUT, "output_tokens": output, "total_tokens": total}
        usage |= {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
        response = {"id": "resp_1", "object": "response", "created_at": 0, "status": "completed", "model": model}
        tools = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
        return {**response, **tools, "output": [message], "usage": usage}
    message = {"role": "assistant", "content": TEXT}
    usage = {"prompt_tokens": INPUT, "completion_tokens": output, "total_tokens": total}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": model, "choices": [choice], "usage": usage}


TIME = "2026-01-01T00:00:00Z"

"""A server of KServe's protocol V2 over HTTP that takes binary tensors, as Triton Inference Server does."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np


class TritonHttp:
    """`POST /v2/models/NAME/infer` answers with the sum of each row of the first input. `rows` are what it saw of each request."""

    def __init__(self):
        self.rows = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"triton": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.respond(200, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        length = int(self.headers.get("Inference-Header-Content-Length", len(body)))
        asked = json.loads(body[:length])
        first = asked["inputs"][0]
        if "data" in first:
            data = np.array(first["data"], np.float32)
        else:
            data = np.frombuffer(body, np.float32, offset=length, count=first["parameters"]["binary_data_size"] // 4)
        data = data.reshape(first["shape"])
        self.triton.rows.append(len(data))
        sums = data.reshape(len(data), -1).sum(axis=1)
        output = {"name": "sum", "datatype": "FP32", "shape": [len(sums)], "data": sums.tolist()}
        self.respond(200, {"model_name": "iris", "model_version": "1", "outputs": [output]})

    def respond(self, status, answer):
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        pass

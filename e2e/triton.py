"""A server of gRPC with the service of Triton Inference Server, whose messages are bytes that nobody reads."""

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

from server import TIMEOUT

SERVICE = "inference.GRPCInferenceService"
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
LIVE = b"\x08\x01"


class Triton:
    """`ServerLive` is live; `ModelInfer` does what the metadata `do` says, and else gives the message back; so does
    `ModelStreamInfer` with each; `Repeat` gives it ten times, one for each `go.release()`."""

    def __init__(self, port):
        self.address = f"127.0.0.1:{port}"
        self.url = f"h2c://{self.address}"
        self.go = threading.Semaphore(0)
        self.started, self.cancelled = threading.Event(), threading.Event()
        self.metadata = {}
        self.start()

    def start(self):
        self.server = grpc.server(ThreadPoolExecutor(16), options=OPTIONS)
        methods = {
            "ServerLive": grpc.unary_unary_rpc_method_handler(lambda message, context: LIVE),
            "ModelInfer": grpc.unary_unary_rpc_method_handler(self.infer),
            "ModelStreamInfer": grpc.stream_stream_rpc_method_handler(lambda messages, context: messages),
            "Repeat": grpc.unary_stream_rpc_method_handler(self.repeat),
        }
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, methods)])
        self.server.add_insecure_port(self.address)
        self.server.start()

    def infer(self, message, context):
        self.metadata = dict(context.invocation_metadata())
        match self.metadata.get("do"):
            case "fail":
                context.set_trailing_metadata([("x-model", "iris")])
                context.abort(grpc.StatusCode.NOT_FOUND, "no model “iris”: 100 % sure")
            case "hang":
                context.add_callback(self.cancelled.set)
                self.started.set()
                self.cancelled.wait()
        context.send_initial_metadata([("x-version", "3")])
        context.set_trailing_metadata([("x-seconds-bin", b"\x00\xff")])
        return message

    def repeat(self, message, context):
        for _ in range(10):
            self.go.acquire()
            yield message

    def restart(self):
        """Stops in peace, and starts again at the same address."""
        self.server.stop(TIMEOUT).wait()
        self.start()

    def stop(self):
        self.cancelled.set()
        self.server.stop(None).wait()


class Client:
    """A channel to a gateway, with the methods of the service."""

    def __init__(self, gateway, metadata=()):
        self.channel = grpc.insecure_channel(gateway.url.removeprefix("http://"), options=OPTIONS)
        self.metadata = list(metadata)

    def live(self):
        return self.channel.unary_unary(f"/{SERVICE}/ServerLive")(b"", timeout=TIMEOUT, metadata=self.metadata)

    def infer(self, message=b"", timeout=TIMEOUT, **metadata):
        """Begins a call, whose result is waited for by `result()`."""
        call = self.channel.unary_unary(f"/{SERVICE}/ModelInfer")
        return call.future(message, timeout=timeout, metadata=[*self.metadata, *metadata.items()])

    def repeat(self, message):
        return self.channel.unary_stream(f"/{SERVICE}/Repeat")(message, timeout=TIMEOUT)

    def stream(self, messages):
        return self.channel.stream_stream(f"/{SERVICE}/ModelStreamInfer")(messages, timeout=TIMEOUT)

    def close(self):
        self.channel.close()

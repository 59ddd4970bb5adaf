"""An upstream that refuses every request, as a server that is overloaded does."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class RefusingServer:
    """Answers every request with `status` and `headers`, once `released` is set, which it is at first."""

    def __init__(self, status=503, headers=None):
        self.status = status
        self.headers = headers or {}
        self.calls = 0
        self.released = threading.Event()
        self.released.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self):
        refusing = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                refusing.calls += 1
                self.rfile.read(int(self.headers["content-length"]))
                refusing.released.wait()
                self.send_response(refusing.status)
                for name, value in refusing.headers.items():
                    self.send_header(name, value)
                body = b'{"error": {"type": "overloaded_error", "message": "too busy"}}'
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        return Handler

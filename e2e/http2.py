"""A client of HTTP/2 that reads frames itself, because most libraries do not go on as RFC 9113 says when a server ends a connection."""

import socket
import struct
import threading

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4


class Http2Load:
    """Asks for `path` again and again, on one connection as long as it lasts and on the next one then, until `stop()`."""

    def __init__(self, address, path):
        self.address, self.path = address, path
        self.answered, self.connections = 0, 0
        self.failures = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def stop(self):
        self.ended.set()
        self.thread.join()

    def _run(self):
        try:
            while not self.ended.is_set():
                self.connections += 1
                with Connection(self.address) as connection:
                    # No request is begun on a connection that the server ends.
                    while connection.last_stream is None and not self.ended.is_set():
                        answer = connection.get(self.path)
                        # What the server says it has not seen is asked again.
                        if answer != "unseen":
                            self.answered += 1
                        if answer not in ("unseen", "200"):
                            self.failures.append(answer)
        except Exception as error:
            self.failures.append(repr(error))


class Connection:
    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=30)
        self.file = self.socket.makefile("rb")
        self.stream = -1
        self.last_stream = None  # the last one that the server serves, once it has said so
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def get(self, path):
        """The status of the answer, whether it is 200 or another; or that the server has not seen the request."""
        self.stream += 2
        path = path.encode()
        # :method GET, :scheme http, :path and :authority as literals with names of the static table.
        block = b"\x82\x86" + b"\x04" + bytes([len(path)]) + path + b"\x01" + bytes([4]) + b"test"
        self.socket.sendall(frame(HEADERS, END_STREAM | END_HEADERS, self.stream, block))
        status = None
        while True:
            head = self.file.read(9)
            if len(head) < 9:
                return "unseen" if self._is_unseen() else f"closed during stream {self.stream}"
            length, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], head[5:]
            payload = self.file.read(length)
            stream = int.from_bytes(stream, "big") & 0x7FFF_FFFF
            if kind == SETTINGS and not flags & ACK:
                self.socket.sendall(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                self.socket.sendall(frame(PING, ACK, 0, payload))
            elif kind == GOAWAY:
                self.last_stream = int.from_bytes(payload[:4], "big") & 0x7FFF_FFFF
                if self._is_unseen():
                    return "unseen"
            elif kind == RST_STREAM:
                return f"reset with {payload.hex()}"
            elif kind == HEADERS and status is None:
                # The first field is the status, and 200 has a number in the static table.
                status = "200" if payload[0] == 0x88 else f"not 200: {payload[:8].hex()}"
            elif kind == DATA and length:
                self.socket.sendall(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", length)))
            if kind in (DATA, HEADERS) and stream == self.stream and flags & END_STREAM:
                return status

    def _is_unseen(self):
        return self.last_stream is not None and self.last_stream < self.stream


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + payload

"""An upstream that does what no library of HTTP would: it breaks off, hangs, talks nonsense or never reads.

`python raw_server.py PORT` serves it on loopback. The path says what becomes of a request; a query is for others.
"""

import asyncio
import socket
import struct
import sys

PIECE = bytes(256 * 1024)


class Raw(asyncio.Protocol):
    def connection_made(self, transport):
        OPEN.add(self)
        self.transport = transport
        self.read = bytearray()
        self.answer = None  # of the request whose body is being read
        self.left = 0  # bytes of that body
        self.chunked = False
        self.writable = asyncio.Event()
        self.writable.set()
        self.writer = None

    def connection_lost(self, error):
        OPEN.discard(self)
        if self.writer:
            self.writer.cancel()

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    def data_received(self, data):
        if self.answer is None:
            self.read += data
            end = self.read.find(b"\r\n\r\n")
            if end < 0:
                return
            head, data = bytes(self.read[: end + 4]).lower(), self.read[end + 4 :]
            self.read = bytearray()
            path = head.split(b" ", 2)[1].split(b"?")[0].decode().strip("/").split("/")[-1].replace("-", "_")
            self.left = int(head.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0]) if b"\r\ncontent-length: " in head else 0
            self.chunked = b"\r\ntransfer-encoding: chunked" in head
            self.answer = getattr(self, f"do_{path}", self.do_ok)
            self.received = 0
            if path in UNREAD:
                self.answer()
                return
        self.body(data)

    def body(self, data):
        """Counts the bytes of a body. That of a chunked one ends with the first piece that ends as such do."""
        self.received += len(data)
        self.left -= len(data)
        if data.endswith(b"\r\n0\r\n\r\n") or data == b"0\r\n\r\n" if self.chunked else self.left <= 0:
            answer, self.answer = self.answer, None
            answer()

    def reply(self, body, status=b"200 OK"):
        self.transport.write(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))

    def reset(self):
        sock = self.transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def do_ok(self):
        self.reply(b"ok")

    def do_count(self):
        self.reply(b"%d" % self.received)

    def do_hang(self):
        pass

    def do_deaf(self):
        self.transport.pause_reading()

    def do_early(self):
        self.transport.pause_reading()
        self.reply(b"", b"413 Content Too Large")

    def do_fields(self):
        fields = b"".join(b"x-%d: 1\r\n" % number for number in range(2_000))
        self.transport.write(b"HTTP/1.1 200 OK\r\n%scontent-length: 0\r\n\r\n" % fields)

    def do_length(self):
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\nhello")

    def do_coding(self):
        self.transport.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n")

    def do_hints(self):
        self.transport.write(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n")
        asyncio.get_running_loop().call_later(0.005, self.reply, b"ok")

    def do_many_hints(self):
        self.transport.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        hints = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n"
        self.transport.write(hints + b"\r\n" + hints + b"link: <a>\r\n" * 50 + b"\r\n")
        asyncio.get_running_loop().call_later(0.005, self.reply, b"busy", b"503 Service Unavailable")

    def do_garbage(self):
        self.transport.write(b"SSH-2.0-OpenSSH_9.2\r\n")

    def do_close(self):
        self.transport.close()

    def do_reset_at_once(self):
        self.reset()

    def do_reset_in_head(self):
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-le")
        asyncio.get_running_loop().call_later(0.005, self.reset)

    def do_reset_in_body(self):
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nten bytes.")
        asyncio.get_running_loop().call_later(0.005, self.reset)

    def do_short(self):
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nten bytes.")
        self.transport.close()

    def do_slow_head(self):
        self.writer = asyncio.create_task(self.trickle(b"HTTP/1.1 200 OK\r\nx-never: ", b"x", 0.02))

    def do_stream(self):
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        self.writer = asyncio.create_task(self.trickle(head, b"9\r\ndata: 1\n\n\r\n", 0.005))

    async def trickle(self, first, then, pause):
        self.transport.write(first)
        while True:
            self.transport.write(then)
            await asyncio.sleep(pause)
            await self.writable.wait()

    def do_gigabyte(self):
        self.writer = asyncio.create_task(self.gigabyte(b"content-length: %d" % GIGABYTE, PIECE, b""))

    def do_gigabyte_chunked(self):
        piece = b"%x\r\n%s\r\n" % (len(PIECE), PIECE)
        self.writer = asyncio.create_task(self.gigabyte(b"transfer-encoding: chunked", piece, b"0\r\n\r\n"))

    async def gigabyte(self, length, piece, end):
        self.transport.write(b"HTTP/1.1 200 OK\r\n%s\r\n\r\n" % length)
        for _ in range(GIGABYTE // len(PIECE)):
            await self.writable.wait()
            if self.transport.is_closing():
                return
            self.transport.write(piece)
        self.transport.write(end)


GIGABYTE = 1 << 30

# Nobody else holds a connection that is not being read, and one that nobody holds is closed.
OPEN = set()

# What is done without reading the body.
UNREAD = ("deaf", "early", "reset_at_once", "close")


async def serve(port):
    server = await asyncio.get_running_loop().create_server(Raw, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))

"""Envoy's rate limit service, asked as Envoy asks it. Its messages are written by hand: no package has them."""

from contextlib import contextmanager

import grpc

METHOD = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
OK, OVER_LIMIT = 1, 2


def varint(number):
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def field(tag, content):
    """A field of bytes, of text or of another message."""
    content = content.encode() if isinstance(content, str) else content
    return varint(tag << 3 | 2) + varint(len(content)) + content


def call(domain, *descriptors):
    """A call for descriptors, each with a list of its keys and values."""
    message = field(1, domain)
    for entries in descriptors:
        written = [field(1, field(1, key) + field(2, value)) for key, value in entries]
        message += field(2, b"".join(written))
    return message


def fields(message):
    """The tag and the content of each field: a number, or bytes."""
    read = []
    rest = memoryview(message)

    def number():
        nonlocal rest
        value = shift = 0
        while True:
            byte, rest = rest[0], rest[1:]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while rest:
        key = number()
        content = number()
        if key & 7 == 2:
            content, rest = bytes(rest[:content]), rest[content:]
        read.append((key >> 3, content))
    return read


class Answer:
    """The answer to a call."""

    def __init__(self, message):
        told = fields(message)
        self.overall = dict(told)[1]
        headers = [dict(fields(content)) for tag, content in told if tag == 3]
        self.headers = [(header[1].decode(), header[2].decode()) for header in headers]
        self.body = dict(told).get(5, b"").decode()


@contextmanager
def service(address):
    """Asks the service at an address: `ask(call(...))`."""
    with grpc.insecure_channel(address) as channel:
        method = channel.unary_unary(METHOD, response_deserializer=Answer)
        yield lambda message: method(message, timeout=10)

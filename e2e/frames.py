"""Frames of HTTP/2 (RFC 9113), written by hand."""

import socket

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
BEGIN = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def field(name, value):
    """A literal that no table is asked for."""
    return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def request(stream, path, more=END_STREAM, fields=b""):
    """The head of a GET, which ends the request unless there is `more`."""
    return frame(HEADERS, END_HEADERS | more, stream, b"\x82\x86\x41\x01a\x04" + bytes([len(path)]) + path.encode() + fields)


def reset(stream):
    return frame(RST_STREAM, 0, stream, (8).to_bytes(4, "big"))


def connect(gateway):
    """A connection that has said what it speaks."""
    stream = socket.create_connection(gateway.address())
    stream.sendall(BEGIN + frame(SETTINGS, 0, 0))
    return stream


def read(connection):
    """The next frame that comes: its kind, flags, stream and payload."""
    head = _exactly(connection, 9)
    return head[3], head[4], int.from_bytes(head[5:], "big"), _exactly(connection, int.from_bytes(head[:3], "big"))


def _exactly(connection, length):
    read = b""
    while len(read) < length:
        piece = connection.recv(length - len(read))
        if not piece:
            raise ConnectionError("closed")
        read += piece
    return read

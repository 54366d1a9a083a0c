"""A crowd of bad clients, in a process of its own: python crowd.py PORT MODEL COUNT SECONDS. Prints their ends as JSON."""

from __future__ import annotations

import asyncio
import collections
import json
import random
import socket
import struct
import sys
from collections.abc import Awaitable, Callable

MOST = 30  # seconds after which it gives up
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def asked(model: str, *, stream: bool, tokens: int) -> bytes:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "forever"}],
        "stream": stream,
        "max_tokens": tokens,
    }
    text = json.dumps(body).encode()
    fields = ("host: x", "content-type: application/json", f"content-length: {len(text)}")
    return "\r\n".join(("POST /v1/chat/completions HTTP/1.1", *fields, "\r\n")).encode() + text


async def until_closed(reader: asyncio.StreamReader) -> str:
    answer = await reader.read(-1)
    return next((f"shed with {status}" for status in (408, 429, 503) if b" %d " % status in answer), "shed")


async def half_a_head(streams: Streams, request: bytes) -> str:
    streams[1].write(request[:40])
    return await until_closed(streams[0])


async def half_a_body(streams: Streams, request: bytes) -> str:
    streams[1].write(request[:-10])
    return await until_closed(streams[0])


async def never_reads(streams: Streams, request: bytes) -> str:
    streams[1].write(request)
    await asyncio.sleep(random.random() * 3)
    return "left unread"


async def cancels(streams: Streams, request: bytes) -> str:
    streams[1].write(request)
    await asyncio.wait_for(streams[0].read(random.randrange(1, 2000)), 10)
    await asyncio.sleep(random.random())
    return "cancelled"


async def only_connects(streams: Streams, request: bytes) -> str:
    await asyncio.sleep(random.random())
    return "said nothing"


WAYS: list[Callable[[Streams, bytes], Awaitable[str]]] = [half_a_head, half_a_body, never_reads, cancels, only_connects]


async def one(i: int, port: int, model: str, seconds: float) -> str:
    """A client that comes at some moment, misbehaves, and goes without a word."""
    await asyncio.sleep(random.random() * seconds)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    own = writer.get_extra_info("socket")
    own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not a farewell
    try:
        return await WAYS[i % len(WAYS)]((reader, writer), asked(model, stream=True, tokens=90))
    except (ConnectionError, TimeoutError) as e:
        return type(e).__name__
    finally:
        writer.transport.abort()


async def main(port: int, model: str, count: int, seconds: float) -> None:
    async with asyncio.timeout(MOST):
        ends = await asyncio.gather(*(one(i, port, model, seconds) for i in range(count)))
    print(json.dumps(collections.Counter(ends)))


if __name__ == "__main__":
    random.seed(0)
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))

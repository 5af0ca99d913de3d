# SPDX-License-Identifier: BSD-2-Clause
"""Clients of the agent's metrics that do not behave.

  metrics_clients.py garbage PORT      what is no request, or none that is answered
  metrics_clients.py silent PORT N     N that say nothing: the last word is when each was dropped
  metrics_clients.py slow PORT         one that reads an octet now and then
  metrics_clients.py leave PORT N      N that ask and are gone
"""

import os
import socket
import sys
import time

GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connected(port):
    return socket.create_connection(("::1", int(port)), timeout=20)


def answer_to(port, request):
    with connected(port) as s:
        try:
            s.sendall(request)
            s.shutdown(socket.SHUT_WR)
            parts = []
            while part := s.recv(65536):
                parts.append(part)
            return b"".join(parts)
        except ConnectionError:
            return b""


GARBAGE = {
    "nothing": b"",
    "zeros": bytes(5000),
    "random octets": os.urandom(5000),
    "no line": b"G" * 100000,
    "no end": b"GET /metrics HTTP/1.1\r\n",
    "a large header": b"GET /metrics HTTP/1.1\r\nA: " + b"b" * 20000 + b"\r\n\r\n",
    "many headers": b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
    "no version": b"GET /metrics\r\n\r\n",
    "another path": b"GET /../metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "another host": b"GET /metrics HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "root": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "delete": b"DELETE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a body": b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n123456789",
    "a body that never ends": b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n1",
    "a negative length": b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "connect": b"CONNECT ::1:22 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + os.urandom(200),
}


def garbage(port):
    for name, request in GARBAGE.items():
        reply = answer_to(port, request)
        print(f"{name}: {reply[:40]!r}")
        if b" 200 " in reply[:20] or b"pdm_" in reply:
            raise SystemExit(f"{name} was answered: {reply[:200]!r}")
    # Only the first of two is answered: the connection is closed after it.
    if answer_to(port, GET + GET).count(b"HTTP/1.1 200") != 1:
        raise SystemExit("two requests in one connection")


def silent(port, count):
    began = time.monotonic()
    clients = [connected(port) for _ in range(int(count))]
    print("connected", flush=True)
    for i, client in enumerate(clients):
        if i % 2 == 0:
            client.sendall(b"GET /metrics HTTP/1.1\r\n")
    for client in clients:
        client.settimeout(30)
        try:
            if client.recv(1) != b"":
                raise SystemExit("an answer to nothing")
        except ConnectionError:
            pass
    print(f"dropped {time.monotonic() - began:.1f}")


def slow(port):
    began = time.monotonic()
    client = socket.socket(socket.AF_INET6)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    client.connect(("::1", int(port)))
    client.sendall(GET)
    print("connected", flush=True)
    got = 0
    try:
        while part := client.recv(1):
            got += len(part)
            time.sleep(0.1)
    except ConnectionError:
        pass
    print(f"read {got} octets in {time.monotonic() - began:.1f}")


def leave(port, count):
    for i in range(int(count)):
        with connected(port) as client:
            client.sendall(GET[:len(GET) - i % 3])
            if i % 2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))


if __name__ == "__main__":
    {f.__name__: f for f in (garbage, silent, slow, leave)}[sys.argv[1]](*sys.argv[2:])

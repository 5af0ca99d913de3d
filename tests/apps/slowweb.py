#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""An HTTP server that takes its time.

    slowweb.py ADDRESS PORT [CERTIFICATE KEY]

/think/MS answers after so many milliseconds; /stall/MS/EVERY/NAME delays the last of each so many
requests of that path; /hops/N/MS is N redirects, the last to /think/MS; /size/N is so many octets;
/cut closes without an answer; /status/N has that status; /header/NAME tells a header of the request;
all else is a short text. A connection is kept; each has a thread. Requests may have a body. An answer
is sent with one call, as most servers do.
"""
import collections
import itertools
import socket
import socketserver
import ssl
import sys
import time

STALLS = collections.defaultdict(lambda: itertools.count(1))  # requests by path


def answer(path, asked):
    """(status, headers, body) of a request of PATH that has the headers ASKED; None: close."""
    words = path.split("?")[0].strip("/").split("/")
    numbers = [int(word) for word in words[1:3] if word.isdigit()]
    status, headers, body = 200, [], b"thought\n"
    if words[0] == "think":
        time.sleep(numbers[0] / 1000)
    elif words[0] == "stall":
        if next(STALLS[path]) % numbers[1] == 0:
            time.sleep(numbers[0] / 1000)
    elif words[0] == "hops":
        time.sleep(numbers[1] / 1000)
        left = numbers[0] - 1
        status, headers = 302, [f"Location: /hops/{left}/{numbers[1]}" if left else f"Location: /think/{numbers[1]}"]
    elif words[0] == "size":
        body = b"x" * numbers[0]
    elif words[0] == "header":
        body = (asked.get(words[1], "") + "\n").encode()
    elif words[0] == "status":
        status = numbers[0]
    elif words[0] == "cut":
        return None
    return status, headers, body


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        lines = self.request.makefile("rb")
        while True:
            request = lines.readline().decode().split()
            if not request:
                return
            headers = {}
            while (line := lines.readline().decode().strip()) != "":
                name, value = line.split(":", 1)
                headers[name.lower()] = value.strip()
            if headers.get("expect", "").lower() == "100-continue":
                self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            lines.read(int(headers.get("content-length", 0)))
            answered = answer(request[1], headers)
            if answered is None:
                return
            status, more, body = answered
            head = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", *more, "", ""]
            self.request.sendall("\r\n".join(head).encode() + body)
            if headers.get("connection", "").lower() == "close":
                return


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    context = None

    def get_request(self):
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def finish_request(self, request, client_address):
        # In the connection's thread: a handshake would hold up the others.
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # a client that went away
            super().handle_error(request, client_address)


def main():
    server = Server((sys.argv[1], int(sys.argv[2])), Handler)
    if len(sys.argv) > 3:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(sys.argv[3], sys.argv[4])
    server.serve_forever()


if __name__ == "__main__":
    main()

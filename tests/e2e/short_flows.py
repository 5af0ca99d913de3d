# SPDX-License-Identifier: BSD-2-Clause
"""COUNT flows of one datagram there and one back: short_flows.py ADDRESS PORT COUNT. It knows nothing of
measurement."""

import socket
import sys


def exchange(address, port):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        s.connect((address, port))
        s.send(b"x")
        try:
            return s.recv(16) == b"x"
        except TimeoutError:
            return False


answered = sum(exchange(sys.argv[1], int(sys.argv[2])) for _ in range(int(sys.argv[3])))
print(f"answered {answered}")

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A UDP echo server on asyncio: pyecho.py ADDRESS PORT. Ends on SIGTERM or SIGINT."""

import asyncio
import signal
import sys


class Echo(asyncio.DatagramProtocol):
    """Sends every datagram back to where it came from."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)

    def error_received(self, exc):
        print("error:", exc, flush=True)


async def serve(address, port):
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=(address, port))
    await stopped.wait()
    transport.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: pyecho.py ADDRESS PORT")
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))

#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A UDP client on asyncio: pyclient.py ADDRESS PORT COUNT.

Sends COUNT datagrams of many sizes, one after another, checks each echo and prints a digest of all
that came back. Exit status 0 if all came back as they went out, 1 if not."""

import asyncio
import hashlib
import sys

WAIT_S = 2.0
# asyncio itself drops an empty datagram, so none is sent.
SIZES = (1, 17, 64, 512, 1200, 1432, 4000)


class Answers(asyncio.DatagramProtocol):
    """Queues what arrives, datagrams and errors alike."""

    def __init__(self):
        self.queue = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.queue.put_nowait((data, addr))

    def error_received(self, exc):
        self.queue.put_nowait((exc, None))


def payload(number):
    size = SIZES[number % len(SIZES)]
    return hashlib.shake_128(number.to_bytes(8, "big")).digest(size)


async def run(address, port, count):
    loop = asyncio.get_running_loop()
    transport, answers = await loop.create_datagram_endpoint(Answers, remote_addr=(address, port))
    digest = hashlib.sha256()
    good = 0
    for number in range(count):
        sent = payload(number)
        transport.sendto(sent)
        try:
            data, addr = await asyncio.wait_for(answers.queue.get(), WAIT_S)
        except asyncio.TimeoutError:
            print(f"{number}: no answer")
            continue
        if data != sent or addr[:2] != (address, port):
            print(f"{number}: {data!r} from {addr}")
            continue
        digest.update(data)
        good += 1
    transport.close()
    print(f"{good} of {count} {digest.hexdigest()}")
    return good == count


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: pyclient.py ADDRESS PORT COUNT")
    sys.exit(0 if asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))) else 1)

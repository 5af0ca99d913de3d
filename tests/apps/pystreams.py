#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""An echo over TCP on asyncio's streams.

pystreams.py serve ADDRESS PORT: echoes each connection until its end; ends on SIGTERM or SIGINT.
pystreams.py talk ADDRESS PORT CONNECTIONS ROUNDS: on so many connections at once, sends messages of
many sizes, one a round, waits for each echo and checks it; then is idle for a moment, and
half-closes. Prints a digest for each connection. Exit status 0 if all came back as they went out,
1 if not.

Both say if they are busy while nothing arrives: descriptors that are ready, but not for this."""

import asyncio
import hashlib
import signal
import sys
import time

CHUNK = 65536
WAIT_S = 10.0
PAUSE_S = 0.01  # so that the rounds last
IDLE_S = 0.6
LOOK_S = 0.2
BUSY_S = 0.1  # of LOOK_S
SIZES = (1, 100, 1388, 1389, 1428, 1429, 20000, 300000)


arrivals = 0


async def watch_idleness():
    while True:
        before, busy = arrivals, time.process_time()
        await asyncio.sleep(LOOK_S)
        busy = time.process_time() - busy
        if arrivals == before and busy > BUSY_S:
            print("busy with nothing", flush=True)


async def echo(reader, writer):
    global arrivals
    try:
        while data := await reader.read(CHUNK):
            arrivals += 1
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError as problem:
        print("error:", problem, flush=True)
    writer.close()


async def serve(address, port):
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = await asyncio.start_server(echo, address, port)
    watch = asyncio.create_task(watch_idleness())
    await stopped.wait()
    watch.cancel()
    server.close()


def payload(connection, number):
    size = SIZES[(connection + number) % len(SIZES)]
    seed = connection.to_bytes(4, "big") + number.to_bytes(4, "big")
    return hashlib.shake_128(seed).digest(size)


async def talk_on(connection, address, port, rounds):
    global arrivals
    reader, writer = await asyncio.open_connection(address, port)
    digest = hashlib.sha256()
    good = 0
    for number in range(rounds):
        sent = payload(connection, number)
        writer.write(sent)
        try:
            came = await asyncio.wait_for(reader.readexactly(len(sent)), WAIT_S)
        except (asyncio.TimeoutError, asyncio.IncompleteReadError) as problem:
            print(f"{connection}.{number}: {problem!r}")
            break
        arrivals += 1
        digest.update(came)
        good += came == sent
        await asyncio.sleep(PAUSE_S)
    await asyncio.sleep(IDLE_S)
    peer = writer.get_extra_info("peername")[:2]
    writer.write_eof()
    rest = await asyncio.wait_for(reader.read(), WAIT_S)
    writer.close()
    await writer.wait_closed()
    line = f"{connection}: {good} of {rounds} from {peer}, then {len(rest)} {digest.hexdigest()}"
    return line, good == rounds and not rest


async def talk(address, port, connections, rounds):
    watch = asyncio.create_task(watch_idleness())
    results = await asyncio.gather(
        *(talk_on(connection, address, port, rounds) for connection in range(connections))
    )
    watch.cancel()
    for line, _ in results:
        print(line)
    return all(good for _, good in results)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "serve":
        asyncio.run(serve(sys.argv[2], int(sys.argv[3])))
    elif len(sys.argv) == 6 and sys.argv[1] == "talk":
        good = asyncio.run(talk(sys.argv[2], *(int(word) for word in sys.argv[3:])))
        sys.exit(0 if good else 1)
    else:
        sys.exit("usage: pystreams.py serve ADDRESS PORT | talk ADDRESS PORT CONNECTIONS ROUNDS")

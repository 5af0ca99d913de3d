#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Floods of the pairing port; run by test_kept_out.sh.

    unlisted  from an address beside it that is on no list, with whatever may be thought of
    listed    by sc2, whose agent does not run

The mode of operation is ibc; ss1 is attacked. sc2 has all the addresses of a prefix that is on the
list of clients, their cookies, and INITs that can be deciphered and such that cannot; sc1 pairs
honestly all the while. See kept_out.py.
"""
import os
import socket
import struct
import subprocess
import time

import kept_out
import registration_peer as peer
from kept_out import ADDRESSES, check

import boneh_franklin as bf

reg = peer.reg
PORT = peer.PORT
VERSION = 1
HELLO, COOKIE, INIT, RESP = range(1, 5)
TOKEN_LEN, COOKIE_LEN, HALF_LEN = 16, 16, 32
PARAMETERS = bf.parameters_3072()
CIPHERTEXT_LEN = bf.ciphertext_overhead(PARAMETERS) + HALF_LEN
# Octets of whole messages, by type.
LENGTHS = {HELLO: 34, COOKIE: 34, INIT: 42 + CIPHERTEXT_LEN, RESP: 42 + CIPHERTEXT_LEN + 32}
INIT_HEAD = ">BBQ%ds%ds" % (reg.TAG_LEN, COOKIE_LEN)
UDP, ICMPV6 = 17, 58
ETH_P_IPV6 = 0x86DD
SO_RCVBUFFORCE = 33
NEIGHBOURS = range(133, 138)  # ICMPv6 of neighbour discovery

STRANGER = "2001:db8:a::77"
CROWD = ["2001:db8:b:0:1::%x" % number for number in range(1, 65)]  # of one entry of the list
FUZZED = 100000
BATCH = 100  # datagrams, until they have been read
SENDING_S = 20.0
CIPHERTEXTS = 8  # of keys of their own
FLOOD_S, HONEST_AFTER_S = 6.0, 2.0
# What an agent does at most (core/limits.h): answers a second, of all and of one peer.
ANSWER_RATE, PEER_RATE, BURST = 10, 1, 10
CPU_SHARE = 0.35  # of one processor: a quarter by them, and what reading takes
# Of one processor, for reading as fast as it can be sent: on a busy machine that takes three times
# as long; and an agreement for each would take all of it.
READING_SHARE = 0.7
LINES = 24  # of its log, for whatever is sent


# Messages.


def hello(token):
    return struct.pack(">BB16s16x", VERSION, HELLO, token)


def init(epoch, tag, cookie, ciphertext):
    return struct.pack(INIT_HEAD, VERSION, INIT, epoch, tag, cookie) + ciphertext


def random_ciphertext(generator):
    """Of a point of order q, and of octets: what it is for shows when it has been deciphered."""
    point = bf.multiply(PARAMETERS.p, generator.getrandbits(64) | 1, PARAMETERS.generator)
    return bf.point_octets(PARAMETERS, point) + generator.randbytes(32 + HALF_LEN)


class Encrypter:
    """Boneh-Franklin encryption to one identity, with what all of them have in common made once."""

    def __init__(self, p_pub, identity):
        public = bf.point_from(PARAMETERS, p_pub)
        self.base = bf.pairing(PARAMETERS, public, bf.hash_to_point(PARAMETERS, identity))

    def encrypt(self, rho, message):
        number = bf.session_number(PARAMETERS, rho, message)
        u = bf.multiply(PARAMETERS.p, number, PARAMETERS.generator)
        theta = bf.canonical(PARAMETERS, bf.power(PARAMETERS.p, self.base, number))
        v = bf.xor(PARAMETERS.hash(theta).digest(), rho)
        w = bf.xor(bf.hash_bytes(PARAMETERS, len(message), rho), message)
        return bf.point_octets(PARAMETERS, u) + v + w


def whole(generator, kind):
    """A message of a type that says anything."""
    return bytes([VERSION, kind]) + generator.randbytes(LENGTHS[kind] - 2)


def well_known(generator, epoch, tag):
    """Messages that name the negotiation that is in force, and such that were never changed."""
    found = [whole(generator, kind) for kind in LENGTHS]
    for _ in range(4):
        cookie = generator.randbytes(COOKIE_LEN)
        found.append(init(epoch, tag, cookie, random_ciphertext(generator)))
    return found


def fuzzed(generator, known):
    """A datagram: octets, a message of some type, or one of the KNOWN with some of it changed."""
    way = generator.randrange(7)
    if way == 0:
        return generator.randbytes(generator.randrange(1200))
    if way == 1:
        kind, length = generator.randrange(256), generator.randrange(600)
        return bytes([VERSION, kind]) + generator.randbytes(length)
    if way == 2:
        return hello(generator.randbytes(TOKEN_LEN))
    if way == 3:
        return whole(generator, generator.choice(sorted(LENGTHS)))
    octets = bytearray(generator.choice(known))
    if way == 4:
        octets[generator.randrange(len(octets))] ^= 1 << generator.randrange(8)
    elif way == 5:
        del octets[generator.randrange(len(octets)) :]
    else:
        octets += generator.randbytes(generator.randrange(64))
    return bytes(octets)


# What a host sees.


class Sniffer:
    """Packets of IPv6 that come to a namespace."""

    def __init__(self, world, host):
        with peer.namespace(world.namespace(host)):
            kind = socket.htons(ETH_P_IPV6)
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, kind)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 25)
        self.socket.setblocking(False)

    def packets(self):
        """(source, destination, next header, what it has) of those that came."""
        while True:
            try:
                octets, sender = self.socket.recvfrom(4096)
            except BlockingIOError:
                return
            if sender[2] != socket.PACKET_OUTGOING and len(octets) >= 40:
                yield octets[8:24], octets[24:40], octets[6], octets[40:]

    def messages(self, kind, source):
        """(destination, message) of SOURCE's datagrams of a type."""
        for src, dst, header, rest in self.packets():
            if src == reg.packed(source) and header == UDP and rest[8:10] == bytes([VERSION, kind]):
                yield dst, rest[8:]


def counter(world, host, name):
    with peer.namespace(world.namespace(host)):
        with open("/proc/thread-self/net/snmp6", encoding="ascii") as counters:
            values = dict(line.split() for line in counters)
    return int(values[name])


def cpu_s(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def add_addresses(world, host, addresses):
    lines = "".join("addr add %s/128 dev eth0 nodad\n" % address for address in addresses)
    command = ["ip", "-n", world.namespace(host), "-batch", "-"]
    subprocess.run(command, input=lines.encode(), check=True)


def udp_socket(world, host, address, port=PORT):
    with peer.namespace(world.namespace(host)):
        plain = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    plain.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
    plain.bind((address, port))
    plain.setblocking(False)
    return plain


def identity(world):
    """The negotiation in force as ss2, which is not attacked, was told of it."""
    agent = world.agent("ss2")
    agent.link.close()
    return agent.epoch


# A stranger.


def send_all(world, sockets, datagrams):
    """How many arrived and were read: not faster than they are."""
    target, before = (ADDRESSES["ss1"], PORT), counter(world, "ss1", "Udp6InDatagrams")
    end = time.monotonic() + SENDING_S

    def arrived():
        return counter(world, "ss1", "Udp6InDatagrams") - before

    for number, octets in enumerate(datagrams, 1):
        sockets[number % len(sockets)].sendto(octets, target)
        while number % BATCH == 0 and arrived() < number and time.monotonic() < end:
            time.sleep(0.0002)
    return arrived()


def unlisted(world):
    generator, daemon = world.random, world.daemon["ss1"]
    epoch = identity(world)
    known = well_known(generator, epoch.epoch, epoch.tag)
    # An address beside it, since those of a /64 that is not its own would have to be routed there.
    add_addresses(world, "ss2", [STRANGER])
    # Most of them from a pairing port: what is not goes no further.
    sockets = [udp_socket(world, "ss2", STRANGER)] * 9
    sockets.append(udp_socket(world, "ss2", STRANGER, PORT + 1))
    sniffer = Sniffer(world, "ss2")
    daemon.mark()
    errors = counter(world, "ss1", "Udp6RcvbufErrors")
    began, used = time.monotonic(), cpu_s(daemon.pid)
    arrived = send_all(world, sockets, [fuzzed(generator, known) for _ in range(FUZZED)])
    time.sleep(0.3)
    took, used = time.monotonic() - began, cpu_s(daemon.pid) - used
    lost = counter(world, "ss1", "Udp6RcvbufErrors") - errors
    answers = [(header, rest[:48].hex()) for src, dst, header, rest in sniffer.packets()
               if dst == reg.packed(STRANGER)
               and not (header == ICMPV6 and rest[0] in NEIGHBOURS)]  # fmt: skip
    what = "ss1: an address off the list gets no answer to %d datagrams in %.1f s" % (FUZZED, took)
    problems = ["%s came" % (answer,) for answer in answers[:3]]
    problems += [] if arrived >= FUZZED and lost == 0 else ["%d arrived, %d lost" % (arrived, lost)]
    check(what, problems + ["ss1 logged %s" % line for line in daemon.lines()])
    check("ss1: nothing was computed for it, in %.2f s of its processor" % used,
          [] if used < took * READING_SHARE else ["of %.2f s" % took])  # fmt: skip


# Those who are on the list.


class Crowd:
    """Sockets of many addresses of one host, and what came to them."""

    def __init__(self, world, host, addresses):
        self.world, self.target = world, (ADDRESSES["ss1"], PORT)
        self.sockets = {address: udp_socket(world, host, address) for address in addresses}
        self.cookies, self.answers = {}, set()

    def earn_cookies(self, seconds=5.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end and len(self.cookies) < len(self.sockets):
            for address, plain in self.sockets.items():
                if address not in self.cookies:
                    plain.sendto(hello(reg.packed(address)), self.target)
            time.sleep(0.3)
            self.take()

    def take(self):
        for address, plain in self.sockets.items():
            while True:
                try:
                    octets = plain.recv(2048)
                except BlockingIOError:
                    break
                if octets[:18] == bytes([VERSION, COOKIE]) + reg.packed(address):
                    self.cookies[address] = octets[18:]
                elif octets[:2] == bytes([VERSION, RESP]):
                    self.answers.add((address, octets))

    def send_octets(self, address, octets):
        self.sockets[address].sendto(octets, self.target)

    def send(self, address, epoch, ciphertext):
        octets = init(epoch.epoch, epoch.tag, self.cookies[address], ciphertext)
        self.send_octets(address, octets)


def honest(world):
    """sc1, which has not paired with anybody: a program there begins to send to ss1."""
    agent = os.path.join(world.directory, "sc1", "agent.sock")
    return subprocess.Popen(
        ["ip", "netns", "exec", world.namespace("sc1"), "env", "PDMV2_AGENT=" + agent,
         os.path.join(world.bin, "pdmping"), "-c", "1000", "-i", "0.2", ADDRESSES["ss1"]],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def answered(sniffer, host):
    messages = sniffer.messages(RESP, ADDRESSES["ss1"])
    return any(destination == reg.packed(ADDRESSES[host]) for destination, _ in messages)


class Flood:
    """Of INITs and of anything, for FLOOD_S; after HONEST_AFTER_S sc1 begins, too."""

    def __init__(self, world, crowd, epoch, ciphertexts):
        self.random, self.crowd, self.epoch = world.random, crowd, epoch
        self.ciphertexts, self.addresses = ciphertexts, sorted(crowd.cookies)
        self.known = well_known(world.random, epoch.epoch, epoch.tag)
        self.inits, self.honest_s = 0, None
        self.run(world, Sniffer(world, "sc1"))

    def send(self):
        for _ in range(50):
            address = self.random.choice(self.addresses)
            self.crowd.send(address, self.epoch, self.random.choice(self.ciphertexts))
            self.inits += 1
        for _ in range(10):
            address = self.random.choice(self.addresses)
            self.crowd.send_octets(address, fuzzed(self.random, self.known))

    def run(self, world, sniffer):
        began, program = time.monotonic(), None
        while time.monotonic() - began < FLOOD_S:
            self.send()
            self.crowd.take()
            if program is None and time.monotonic() - began > HONEST_AFTER_S:
                program, asked = honest(world), time.monotonic()
            if program and self.honest_s is None and answered(sniffer, "sc1"):
                self.honest_s = time.monotonic() - asked
            time.sleep(0.01)
        program.kill()
        program.wait()


def listed(world):
    generator, ss1 = world.random, world.daemon["ss1"]
    epoch = identity(world)
    encrypter = Encrypter(epoch.grants[0].p_pub, reg.identity(ADDRESSES["ss1"], epoch.epoch))
    good = [encrypter.encrypt(generator.randbytes(32), generator.randbytes(HALF_LEN))
            for _ in range(CIPHERTEXTS)]  # fmt: skip
    bad = [random_ciphertext(generator) for _ in range(CIPHERTEXTS)]
    add_addresses(world, "sc2", CROWD)
    crowd = Crowd(world, "sc2", CROWD)
    crowd.earn_cookies()
    count = len(crowd.cookies)
    check("ss1: listed addresses earn their cookies", [] if count == len(CROWD) else ["%d" % count])
    if crowd.cookies:
        flooded(world, ss1, crowd, epoch, good + bad)


def flooded(world, ss1, crowd, epoch, ciphertexts):
    ss1.mark()
    used = cpu_s(ss1.pid)
    flood = Flood(world, crowd, epoch, ciphertexts)
    used = cpu_s(ss1.pid) - used
    time.sleep(0.3)
    crowd.take()
    most = int(ANSWER_RATE * FLOOD_S) + BURST
    what = "ss1: %d INITs in %.0f s make it answer %d" % (flood.inits, FLOOD_S, len(crowd.answers))
    check(what, [] if 0 < len(crowd.answers) <= most else ["not 1 to %d" % most])
    worst = max(sum(a == address for a, _ in crowd.answers) for address in CROWD)
    check("ss1: and one peer at most %d times" % worst,
          [] if worst <= PEER_RATE * FLOOD_S + 1 else ["too often"])  # fmt: skip
    problems = [] if used < FLOOD_S * CPU_SHARE else ["too long"]
    check("ss1: in %.2f s of its processor" % used, problems)
    when = "" if flood.honest_s is None else ", in %.2f s" % flood.honest_s
    check("sc1: pairs with it all the same" + when, [] if when else ["in vain"])
    lines = ss1.lines()
    check("ss1: %d lines of its log tell of it" % len(lines),
          [] if 0 < len(lines) <= LINES else ["not 1 to %d" % LINES])  # fmt: skip


PHASES = {"unlisted": unlisted, "listed": listed}

if __name__ == "__main__":
    kept_out.run(PHASES)

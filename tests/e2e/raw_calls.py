#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What programs do with raw sockets, a line for each result: two runs print the same.

    raw_calls.py echo ADDRESS            ICMPv6 echo, which that host's kernel answers
    raw_calls.py alone SOURCE ADDRESS    sends of which none may have an option
    raw_calls.py listen COUNT            sees COUNT Echo Requests, which the kernel answers
"""
import ctypes
import errno
import os
import socket
import struct
import sys

ECHO_REQUEST, ECHO_REPLY, UNREACHABLE, NEIGHBOUR_SOLICITATION, PRIVATE = 128, 129, 1, 135, 200
IPV6_HDRINCL, ICMP6_FILTER, NO_NEXT_HEADER = 36, 1, 59
WAIT_S, LISTEN_S = 2, 20
ROUNDS = 30
WILD = 8
LIBC = ctypes.CDLL(None, use_errno=True)


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Msghdr(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32),
        ("iov", ctypes.POINTER(Iovec)), ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int),
    ]  # fmt: skip


def message(kind, identifier, sequence, data=b"data" * 8):
    return struct.pack(">BBHHH", kind, 0, 0, identifier, sequence) + data


def outcome(call, *args):
    """What a call gives, in words."""
    try:
        return call(*args)
    except OSError as error:
        return errno.errorcode.get(error.errno, error)


def raw(protocol):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, protocol)
    sock.settimeout(WAIT_S)
    return sock


def icmp():
    """Receives Echo Replies alone, as ping does."""
    sock = raw(socket.IPPROTO_ICMPV6)
    words = [0xFFFFFFFF] * 8
    words[ECHO_REPLY >> 5] &= ~(1 << (ECHO_REPLY & 31)) & 0xFFFFFFFF
    sock.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, struct.pack("=8I", *words))
    return sock


def shown(octets):
    """A message but for its checksum, which its sender's address is in."""
    return (octets[:2] + octets[4:]).hex()


def echo_sends(address):
    """Every call that sends, connected and not."""
    with icmp() as sock:
        print("unbound", sock.getsockname()[1], outcome(sock.getpeername))
        for sequence in range(ROUNDS):
            request = message(ECHO_REQUEST, 100, sequence)
            calls = (
                lambda: sock.sendto(request, (address, 0)),
                lambda: sock.sendto(request, (address, socket.IPPROTO_ICMPV6)),
                lambda: sock.sendmsg([request[:1], b"", request[1:5], request[5:]], [], 0,
                                     (address, 0)),
            )  # fmt: skip
            print(sequence, calls[sequence % len(calls)](), end=" ")
            reply, peer = sock.recvfrom(2048)
            print(shown(reply), peer)
        print("wrong port", outcome(sock.sendto, request, (address, 7)))
        print("short", [outcome(sock.sendto, request[:n], (address, 0)) for n in range(8)])


def echo_connected(address):
    """Two identifiers by turns: two flows over one connected socket."""
    with icmp() as sock:
        sock.connect((address, 0))
        print("connected", outcome(sock.getpeername))
        for sequence in range(ROUNDS):
            request = message(ECHO_REQUEST, 200 + sequence % 2, sequence)
            sends = (sock.send, lambda octets: os.write(sock.fileno(), octets),
                     lambda octets: os.writev(sock.fileno(), [octets[:3], octets[3:]]))  # fmt: skip
            print(sequence, sends[sequence % 3](request), shown(sock.recv(2048)))


def echo_receives(address):
    """Every call that receives, with buffers of all sizes."""
    with icmp() as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        for sequence in range(ROUNDS):
            sock.sendto(message(ECHO_REQUEST, 300, sequence), (address, 0))
            if sequence % 2:
                print("peeked", shown(sock.recv(2048, socket.MSG_PEEK)))
            size = (0, 4, 8, 2048)[sequence // 2 % 4]
            control = (0, 20, 512)[sequence % 3]
            flags = socket.MSG_TRUNC if sequence % 5 == 0 else 0
            buffers = [bytearray(min(size, 3)), bytearray(max(size - 3, 0))]
            count, controls, got, peer = sock.recvmsg_into(buffers, control, flags)
            print(sequence, count, shown(b"".join(buffers)), controls, got, peer)


def wild(address):
    """The kernel's EFAULT, wherever the bad pointer is."""
    good = ctypes.create_string_buffer(message(ECHO_REQUEST, 400, 1))
    to = ctypes.create_string_buffer(
        struct.pack("=HHI", socket.AF_INET6, 0, 0) + socket.inet_pton(socket.AF_INET6, address)
        + bytes(4))  # fmt: skip
    with icmp() as sock:
        for base, length in ((WILD, 64), (0, 64)):
            result = LIBC.sendto(sock.fileno(), ctypes.c_void_p(base), ctypes.c_size_t(length), 0,
                                 to, 28)  # fmt: skip
            print("wild", result, errno.errorcode[ctypes.get_errno()])
        for first in (0, 1, 4, 8, 16):
            parts = (Iovec * 2)((ctypes.addressof(good), first), (WILD, 32))
            msg = Msghdr(ctypes.addressof(to), 28, parts, 2, None, 0, 0)
            result = LIBC.sendmsg(sock.fileno(), ctypes.byref(msg), 0)
            print("wild after", first, result, errno.errorcode[ctypes.get_errno()])


def echo(address):
    echo_sends(address)
    echo_connected(address)
    echo_receives(address)
    wild(address)


def header(source, address, protocol, payload):
    return (
        struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64)
        + socket.inet_pton(socket.AF_INET6, source)
        + socket.inet_pton(socket.AF_INET6, address)
        + payload
    )


def alone(source, address):
    with raw(socket.IPPROTO_ICMPV6) as sock:
        for kind in (PRIVATE, UNREACHABLE, NEIGHBOUR_SOLICITATION):
            print("type", kind, sock.sendto(message(kind, 1, 1), (address, 0)))
        sock.connect((address, 0))
        print("type", PRIVATE, sock.send(message(PRIVATE, 1, 1)))
    for level in (socket.IPPROTO_IPV6, 255):
        with raw(socket.IPPROTO_ICMPV6) as sock:
            sock.setsockopt(level, IPV6_HDRINCL, 1)
            packet = header(source, address, socket.IPPROTO_ICMPV6, message(ECHO_REQUEST, 2, 1))
            print("own header", sock.sendto(packet, (address, 0)))
    for protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_SCTP, 136,
                     socket.IPPROTO_DSTOPTS, socket.IPPROTO_ROUTING):  # fmt: skip
        with raw(protocol) as sock:
            print("protocol", protocol, sock.sendto(bytes(40), (address, 0)))
    with raw(socket.IPPROTO_RAW) as sock:
        packet = header(source, address, NO_NEXT_HEADER, b"")
        print("raw", sock.sendto(packet, (address, 0)))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6) as sock:
        sock.settimeout(WAIT_S)
        print("datagram", sock.sendto(message(ECHO_REQUEST, 0, 3), (address, 0)),
              len(sock.recv(2048)))  # fmt: skip


def listen(count):
    seen = 0
    with raw(socket.IPPROTO_ICMPV6) as sock:
        sock.settimeout(LISTEN_S)
        print("ready", flush=True)
        while seen < int(count):
            seen += sock.recv(2048)[0] == ECHO_REQUEST
    print("seen", seen)


if __name__ == "__main__":
    {"echo": echo, "alone": alone, "listen": listen}[sys.argv[1]](*sys.argv[2:])

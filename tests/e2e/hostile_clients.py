# SPDX-License-Identifier: BSD-2-Clause
"""Hostile clients of the agent's socket, which an agent without privileges must outlive; run by
test_agent.sh.

    hostile_clients.py SOCKET

Runs as root: the hostile ones are nobody's. One line per check.
"""
import os
import socket
import sys

HELLO = bytes([1, 1, 0, 0])
NOBODY = 65534
ANSWER_S = 2.0
UNREAD = 700  # with two descriptors each: more than may be under way of a user who may open 1024


def check(name, good, detail=""):
    print("%-4s %s%s" % ("ok" if good else "FAIL", name, ": %s" % detail if detail != "" else ""))


def ask(path, request):
    """A connection that has asked, and not read its answer yet."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(path)
    s.settimeout(ANSWER_S)
    s.send(request)
    return s


def answer(path, request):
    """(octets, descriptors) of the answer; (b"", 0): none."""
    with ask(path, request) as s:
        try:
            data, fds, _, _ = socket.recv_fds(s, 65536, 2)
        except OSError:
            return b"", 0
        for fd in fds:
            os.close(fd)
        return data, len(fds)


def as_nobody(path, what):
    """Runs WHAT in a process of nobody's, which then stays; its end kills it."""
    told, tell = os.pipe()
    wait, end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(end)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        try:
            said = what(path)
        except OSError as e:
            said = (b"error %s" % os.strerror(e.errno).encode(), [])
        os.write(tell, said[0])
        os.read(wait, 1)
        os._exit(0)
    os.close(tell)
    os.close(wait)
    said = os.read(told, 256).decode()
    os.close(told)
    return pid, end, said


def leave(pid, end):
    os.close(end)
    os.waitpid(pid, 0)


def hello_without_reading(path):
    return b"asked", [ask(path, HELLO) for _ in range(UNREAD)]


def unread_hellos(path):
    check("a program is given the segments", answer(path, HELLO)[1] == 2)
    pid, end, said = as_nobody(path, hello_without_reading)
    check("one that reads no answer has asked %d times" % UNREAD, said == "asked", said)
    check("and another user's program is given the segments", answer(path, HELLO)[1] == 2)
    leave(pid, end)
    check("and so is one of the same user's when it is gone", answer_of_nobody(path) == "2")


def answer_of_nobody(path):
    pid, end, said = as_nobody(path, lambda path: (b"%d" % answer(path, HELLO)[1], []))
    leave(pid, end)
    return said


unread_hellos(sys.argv[1])

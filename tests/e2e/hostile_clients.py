# SPDX-License-Identifier: BSD-2-Clause
"""Hostile clients of the agent's socket, which an agent without privileges must outlive; run by
test_agent.sh.

    hostile_clients.py SOCKET PID

Runs as root: the hostile ones are nobody's. One line per check.
"""
import array
import errno
import os
import signal
import socket
import struct
import sys
import time

HELLO = bytes([1, 1, 0, 0])
STATUS = bytes([1, 6, 0, 0])
ASSOCIATIONS = bytes([1, 7, 0, 4, 0, 0, 0, 0])  # from the first on
NOBODY = 65534
SO_PASSRIGHTS = 83  # Linux 6.16
ANSWER_S = 2.0
UNREAD = 700  # with two descriptors each: more than may be under way of a user who may open 1024
LINGER_S = 20
COSTLY, COSTLY_S = 20, 4


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


def costly_requests(path):
    """Whatever is asked often must cost little: it keeps everybody else waiting."""
    began = time.monotonic()
    answered = sum(len(answer(path, ASSOCIATIONS)[0]) > 1000 for _ in range(COSTLY))
    check("%d times all associations" % COSTLY, answered == COSTLY, answered)
    took = time.monotonic() - began
    check("within %d s, of the most slots that may be" % COSTLY_S, took < COSTLY_S, "%.2f s" % took)


def lingering():
    """A TCP socket that takes LINGER_S to close, as what it has sent is never read."""
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("::1", 0))
    listener.listen(1)
    s = socket.create_connection(listener.getsockname()[:2])
    held, _ = listener.accept()
    s.setblocking(False)
    try:
        while True:
            s.send(bytes(65536))
    except BlockingIOError:
        pass
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, LINGER_S))
    return s, [listener, held]


def pass_lingering(path):
    s, others = lingering()
    to_agent = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    to_agent.connect(path)
    try:
        to_agent.sendmsg(
            [STATUS],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))],
        )
    except PermissionError:
        return b"refused", [s, to_agent, others]
    s.setblocking(True)
    s.close()
    return b"passed", [to_agent, others]


def passed_descriptors(path, agent):
    """The last to close a descriptor waits for that, and that can be who discards it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        try:
            s.getsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS)
        except OSError as e:
            assert e.errno == errno.ENOPROTOOPT
            print("--   descriptors passed to the agent: this kernel cannot refuse them")
            return
    os.kill(agent, signal.SIGSTOP)  # until the descriptor is the agent's alone
    pid, end, said = as_nobody(path, pass_lingering)
    os.kill(agent, signal.SIGCONT)
    began = time.monotonic()
    check("who passes a descriptor to the agent is refused", said == "refused", said)
    check("and nobody waits for it to be closed", answer(path, STATUS)[0] != b"")
    check("not even for long", time.monotonic() - began < 1)
    leave(pid, end)


unread_hellos(sys.argv[1])
costly_requests(sys.argv[1])
passed_descriptors(sys.argv[1], int(sys.argv[2]))

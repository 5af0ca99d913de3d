# SPDX-License-Identifier: BSD-2-Clause
"""The torture of the law of nonces. Runs as process 1 of namespaces of its own (see test_nonce.sh).

    drive.py torture DIR LEAST...   everything at once, until each LEAST (name=number) was reached
    drive.py others DIR LEAST...    the same with TCP and raw sockets
    drive.py ledger DIR LEAST...    the same with an agent whose ledger has room for 1, 2, 3 entries
    drive.py stepped DIR WHAT:STRIDE LEAST...
                                    a fork after every so many instructions of a send
    drive.py scene DIR NAME         the one scene in which the mutant NAME must be found out

Environment: PDM_BIN, the agent and pdmctl; PDM_SHIM, the library with the oracle; NONCE_BIN, the
tests' own programs; NONCE_LIMIT, seconds that it may take. Prints what was done and what the oracle
saw. Exit 0: no repeat; 1: the oracle saw one; 2: the test itself did not work.
"""

import itertools
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time

BIN = os.environ["PDM_BIN"]
SHIM = os.environ["PDM_SHIM"]
TOOLS = os.environ["NONCE_BIN"]
LIMIT = float(os.environ.get("NONCE_LIMIT", "60"))
ECHOES = ("7001", "7002", "7003", "7004")
WORKERS = 3
KEY = "shared.key"
DARK = "2001:db8:dead::99"
YEAR = 31_557_600 * 10**9
FATAL = (signal.SIGSEGV, signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE)


class Trouble(Exception):
    """The test itself did not work."""


class World:
    """A directory, the oracle's file, clocks that jump, and every process that was started."""

    def __init__(self, where, records):
        self.dir = where
        self.oracle = f"{where}/oracle"
        self.counters = f"{where}/counters"
        self.clock = f"{where}/clock"
        self.done = {"kills": 0, "restarts_term": 0, "restarts_kill": 0, "clock_jumps": 0}
        self.statuses = {}
        self.tool("check", "create", self.oracle, str(records))
        with open(self.clock, "wb") as f:
            f.write(bytes(24))
        self.run([f"{BIN}/pdmctl", "keygen", f"{where}/{KEY}"])

    def run(self, argv, **more):
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, **more)
        out = child.stdout.read()
        status = self.wait(child)
        return status, out

    def tool(self, name, *args):
        status, out = self.run([f"{TOOLS}/{name}", *args])
        if status != 0:
            raise Trouble(f"{name} {' '.join(args)}: exit {status}")
        return out

    def start(self, argv, **environ):
        env = dict(os.environ, NONCE_CLOCK=self.clock, PDM_ORACLE_FILE=self.oracle, **environ)
        return subprocess.Popen(argv, env=env)

    def program(self, agent, *args):
        """One of torture's roles, under the shim."""
        return self.start(
            [f"{TOOLS}/torture", *args],
            LD_PRELOAD=f"{TOOLS}/world.so {SHIM}",
            PDMV2_AGENT=agent.socket,
        )

    def reap(self, block=False):
        """As process 1 this one inherits every orphan. A program that the shim crashed is a find."""
        while True:
            try:
                pid, status = os.waitpid(-1, 0 if block else os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.statuses[pid] = os.waitstatus_to_exitcode(status)
            if -self.statuses[pid] in FATAL:
                raise Trouble(f"process {pid} died of signal {-self.statuses[pid]}")
            if block:
                return

    def wait(self, child):
        while child.pid not in self.statuses:
            self.reap(block=True)
        child.returncode = self.statuses.pop(child.pid)
        return child.returncode

    def running(self, child):
        self.reap()
        return child.pid not in self.statuses

    def kill(self, child, how=signal.SIGKILL):
        if self.running(child):
            child.send_signal(how)
        return self.wait(child)

    def counts(self):
        lines = self.tool("torture", "counters", self.counters).splitlines()
        counts = {name: int(number) for name, number in map(str.split, lines)}
        counts["seals"] = int(self.tool("check", "count", self.oracle))
        with open(self.clock, "rb") as f:
            counts["clock_asked"] = struct.unpack("=3q", f.read())[2]
        counts["generations"] = self.generation()
        return {**counts, **self.done}

    def generation(self):
        with open(f"{self.dir}/{KEY}.gen", encoding="ascii") as f:
            return int(f.read())

    def jump(self):
        """Realtime anywhere within ten years, monotonic a little ahead, as after a suspend."""
        with open(self.clock, "r+b") as f:
            _, monotonic, _ = struct.unpack("=3q", f.read())
            f.seek(0)
            f.write(struct.pack("=q", random.randint(-10 * YEAR, 10 * YEAR)))
            f.write(struct.pack("=q", monotonic + random.randint(0, 10**9)))
        self.done["clock_jumps"] += 1

    def verify(self):
        status, out = self.run([f"{TOOLS}/check", "verify", self.oracle])
        print(out, end="", flush=True)
        if status not in (0, 1):
            raise Trouble("the oracle's file cannot be judged")
        return status


class Agent:
    """A key agent with a directory of its own; the key is the world's."""

    def __init__(self, world, name, ledger, **environ):
        self.world, self.environ = world, environ
        self.dir = f"{world.dir}/{name}"
        self.socket = f"{self.dir}/agent.sock"
        os.makedirs(f"{self.dir}/state", mode=0o700)
        with open(f"{self.dir}/conf", "w", encoding="ascii") as f:
            f.write(
                f"[agent]\nsocket = {self.socket}\nstate = {self.dir}/state\n"
                f"request_budget_us = 50000\nshare = 100\nrequests_per_client = 0\n"
                f"max_ledger = {ledger}\n"
                f"[association host]\npeer = ::1\nlocal = ::1\nkey = ../{KEY}\nlifetime = 0\npath = trust\n"
                f"[association dark]\npeer = {DARK}\nkey = ../{KEY}\nlifetime = 0\npath = trust\n"
            )
        self.begin()

    def begin(self):
        log = open(f"{self.dir}/log", "ab")
        env = {"LD_PRELOAD": f"{TOOLS}/world.so", "NONCE_CLOCK": self.world.clock, **self.environ}
        argv = [f"{BIN}/pdmkeyagent", "-c", f"{self.dir}/conf"]
        with log:
            self.child = subprocess.Popen(argv, env=dict(os.environ, **env), stderr=log)

    def up(self):
        """Answers: a killed agent's socket is still there."""
        end = time.monotonic() + 5
        argv = [f"{BIN}/pdmctl", "-s", self.socket, "status"]
        while self.world.run(argv, stderr=subprocess.DEVNULL)[0] != 0:
            if time.monotonic() > end or not self.world.running(self.child):
                with open(f"{self.dir}/log", encoding="utf-8") as f:
                    raise Trouble(f"no agent:\n{f.read()[-2000:]}")
            time.sleep(0.02)

    def restart(self, how):
        status = self.world.kill(self.child, how)
        if status not in (0, -how):
            raise Trouble(f"agent: exit {status}")
        self.world.done["restarts_kill" if how == signal.SIGKILL else "restarts_term"] += 1
        self.begin()

    def crash_machine(self):
        """What the disk holds after power failed: see world.c."""
        self.world.kill(self.child)
        before = f"{self.world.dir}/{KEY}.gen.before"
        if os.path.exists(before):
            os.replace(before, before.removesuffix(".before"))
        self.begin()


class Crowd:
    """Workers, each under an agent of its own choosing, and the echo that they talk to."""

    def __init__(self, world, agents, roles=("work",)):
        self.world, self.agents, self.roles = world, agents, roles
        self.echo = [self.new_echo(i) for i in range(2)]
        self.workers = [self.new_worker(slot) for slot in range(WORKERS)]

    def new_echo(self, i):
        return self.world.program(random.choice(self.agents), "echo", *ECHOES[2 * i : 2 * i + 2])

    def new_worker(self, slot):
        agent = random.choice(self.agents)
        role = self.roles[slot % len(self.roles)]
        args = (role, self.world.counters, str(slot), DARK, *ECHOES)
        return self.world.program(agent, *args)

    def check(self):
        """Nobody here ends by himself."""
        for child in self.workers + self.echo:
            if not self.world.running(child):
                raise Trouble(f"a program ended: exit {self.world.wait(child)}")

    def kill_one(self):
        self.check()
        self.world.done["kills"] += 1
        if random.random() < 0.05:
            i = random.randrange(len(self.echo))
            self.world.kill(self.echo[i])
            self.echo[i] = self.new_echo(i)
            return
        slot = random.randrange(WORKERS)
        self.world.kill(self.workers[slot])
        self.workers[slot] = self.new_worker(slot)

    def end(self):
        for child in self.workers + self.echo:
            self.world.kill(child)


def least_of(args):
    return {name: int(number) for name, number in (a.split("=") for a in args)}


def report(counts, least):
    for name, number in counts.items():
        need = f" (at least {least[name]})" if name in least else ""
        print(f"{name} {number}{need}")
    short = [name for name, number in least.items() if counts[name] < number]
    if short:
        raise Trouble(f"too few within {LIMIT:.0f} s: {', '.join(short)}")


def torment(world, crowd, least, restart_every, kill_every):
    """Kills, restarts and jumps until there were enough of everything."""
    end = time.monotonic() + LIMIT
    ways = itertools.cycle((signal.SIGTERM, signal.SIGKILL))
    restart_at = look_at = time.monotonic() + restart_every
    while time.monotonic() < end:
        time.sleep(random.uniform(0, 2 * kill_every))
        crowd.kill_one()
        world.jump()
        if time.monotonic() >= restart_at:
            random.choice(crowd.agents).restart(next(ways))
            restart_at += restart_every
        if time.monotonic() >= look_at:
            look_at += 1
            counts = world.counts()
            if all(counts[name] >= number for name, number in least.items()):
                break
    crowd.end()
    report(world.counts(), least)
    return world.verify()


def torture(where, args, roles=("work",), kill_every=0.12):
    least = least_of(args)
    world = World(where, 3 * least["seals"] + 10**6)
    agents = [Agent(world, name, 65536) for name in ("one", "two")]
    for agent in agents:
        agent.up()
    return torment(world, Crowd(world, agents, roles), least, 1.4, kill_every)


def others(where, args):
    return torture(where, args, roles=("turns", "turns", "pings"), kill_every=0.4)


def ledger(where, args):
    least = least_of(args)
    world = World(where, 10**7)
    agents = [Agent(world, f"ledger{n}", n) for n in (1, 2, 3)]
    for agent in agents:
        agent.up()
    return torment(world, Crowd(world, agents), least, 1.4, 0.3)


class Scene:
    """One agent, one echo, bursts one after the other."""

    def __init__(self, where, entries=1024, **environ):
        self.world = World(where, 10**6)
        self.agent = Agent(self.world, "agent", entries, **environ)
        self.echo = None
        self.begin()

    def begin(self):
        """With an echo that listens, or what comes too early is refused and teaches nothing."""
        self.agent.up()
        if self.echo is not None:
            self.world.kill(self.echo)
        self.echo = self.world.program(self.agent, "echo", *ECHOES)
        end = time.monotonic() + 5
        last = f":{int(ECHOES[-1]):04X} "
        while True:
            with open("/proc/net/udp6", encoding="ascii") as f:
                if last in f.read():
                    return
            if time.monotonic() > end:
                raise Trouble("no echo")
            time.sleep(0.01)

    def burst(self, port, count, *how, role="burst"):
        args = (role, self.world.counters, str(port), ECHOES[0], str(count), *how)
        child = self.world.program(self.agent, *args)
        if self.world.wait(child) != 0:
            raise Trouble("a burst failed")

    def judge(self, least):
        self.world.kill(self.echo)
        self.world.kill(self.agent.child)
        seals = self.world.counts()["seals"]
        if seals < least:
            raise Trouble(f"{seals} seals; at least {least} were to be")
        return self.world.verify()


def step(scene, port, what, stride):
    """A fork after every STRIDE instructions of a send; see torture.c."""
    role = ("stepped", scene.world.counters, str(port), ECHOES[0], str(stride), what)
    if scene.world.wait(scene.world.program(scene.agent, *role)) != 0:
        raise Trouble(f"{what} was not stepped through")


def stepped(where, args):
    s = Scene(where, entries=65536)
    what, stride = args[0].split(":")
    step(s, 5000, what, stride)
    report(s.world.counts(), least_of(args[1:]))
    return s.judge(1)


def generation_at_start(where):
    s = Scene(where)
    s.burst(5000, 2000)
    s.agent.restart(signal.SIGTERM)
    s.begin()
    s.burst(5000, 2000)
    return s.judge(4000)


def generation_on_empty(where):
    s = Scene(where, entries=2)
    for _ in range(3):
        s.burst(5000, 2000)
        s.burst(5001, 2000)
        s.burst(5002, 2000)
    return s.judge(4000)


def fork_unnoticed(where):
    s = Scene(where)
    s.burst(5000, 1000, "fork")
    s.burst(5001, 1000, "clone")
    return s.judge(2000)


def hand_back(where):
    s = Scene(where)
    s.burst(5000, 1000, "failure")
    return s.judge(1000)


def hand_back_withheld(where):
    s = Scene(where)
    s.burst(5000, 200, "failure", role="asked")
    return s.judge(20)


KRI = 32767  # options under one
MOST = 25000  # of them: whoever seals a few under the same one must meet some of these


def hand_back_lease(where):
    s = Scene(where)
    s.burst(5000, KRI + MOST)  # ends in the first of a lease of two
    s.burst(5000, 2000)
    return s.judge(KRI + MOST)


def overlap(where):
    s = Scene(where)
    s.burst(5000, 2 * KRI + MOST)  # ends in the second of a lease of two
    s.burst(5000, 2000)
    return s.judge(2 * KRI + MOST)


def lock_lost_in_fork(where):
    s = Scene(where, entries=65536)
    step(s, 5000, "next", 67)
    return s.judge(2 * KRI)


def grant_before_durable(where):
    s = Scene(where, NONCE_CRASH="1")
    s.burst(5000, 2000)
    s.agent.crash_machine()
    s.begin()
    s.burst(5000, 2000)
    return s.judge(4000)


SCENES = {
    f.__name__: f
    for f in (
        generation_at_start,
        generation_on_empty,
        fork_unnoticed,
        hand_back,
        hand_back_withheld,
        hand_back_lease,
        overlap,
        lock_lost_in_fork,
        grant_before_durable,
    )
}


def main():
    what, where, *args = sys.argv[1:]
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where, mode=0o700)
    try:
        if what == "torture":
            return torture(where, args)
        if what == "others":
            return others(where, args)
        if what == "stepped":
            return stepped(where, args)
        if what == "ledger":
            return ledger(where, args)
        return SCENES[args[0]](where)
    except Trouble as trouble:
        print(f"drive.py: {trouble}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

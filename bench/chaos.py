#!/usr/bin/env python3
"""Gateways on a cluster of Valkey 9 to which something happens at random, again and again, under load.

    cargo test --workspace --no-run                   # the gateway and the test servers
    e2e/requirements.txt and e2e/valkey.txt in a virtual environment, with valkey-server on the PATH
    python bench/chaos.py [--minutes 30] [--gateways 3] [--outage local] [--seed 7]

Primaries are killed, paused for a moment or until they are replaced, and restarted. Slots move, atomically and key by key.
Connections are killed, clocks are set, and a gateway is restarted. Callers spend their quotas all the time, so each of them has
spent everything before an event. Each event is judged alone, from its beginning until all has been well again for some seconds:

* Callers with accounts on other nodes get what their accounts earn meanwhile, and no 503.
* Callers of the affected node get no more either, if slots only move or connections are lost. They get one burst and twice the
  rate if the node is silent for a while. They get one burst more if a replica takes over, which may lack the last writes.

The exit code is 1 if any caller got more.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import random
import re
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "e2e"))
for name, file in ("SLUICEGATE_BIN", "sluicegate"), ("TEST_SERVERS_BIN", "sluicegate-test-servers"):
    os.environ.setdefault(name, str(ROOT / "target/debug" / file))

from crowd import Crowd  # noqa: E402
from gateway import Gateway  # noqa: E402
from model import Model  # noqa: E402
from server import until  # noqa: E402
from stores import Stores  # noqa: E402

POLICY = """
[store]
url = "{url}"
timeout = "{timeout}"
outage = "{outage}"
replicas = {gateways}
keys = "readable"

[[route]]
path = "/models/limited"
limits = [{{ name = "limited", quota = "{burst}/hour", key = "header:x-client" }}]
"""
BURST = 30
PER_SECOND = BURST / 3600
NODE_TIMEOUT = 5  # seconds
SETTLE = 3  # seconds in which nothing may fail any more


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        events = EVENTS + CLOCKS if options.clocks else EVENTS
        chaos = Chaos(pathlib.Path(folder), options, running)
        ends = time.monotonic() + options.minutes * 60
        with chaos.crowd:
            chaos.crowd.until_all_are_denied(timeout=300)
            while time.monotonic() < ends:
                for happens in options.random.sample(events, len(events)):
                    chaos.event(happens)
        return chaos.judge()


class Chaos:
    def __init__(self, folder, options, running):
        self.random, self.outage, self.wrong = options.random, options.outage, []
        self.seen = collections.defaultdict(list)
        model = Model(folder)
        running.callback(model.stop)
        # A node that is restarted has everything: only a replica that takes over may have less.
        clock = ["own_clock"] if options.clocks else []
        self.cluster = Stores(
            "cluster", "program=valkey-server", f"node_timeout={NODE_TIMEOUT * 1000}", "line=appendonly yes", *clock
        )
        running.callback(self.cluster.stop)
        values = {"url": self.cluster.url, "outage": options.outage, "timeout": options.timeout, "gateways": options.gateways}
        self.gateways = []
        for number in range(options.gateways):
            place = folder / str(number)
            place.mkdir()
            self.gateways.append(Gateway(place, model.url, POLICY.format(burst=BURST, **values)))
            running.callback(self.gateways[-1].stop)
        self.crowd = Crowd(self.gateways, callers=options.callers, reconnects=True)

    def event(self, happens):
        """Lets something happen to a primary, waits until all is well again, and judges what everybody got."""
        primary = self.random.choice(self.primaries())
        apart = self.callers_on(primary)
        since, asked = time.monotonic(), len(self.crowd.answers)
        bursts = happens(self, primary)
        until(lambda: all(gateway.store_is_up() for gateway in self.gateways), "the store is up for all", timeout=120)
        settled = time.monotonic() + SETTLE
        until(lambda: time.monotonic() >= settled, "all is well for a while")
        self.crowd.asks_on(len(self.crowd.callers))
        answers, seconds = self.crowd.answers[asked:], time.monotonic() - since
        others = set(self.crowd.callers) - apart
        earned = PER_SECOND * seconds + 1
        row = [self.look(happens, answers, others, earned, {200, 429})]
        denies = self.outage == "deny" and bursts > 0
        bound = earned + BURST * (bursts - 1) if denies else earned * (1 + (bursts > 0)) + BURST * bursts
        row.append(self.look(happens, answers, apart, bound, {200, 429, 503} if denies else {200, 429}))
        self.seen[happens.__name__].append(row)
        print(f"{happens.__name__:>26} {seconds:6.1f} s  others at most {row[0][0]}, p99 {row[0][1]:.0f} ms; apart at most {row[1][0]} of {row[1][2]:.0f}", flush=True)

    def look(self, happens, answers, callers, bound, statuses):
        """The most that one of these callers got, the slowest hundredth of their answers in ms, and the bound."""
        passed, others, slow = collections.Counter(), collections.Counter(), []
        for answer in answers:
            if answer.caller in callers:
                passed[answer.caller] += answer.status == 200
                others[answer.status] += answer.status not in statuses
                slow.append(answer.seconds)
        most = max(passed.values(), default=0)
        if most > bound:
            self.wrong.append(f"{happens.__name__}: {most} of {bound:.1f}")
        self.wrong += [f"{happens.__name__}: {count} answers {status}" for status, count in others.items() if count]
        return most, sorted(slow)[len(slow) * 99 // 100] * 1000 if slow else 0, bound

    def primaries(self):
        """The numbers of the nodes that have slots."""
        return [node for node in range(6) if self.cluster.command("ROLE", server=node).startswith("master") and self.slots(node)]

    def slots(self, node, of="myself"):
        """The first range of slots of a node, if it has some, or of another as this node sees it."""
        mine = next(line for line in self.cluster.command("CLUSTER", "NODES", server=node).splitlines() if of in line)
        ranges = [word for word in mine.split()[8:] if not word.startswith("[")]
        if not ranges:
            return None
        first, _, last = ranges[0].partition("-")
        return int(first), int(last or first)

    def callers_on(self, node):
        return set(re.findall(r"caller-\d+", self.cluster.command("KEYS", "*", server=node)))

    def judge(self) -> int:
        print(f"\n{'event':>26}  {'times':>5}  {'others':>6}  {'p99, ms':>7}  {'apart':>6}")
        for name, rows in sorted(self.seen.items()):
            others, apart = [row[0] for row in rows], [row[1] for row in rows]
            print(f"{name:>26}  {len(rows):>5}  {max(row[0] for row in others):>6}  {max(row[1] for row in others):>7.0f}  {max(row[0] for row in apart):>6}")
        outages = sum(gateway.metric("sluicegate_store_outages_total") for gateway in self.gateways)
        print(f"{len(self.crowd.answers)} requests, {outages:.0f} outages; at most {max(self.crowd.passed().values())} for one caller")
        for wrong in self.wrong:
            print(f"WRONG: {wrong}")
        return 1 if self.wrong else 0

    def wait(self, seconds):
        over = time.monotonic() + seconds
        until(lambda: time.monotonic() >= over, "the time is over")


# Each returns how many bursts callers of the node may get: one from the gateways' memory while it does not answer, and
# one where its accounts may have been forgotten.


def nothing(chaos, primary):
    chaos.wait(chaos.random.uniform(1, 5))
    return 0


def a_pause(chaos, primary):
    chaos.cluster.pause(primary)
    chaos.wait(chaos.random.uniform(0.05, NODE_TIMEOUT / 2))
    chaos.cluster.resume(primary)
    return 1


def stalls(chaos, primary):
    for _ in range(chaos.random.randint(2, 6)):
        chaos.cluster.pause(primary)
        chaos.wait(chaos.random.uniform(0.05, 0.4))
        chaos.cluster.resume(primary)
        chaos.wait(chaos.random.uniform(0.1, 1))
    return 1


def a_pause_until_it_is_replaced(chaos, primary):
    return replace(chaos, primary, chaos.cluster.pause, chaos.cluster.resume)


def a_kill_until_it_is_replaced(chaos, primary):
    return replace(chaos, primary, chaos.cluster.kill, chaos.cluster.restart)


def replace(chaos, primary, stop, start):
    """Replicas whose clocks were set may never ask for votes. The node has then only been silent."""
    identity = chaos.cluster.command("CLUSTER", "MYID", server=primary)
    others = [node for node in range(6) if node != primary]
    stop(primary)
    try:
        until(lambda: not any(chaos.slots(node, identity) for node in others), "a replica takes over", timeout=60)
    except AssertionError as error:
        print(error)
        start(primary)
        return 1
    start(primary)
    until(lambda: chaos.cluster.command("ROLE", server=primary).startswith("slave"), "it is a replica", timeout=60)
    return 2


def a_restart(chaos, primary):
    chaos.cluster.restart(primary)
    return 1


def connections_are_killed(chaos, primary):
    chaos.cluster.command("CLIENT", "KILL", "TYPE", "normal", server=primary)
    return 0


def slots_move_atomically(chaos, primary):
    return migrate(chaos, primary, "migrate_atomically", 2000)


def slots_move_key_by_key(chaos, primary):
    return migrate(chaos, primary, "migrate", 100)


def migrate(chaos, primary, how, most):
    first, last = chaos.slots(primary)
    others = [node for node in chaos.primaries() if node != primary]
    # One stays: a primary without slots becomes a replica.
    last = min(first + most, last) - 1
    if others and last >= first:
        chaos.cluster.ask(how, first, last, chaos.random.choice(others))
    return 0


def a_clock_is_set_back(chaos, primary):
    return set_clock(chaos, primary, -30)


def a_clock_is_set_ahead(chaos, primary):
    return set_clock(chaos, primary, 30)


def set_clock(chaos, primary, ahead):
    """Nodes that are suddenly apart may take each other for silent, so a burst of memory is in order."""
    chaos.cluster.ask("clock", primary, ahead)
    chaos.wait(3)
    chaos.cluster.ask("clock", primary, 0)
    return 1


def a_gateway_is_restarted(chaos, primary):
    gateway = chaos.random.choice(chaos.gateways)
    gateway.stop()
    gateway.start()
    return 0


EVENTS = [
    nothing,
    a_pause,
    stalls,
    a_pause_until_it_is_replaced,
    a_kill_until_it_is_replaced,
    a_restart,
    connections_are_killed,
    slots_move_atomically,
    slots_move_key_by_key,
    a_gateway_is_restarted,
]


CLOCKS = [a_clock_is_set_back, a_clock_is_set_ahead]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--gateways", type=int, default=3)
    parser.add_argument("--callers", type=int, default=90)
    parser.add_argument("--outage", choices=["local", "deny"], default="local")
    parser.add_argument("--timeout", default="250ms", help="the store's")
    parser.add_argument("--clocks", action="store_true", help="set the clocks of nodes, too; needs libfaketime")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    options.random = random.Random(options.seed)
    print(f"seed {options.seed}")
    return options


if __name__ == "__main__":
    sys.exit(main())

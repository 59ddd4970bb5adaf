"""Processes that fork: parent and child both decide, on one account, and both end."""

import subprocess
import sys

import pytest

from sluicegate import Limiter

PATIENT = {"store": {"timeout": "1s"}}

# What all scripts begin with; the limiter is there before the fork.
PROLOGUE = """
import asyncio, multiprocessing, os, sys
from sluicegate import Limiter

limiter = Limiter(sys.argv[1], {"store": {"timeout": "1s"}})

def take(times, key="alice"):
    return sum(bool(limiter.take(key, "30/hour")) for _ in range(times))

async def crowd(times, key="alice"):
    return sum(map(bool, await asyncio.gather(*[limiter.take_async(key, "30/hour") for _ in range(times)])))

def report(passed):
    os.write(1, f"{passed}\\n".encode())

def forked(child):
    pid = os.fork()
    if pid == 0:
        child()
        # As programs end: the interpreter is shut down, and what it holds is dropped.
        sys.exit(0)
    return pid

def reap(pid):
    assert os.waitpid(pid, 0)[1] == 0
"""

SCRIPTS = {
    "before it was used": """
pid = forked(lambda: report(take(20)))
report(take(20))
reap(pid)
""",
    "after it was used": """
report(take(5))
pid = forked(lambda: report(take(20)))
report(take(20))
reap(pid)
""",
    "by loops on both sides": """
report(asyncio.run(crowd(5)))
pid = forked(lambda: report(asyncio.run(crowd(20))))
report(asyncio.run(crowd(20)))
reap(pid)
""",
    "by children of children": """
report(take(5))

def child():
    report(take(10))
    reap(forked(lambda: report(take(20))))

reap(forked(child))
report(take(20))
""",
    "by a child that never uses it": """
report(take(25))
reap(forked(lambda: None))
report(take(25))
""",
    "by four workers at once": """
pids = [forked(lambda: report(asyncio.run(crowd(20)))) for _ in range(4)]
for pid in pids:
    reap(pid)
""",
    "by a pool of processes": """
take(0)
with multiprocessing.get_context("fork").Pool(4) as pool:
    report(sum(pool.map(take, [10] * 8)))
""",
}


def run(script, *arguments):
    """The report of a script. It has half a minute to end, and so have its children."""
    outcome = subprocess.run(
        [sys.executable, "-c", PROLOGUE + script, *arguments], capture_output=True, text=True, timeout=30
    )
    assert outcome.returncode == 0, outcome.stderr
    assert not outcome.stderr, outcome.stderr
    return [int(line) for line in outcome.stdout.split()]


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_limiter_that_is_forked_gets_exactly_the_quota(script, arrange):
    assert sum(run(script, arrange("redis").url)) == 30


def test_a_child_does_not_disturb_its_parents_connection(arrange):
    script = """
report(take(5))
for _ in range(10):
    reap(forked(lambda: take(1, "child")))
    report(take(1))
"""
    assert run(script, arrange("redis").url) == [5] + [1] * 10


def test_a_child_drops_a_parents_limiter_without_waiting_for_it(arrange):
    script = """
import gc
take(1)

def child():
    global limiter
    del limiter
    gc.collect()

reap(forked(child))
report(take(3))
"""
    assert run(script, arrange("redis").url) == [3]


def test_a_child_that_ends_does_not_give_back_its_parents_slots(arrange):
    script = """
permit = limiter.take("slots", "1 concurrent")
reap(forked(lambda: None))
report(int(bool(limiter.take("slots", "1 concurrent"))))
permit.release()
"""
    assert run(script, arrange("redis").url) == [0]


def test_a_limiter_in_memory_is_copied():
    script = """
take(10)
reap(forked(lambda: report(take(30))))
report(take(30))
"""
    assert run(script, "memory://") == [20, 20]


def test_a_fork_while_another_thread_takes_ends_well(arrange):
    script = """
import threading
done = threading.Event()

def spend():
    while not done.is_set():
        take(1, "busy")

threads = [threading.Thread(target=spend) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(10):
    reap(forked(lambda: take(1, "child")))
done.set()
for thread in threads:
    thread.join()
report(take(30))
"""
    assert run(script, arrange("redis").url) == [30]


def test_processes_of_their_own_share_the_account(arrange):
    redis = arrange("redis")
    script = "report(asyncio.run(crowd(20)))"
    processes = [
        subprocess.Popen([sys.executable, "-c", PROLOGUE + script, redis.url], stdout=subprocess.PIPE) for _ in range(4)
    ]
    passed = [int(process.communicate(timeout=30)[0]) for process in processes]
    assert sum(passed) == 30
    assert not Limiter(redis.url, PATIENT).take("alice", "30/hour")

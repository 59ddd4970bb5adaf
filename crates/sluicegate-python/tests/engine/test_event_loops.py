"""Event loops: of asyncio and of uvloop, one after the other, by turns, in several threads, and closed with work left."""

import asyncio
import gc
import os
import threading
import time
import weakref

import pytest
import uvloop

from sluicegate import Limiter, StoreError

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS.values(), ids=LOOPS)
def new_loop(request):
    return request.param


async def crowd(limiter, key, quota, size):
    """The number of admissions among this many concurrent takes."""
    return sum(map(bool, await asyncio.gather(*[limiter.take_async(key, quota) for _ in range(size)])))


def run(loop, coroutine):
    try:
        return loop.run_until_complete(asyncio.wait_for(coroutine, 30))
    finally:
        loop.close()


def is_freed(left, limiter):
    """Returns True once nothing keeps a loop. The store's thread wakes a loop before it lets go of it, and each question gives it time."""
    deadline = time.monotonic() + 20
    while left() is not None and time.monotonic() < deadline:
        limiter.check()
        gc.collect()
    return left() is None


def test_a_crowd_in_a_loop_gets_exactly_the_quota(new_loop, limiter):
    assert run(new_loop(), crowd(limiter, "alice", "20/hour", 200)) == 20


def test_loops_one_after_the_other_share_a_limiter(new_loop, shared):
    passed = [run(new_loop(), crowd(shared, "alice", "25/hour", 10)) for _ in range(3)]
    assert passed == [10, 10, 5]


def test_loops_that_take_turns_in_a_thread_share_a_limiter(shared):
    loops = [asyncio.new_event_loop(), uvloop.new_event_loop(), asyncio.new_event_loop()]
    passed = [
        loops[turn % 3].run_until_complete(asyncio.wait_for(crowd(shared, "alice", "25/hour", 5), 30))
        for turn in range(9)
    ]
    for loop in loops:
        loop.close()
    assert passed == [5] * 5 + [0] * 4


def test_a_take_that_one_loop_began_is_done_when_that_loop_runs_again(shared):
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()

    async def begin():
        return shared.take_async("alice", "2/hour")

    begun = first.run_until_complete(begin())
    assert second.run_until_complete(asyncio.wait_for(crowd(shared, "bob", "2/hour", 3), 30)) == 2
    assert first.run_until_complete(asyncio.wait_for(begun, 30))
    first.close()
    second.close()


def test_loops_in_several_threads_get_exactly_the_quota_together(new_loop, shared):
    passed = []

    def serve():
        passed.append(run(new_loop(), crowd(shared, "alice", "50/hour", 50)))

    threads = [threading.Thread(target=serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(passed) == 4
    assert sum(passed) == 50


def test_a_loop_that_closes_with_takes_under_way_harms_nobody(new_loop, shared):
    async def leave():
        return [shared.take_async("left", "1 concurrent") for _ in range(20)]

    loop = new_loop()
    left = loop.run_until_complete(leave())
    loop.close()
    del left, loop
    gc.collect()

    assert run(new_loop(), crowd(shared, "alice", "20/hour", 50)) == 20


def test_what_arrives_for_a_loop_that_is_closed_gives_back_its_slot(arrange, new_loop):
    redis = arrange("redis")
    limiter = Limiter(redis.url, {"store": {"timeout": "1s"}})
    limiter.check()

    async def leave():
        limiter.take_async("alice", "1 concurrent")

    async def free():
        while not (permit := await limiter.take_async("alice", "1 concurrent")):
            await asyncio.sleep(0.01)
        permit.release()

    redis.pause()
    loop = new_loop()
    loop.run_until_complete(leave())
    loop.close()
    left = weakref.ref(loop)
    del loop
    redis.resume()
    # The answer comes before that to a later question.
    limiter.check()

    run(new_loop(), free())
    assert is_freed(left, limiter)


def test_a_loop_that_is_closed_is_not_kept(new_loop, shared):
    loop = new_loop()
    run(loop, crowd(shared, "alice", "20/hour", 5))
    left = weakref.ref(loop)
    del loop
    assert is_freed(left, shared)


def test_loops_that_are_gone_leave_no_files_open(new_loop, shared):
    def files():
        return len(os.listdir("/proc/self/fd"))

    for _ in range(3):
        run(new_loop(), crowd(shared, "warm", "20/hour", 5))
    gc.collect()
    before = files()
    for _ in range(50):
        run(new_loop(), crowd(shared, "alice", "20/hour", 5))
    gc.collect()
    assert files() <= before + 2


def test_many_waiting_takes_are_all_answered(new_loop, shared):
    async def flood():
        # No more than a busy machine serves before the store's timeout, after which its memory would decide.
        takes = [shared.take_async(f"caller-{number % 100}", "10/hour") for number in range(2_000)]
        return sum(map(bool, await asyncio.gather(*takes)))

    assert run(new_loop(), flood()) == 1_000


def test_without_a_loop_an_async_take_of_a_store_elsewhere_is_an_error(shared):
    with pytest.raises(RuntimeError, match="no running event loop"):
        shared.take_async("alice", "1/hour")


def test_every_async_call_works_in_a_loop(new_loop, limiter):
    async def calls():
        permit = await limiter.take_async("alice", "100 tokens/hour", 80)
        await permit.settle_async(10)
        assert (await limiter.peek_async("alice", "100 tokens/hour")).remaining == 90
        await limiter.reset_async("alice", "100 tokens/hour")
        assert (await limiter.peek_async("alice", "100 tokens/hour")).remaining == 100
        await limiter.clear_async()
        await limiter.check_async()
        async with await limiter.take_async("alice", "1 concurrent") as permit:
            return bool(permit)

    assert run(new_loop(), calls()) is True


def test_an_error_of_the_store_is_raised_where_it_is_awaited(new_loop):
    limiter = Limiter("redis://127.0.0.1:1", {"store": {"outage": "deny"}})

    async def take():
        with pytest.raises(StoreError, match="127.0.0.1:1"):
            await limiter.take_async("alice", "1/hour")
        with pytest.raises(StoreError):
            await limiter.check_async()
        return "told"

    assert run(new_loop(), take()) == "told"

"""Takes whose caller goes away give back the slots that they took."""

import asyncio
import gc

import pytest
import uvloop

from sluicegate import Limiter


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine in a loop of its own, within a quarter of a minute."""

    def run(coroutine):
        loop = request.param()
        try:
            return loop.run_until_complete(asyncio.wait_for(coroutine, 15))
        finally:
            loop.close()

    return run


async def all_free(limiter, keys, quota="1 concurrent"):
    """Waits until each key has its slot again."""
    for key in keys:
        while True:
            if permit := await limiter.take_async(key, quota):
                permit.release()
                break
            # A traceback of a task that was cancelled may keep its frame, and so its permit.
            gc.collect()
            await asyncio.sleep(0.01)


async def taken(limiter, key, holding=()):
    permit = await limiter.take_async(key, "1 concurrent")
    for event in holding:
        event.set()
    await asyncio.sleep(60)
    return permit


def test_a_take_that_is_cancelled_before_its_answer_keeps_no_slot(limiter, run):
    keys = [f"caller-{number}" for number in range(50)]

    async def cancel():
        takes = [asyncio.ensure_future(limiter.take_async(key, "1 concurrent")) for key in keys]
        for take in takes:
            take.cancel()
        outcomes = await asyncio.gather(*takes, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)

    async def cancel_and_take():
        await cancel()
        await all_free(limiter, keys)

    run(cancel_and_take())


def test_a_task_that_is_cancelled_while_it_holds_a_permit_gives_it_back(limiter, run):
    keys = [f"caller-{number}" for number in range(20)]

    async def cancel():
        holding = [asyncio.Event() for _ in keys]
        tasks = [asyncio.create_task(taken(limiter, key, [event])) for key, event in zip(keys, holding)]
        await asyncio.gather(*[event.wait() for event in holding])
        assert not any([await limiter.take_async(key, "1 concurrent") for key in keys])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def cancel_and_take():
        await cancel()
        await all_free(limiter, keys)

    run(cancel_and_take())


def test_tasks_that_are_cancelled_at_any_moment_keep_no_slots(limiter, run):
    keys = [f"caller-{number}" for number in range(20)]

    async def cancel():
        for turns in range(30):
            tasks = [asyncio.create_task(taken(limiter, key)) for key in keys]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def cancel_and_take():
        await cancel()
        await all_free(limiter, keys)

    run(cancel_and_take())


def test_a_timeout_around_a_take_keeps_no_slot(arrange, run):
    redis = arrange("redis")
    limiter = Limiter(redis.url, {"store": {"timeout": "1s"}})
    limiter.check()

    async def give_up():
        redis.pause()
        try:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(limiter.take_async("alice", "1 concurrent"), 0.05)
        finally:
            redis.resume()
        await all_free(limiter, ["alice"])

    run(give_up())


def test_what_others_await_is_answered_beside_what_is_cancelled(limiter, run):
    async def mixed():
        takes = [asyncio.ensure_future(limiter.take_async("alice", "1000/hour")) for _ in range(100)]
        for take in takes[::2]:
            take.cancel()
        outcomes = await asyncio.gather(*takes, return_exceptions=True)
        return sum(map(bool, outcomes[1::2]))

    assert run(mixed()) == 50

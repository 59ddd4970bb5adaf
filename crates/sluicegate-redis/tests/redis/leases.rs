//! Slots that are held, by whom and for how long.

use std::{task::Poll, time::Duration};

use sluicegate::{Charge, Decision, Store};
use sluicegate_redis::RedisStore;
use sluicegate_test_servers::RedisServer;

use super::subject::{Running, hourly, patient, slots};

const LEASE: Duration = Duration::from_secs(1);

fn open(server: &RedisServer) -> Running {
    Running::open(patient(&server.url()).prefix("leases").lease(LEASE))
}

async fn is_free(store: &RedisStore, charge: &Charge) -> bool {
    let peek = [charge.clone().cost(0)];
    let balances = store.take(&peek).await.ok().and_then(Decision::allowed);
    balances.is_some_and(|taken| taken.balances[0].remaining == charge.quota.amount())
}

#[test]
fn what_a_crashed_instance_held_comes_back_within_the_lease() {
    let server = RedisServer::start();
    let (crashing, other) = (open(&server), open(&server));
    let gpu = slots("gpu", 100);
    for _ in 0..100 {
        crashing.admit(std::slice::from_ref(&gpu));
    }
    other.deny(std::slice::from_ref(&gpu));
    // Its tasks stop without a word.
    crashing.runtime.shutdown_background();
    other.until("the slots come back", async |store| is_free(store, &gpu).await);
}

#[test]
fn a_holder_that_lives_keeps_its_slot_beyond_the_lease() {
    let server = RedisServer::start();
    let (holder, other) = (open(&server), open(&server));
    let gpu = slots("gpu", 1);
    let taken = holder.admit(std::slice::from_ref(&gpu));
    assert_eq!(holder.store.statistics().live_leases, 1);
    let taken_at = taken.lease.taken_at;
    // Three times as long as a lease.
    other.until("time passes", async |store| {
        let peek = store.take(&[gpu.clone().cost(0), hourly("clock", 1).cost(0)]).await.unwrap();
        let peek = peek.allowed().expect("a peek");
        assert_eq!(peek.balances[0].remaining, 0, "the slot was lost");
        peek.lease.taken_at.since(taken_at) > LEASE * 3
    });
    holder.settle(std::slice::from_ref(&gpu), taken.lease, &[]).unwrap();
    assert_eq!(other.remaining(&gpu), 1);
    assert_eq!(holder.store.statistics().live_leases, 0);
}

#[test]
fn what_redis_forgot_is_held_again() {
    let server = RedisServer::start();
    let store = open(&server);
    let gpu = slots("gpu", 3);
    store.admit(&[gpu.clone().cost(2)]);
    server.command(&["FLUSHALL"]);
    assert_eq!(store.remaining(&gpu), 3);
    store.until("the lease is renewed", async |store| {
        let peek = store.take(&[gpu.clone().cost(0)]).await.unwrap().allowed();
        peek.is_some_and(|taken| taken.balances[0].remaining == 1)
    });
}

#[test]
fn what_was_reset_is_not_held_again_by_whoever_held_it() {
    let server = RedisServer::start();
    let (holder, other) = (open(&server), open(&server));
    let gpu = slots("gpu", 3);
    let held = [gpu.clone().cost(2)];
    let stays = |remaining| {
        let mut since = None;
        // Twice as long as a lease: all who think that they hold slots have renewed them many times.
        other.until("time passes", async |store| {
            let peek = store.take(&[gpu.clone().cost(0), hourly("clock", 1).cost(0)]).await.unwrap();
            let peek = peek.allowed().expect("a peek");
            assert_eq!(peek.balances[0].remaining, remaining);
            peek.lease.taken_at.since(*since.get_or_insert(peek.lease.taken_at)) > LEASE * 2
        });
    };
    let before = holder.admit(&held);
    other.runtime.block_on(other.store.reset(&held)).unwrap();
    stays(3);
    let after = other.admit(&held);
    stays(1);
    other.settle(&held, after.lease, &[]).unwrap();
    stays(3);
    let after = other.admit(&held);
    holder.settle(&held, before.lease, &[]).unwrap();
    assert_eq!(other.remaining(&gpu), 1);
    other.settle(&held, after.lease, &[]).unwrap();
    assert_eq!(other.remaining(&gpu), 3);
}

#[test]
fn what_is_taken_in_the_batch_of_a_reset_is_not_its_former_holders() {
    let server = RedisServer::start();
    let store = open(&server);
    // In which batch a request goes is up to chance.
    for round in 0..50 {
        let gpu = [slots(&format!("gpu {round}"), 3).cost(2)];
        let before = store.admit(&gpu);
        let requests = async {
            // It is on its way while the others are collected.
            let first = [hourly("first", 1_000)];
            let first = store.store.take(&first);
            tokio::join!(first, store.store.reset(&gpu), store.store.take(&gpu))
        };
        let (_, reset, after) = store.runtime.block_on(requests);
        reset.expect("Redis answers");
        let after = after.expect("Redis answers").allowed().expect("all slots are free");
        store.store.release(&gpu, before.lease);
        assert_eq!(store.remaining(&gpu[0]), 1, "in round {round}");
        store.store.release(&gpu, after.lease);
        assert_eq!(store.remaining(&gpu[0]), 3, "in round {round}");
    }
}

#[test]
fn nothing_is_left_of_a_reset_when_nobody_holds_what_it_freed() {
    let server = RedisServer::start();
    let store = open(&server);
    let gpu = [slots("gpu", 3)];
    let before = store.admit(&gpu);
    store.runtime.block_on(store.store.reset(&gpu)).unwrap();
    store.settle(&gpu, before.lease, &[]).unwrap();
    let after = store.admit(&gpu);
    store.settle(&gpu, after.lease, &[]).unwrap();
    // All but the mark of the time.
    store.until("the last key goes", async |_| server.command(&["DBSIZE"]) == "1");
}

#[test]
fn a_take_that_is_answered_too_late_gives_its_slot_back() {
    let server = RedisServer::start();
    let hasty = patient(&server.url()).prefix("leases").timeout(Duration::from_millis(20));
    let (hasty, other) = (Running::open(hasty), open(&server));
    let charges = [slots("gpu", 1), hourly("requests", 9)];
    assert!(hasty.take(&[hourly("warm", 1)]).is_ok());
    server.pause();
    hasty.take(&charges).expect_err("Redis stands still");
    server.resume();
    other.until("the slot is back", async |store| is_free(store, &charges[0]).await);
    // It was done all the same: an answer that comes too late counts as charged.
    assert_eq!(other.remaining(&charges[1]), 8);
}

#[test]
fn a_caller_that_goes_away_leaves_no_slot_behind() {
    let server = RedisServer::start();
    let store = open(&server);
    let gpu = [slots("gpu", 5)];
    store.admit(&[hourly("warm", 1)]);
    for _ in 0..50 {
        store.runtime.block_on(async {
            let mut take = std::pin::pin!(store.store.take(&gpu));
            // Asked, and not waited for.
            futures_util::future::poll_fn(|context| {
                if let Poll::Ready(Ok(Decision::Allow(taken))) = take.as_mut().poll(context) {
                    // Answered before the caller could go away: then the slot is its own to give back.
                    store.store.release(&gpu, taken.lease);
                }
                Poll::Ready(())
            })
            .await;
        });
    }
    store.until("the slots are back", async |store| is_free(store, &gpu[0]).await);
    assert_eq!(store.store.statistics().live_leases, 0);
}

#[test]
fn a_store_that_is_closed_gives_back_what_was_released() {
    let server = RedisServer::start();
    let (closing, other) = (open(&server), open(&server));
    let gpu = slots("gpu", 3);
    let leases: Vec<_> = (0..3).map(|_| closing.admit(std::slice::from_ref(&gpu)).lease).collect();
    for lease in leases {
        closing.store.release(std::slice::from_ref(&gpu), lease);
    }
    let Running { runtime, store } = closing;
    let ended = store.ended();
    drop(store);
    runtime.block_on(ended);
    assert_eq!(other.remaining(&gpu), 3);
}

//! Servers whose clocks are set while they run.

use std::{slice::from_ref, time::Duration};

use sluicegate::{Algorithm, Charge, Decision, Quota, Store};
use sluicegate_redis::RedisStore;
use sluicegate_test_servers::{RedisSentinel, RedisServer};
use tokio::time::Instant;

use super::subject::{Running, patient, slots};

/// A server with a clock of its own, which is the machine's until it is set.
fn server() -> RedisServer {
    RedisServer::builder().own_clock().start()
}

/// Between reading a clock and asking.
const SPARE: Duration = Duration::from_millis(20);
const TIMED: [Algorithm; 4] =
    [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::SlidingLog];

/// A charge on an account of each algorithm: two in three seconds.
fn each(key: &str) -> Vec<Charge> {
    every(key, Duration::from_secs(3))
}

fn every(key: &str, window: Duration) -> Vec<Charge> {
    let quota = |algorithm| Quota::new(2, window).and_then(|quota| quota.with_algorithm(algorithm));
    TIMED.map(|algorithm| Charge::new(key, quota(algorithm).expect("a good window"))).into()
}

fn exhaust(store: &Running, charge: &Charge) -> usize {
    let admitted = |_: &i32| store.take(from_ref(charge)).expect("the store answers").is_allowed();
    (0..20).take_while(admitted).count()
}

fn wait(store: &Running, charge: &Charge) -> Duration {
    store.deny(from_ref(charge)).retry_after().expect("a time to wait")
}

fn sleep(store: &Running, duration: Duration) {
    store.runtime.block_on(async { tokio::time::sleep(duration).await });
}

/// Spends everything, sets the clock in the middle of the wait, and waits for as long as was told before.
fn waits_are_true_though_the_clock_is_set(server: &RedisServer, store: &Running, key: &str, ahead: i64) {
    let charges = each(key);
    assert!(charges.iter().all(|charge| exhaust(store, charge) > 0));
    let (asked, told): (Vec<Instant>, Vec<Duration>) =
        charges.iter().map(|charge| (Instant::now(), wait(store, charge))).unzip();
    server.set_clock(ahead);
    for (charge, told) in charges.iter().zip(&told) {
        assert!(wait(store, charge) <= *told, "{charge:?}, told {told:?}, at {ahead} s");
    }
    for ((charge, asked), told) in charges.iter().zip(asked).zip(told) {
        // Time that passes is counted a little short: a wait is told in whole seconds.
        let told = told + told / 10_000 + SPARE;
        sleep(store, (asked + told).saturating_duration_since(Instant::now()));
        store.admit(from_ref(charge));
    }
}

#[test]
fn nobody_waits_longer_when_the_clock_is_set_back() {
    let server = server();
    let store = Running::at(&server.url());
    for ahead in [-30, -3_600] {
        waits_are_true_though_the_clock_is_set(&server, &store, &format!("{ahead}"), ahead);
    }
}

#[test]
fn a_step_forward_and_back_gives_each_account_once_more() {
    let server = server();
    let store = Running::at(&server.url());
    let charges = every("alice", Duration::from_secs(600));
    for charge in &charges {
        assert_eq!(exhaust(&store, charge), 2, "{charge:?}");
    }
    for (ahead, given) in [(3_600, 2), (0, 0), (3_600, 0), (-3_600, 0), (3_600, 0)] {
        server.set_clock(ahead);
        for charge in &charges {
            assert_eq!(exhaust(&store, charge), given, "{charge:?} at {ahead} s");
        }
    }
    waits_are_true_though_the_clock_is_set(&server, &store, "bob", 0);
}

/// A caller who takes all that he can while the clock is set back and forth gets the quota, the rate, and once what
/// the farthest step gives.
#[test]
fn no_more_is_admitted_than_the_quota_and_the_rate_whatever_the_clock_does() {
    let server = server();
    // Two gateways, in turn.
    let stores = [(); 2].map(|()| Running::open(patient(&server.url()).prefix("shared")));
    let charges = each("alice");
    let began = Instant::now();
    let mut admitted = [0; 4];
    for ahead in [0, -30, 0, -3_600, -30, 0, -3_600, 0] {
        server.set_clock(ahead);
        for store in &stores {
            for (admitted, charge) in admitted.iter_mut().zip(&charges) {
                *admitted += exhaust(store, charge);
            }
        }
    }
    let windows = began.elapsed().as_secs_f64() / 3.0;
    for (admitted, charge) in admitted.into_iter().zip(&charges) {
        // Any algorithm admits two windows' worth in one at most, and one in each that passes.
        let most = 2.0 * (windows.ceil() + 1.0);
        assert!(f64::from(u32::try_from(admitted).expect("a few")) <= most, "{admitted} of {charge:?}");
        assert!(admitted >= 2);
    }
}

#[test]
fn a_replica_whose_clock_is_behind_takes_over_and_nobody_waits_longer() {
    let servers = RedisSentinel::start_as(&RedisServer::builder().own_clock());
    let store = Running::at(&servers.url());
    let charges = every("alice", Duration::from_secs(600));
    charges.iter().for_each(|charge| assert_eq!(exhaust(&store, charge), 2));
    let asked = Instant::now();
    let told: Vec<_> = charges.iter().map(|charge| wait(&store, charge)).collect();

    let primary = servers.primary();
    let replica = servers.servers().iter().find(|server| server.port() != primary.port()).expect("a replica");
    replica.catch_up_with(primary);
    replica.set_clock(-3_600);
    primary.kill();
    store.until("the replica has taken over", async |store| store.check().await.is_ok());
    let passed = asked.elapsed();
    for (charge, told) in charges.iter().zip(told) {
        let left = wait(&store, charge);
        assert!(
            left + passed <= told + told / 10_000 + SPARE,
            "{charge:?}: {told:?}, {passed:?} later {left:?}"
        );
        assert!(left + asked.elapsed() + SPARE >= told, "{charge:?}: {told:?}, {passed:?} later {left:?}");
    }
}

#[test]
fn refunds_and_debts_find_their_accounts_after_a_step_back() {
    let server = server();
    let store = Running::at(&server.url());
    for charge in every("alice", Duration::from_secs(3_600)) {
        let charges = [charge.clone().cost(2)];
        server.set_clock(0);
        let taken = store.admit(&charges);
        server.set_clock(-30);
        store.settle(&charges, taken.lease, &[1]).expect("the store answers");
        assert_eq!(store.remaining(&charge), 1, "{charge:?}");
        let taken = store.admit(from_ref(&charge));
        server.set_clock(-60);
        store.settle(from_ref(&charge), taken.lease, &[3]).expect("the store answers");
        assert!(wait(&store, &charge) > Duration::from_secs(1_800), "{charge:?}");
    }
}

#[test]
fn slots_are_their_holders_whatever_the_clock_does() {
    let server = server();
    let store = Running::open(patient(&server.url()).lease(Duration::from_secs(1)));
    let charge = slots("gpu", 1);
    let holder = store.admit(from_ref(&charge));
    for ahead in [-30, -3_600, 0] {
        server.set_clock(ahead);
        store.deny(from_ref(&charge));
    }
    store.settle(from_ref(&charge), holder.lease, &[]).expect("the store answers");
    store.admit(from_ref(&charge));
}

/// By a clock that is set forward every lease has ended, until its holder renews it.
#[test]
fn slots_are_held_again_after_a_step_forward() {
    let server = server();
    let store = Running::open(patient(&server.url()).lease(Duration::from_secs(1)));
    let charge = slots("gpu", 1);
    let holder = store.admit(from_ref(&charge));
    server.set_clock(3_600);
    store.until("the slot is held again", async |store| remaining(store, &charge).await == Some(0));
    server.set_clock(0);
    store.deny(from_ref(&charge));
    store.settle(from_ref(&charge), holder.lease, &[]).expect("the store answers");
    assert_eq!(store.remaining(&charge), 1);
}

/// A holder that dies leaves its slot when its lease ends, though the clock is set back meanwhile.
#[test]
fn slots_of_the_dead_come_back_though_the_clock_is_set_back() {
    let server = server();
    let open = || Running::open(patient(&server.url()).prefix("slots").lease(Duration::from_secs(1)));
    let (dying, other) = (open(), open());
    let charge = slots("gpu", 1);
    dying.admit(from_ref(&charge));
    other.deny(from_ref(&charge));
    // Its tasks stop without a word.
    dying.runtime.shutdown_background();
    server.set_clock(-3_600);
    other.until("the slot comes back", async |store| remaining(store, &charge).await == Some(1));
}

async fn remaining(store: &RedisStore, charge: &Charge) -> Option<u64> {
    let taken = store.take(&[charge.clone().cost(0)]).await.ok().and_then(Decision::allowed)?;
    Some(taken.balances[0].remaining)
}

/// A gateway that starts after the clock was set back finds accounts that are dated later than its clock.
#[test]
fn who_starts_after_a_step_back_is_locked_out_no_longer_than_by_the_last_charge() {
    let server = server();
    let open = || Running::open(patient(&server.url()).prefix("started").lease(Duration::from_secs(1)));
    let (charges, slot) = (each("alice"), slots("gpu", 1));
    let earlier = open();
    charges.iter().for_each(|charge| assert_eq!(exhaust(&earlier, charge), 2));
    earlier.admit(from_ref(&slot));
    earlier.runtime.shutdown_background();
    server.set_clock(-3_600);

    // Each on its own: what one account tells is known to all of a gateway.
    for charge in &charges {
        let told = wait(&open(), charge);
        // A window that fades is gone two windows after it began; a fixed one tells its length to a factor of two.
        assert!(told <= Duration::from_secs(6) + SPARE, "{told:?} for {charge:?}");
    }
    let store = open();
    let told = charges.iter().map(|charge| wait(&store, charge)).max().expect("four waits");
    sleep(&store, told + SPARE);
    charges.iter().for_each(|charge| drop(store.admit(from_ref(charge))));
    store.until("the slot comes back", async |store| remaining(store, &slot).await == Some(1));
}

/// Peeks tell what is true, too: a caller who looks up his balance, and one whose request could never fit.
#[test]
fn who_only_looks_learns_the_time_too() {
    let server = server();
    let open = || Running::open(patient(&server.url()).prefix("looks"));
    for charge in every("alice", Duration::from_secs(600)) {
        let earlier = open();
        earlier.admit(from_ref(&charge));
        server.set_clock(-3_600);
        let peek = open().admit(&[charge.clone().cost(0)]).balances[0];
        assert!(peek.reset_after <= Duration::from_secs(1_300), "{peek:?} of {charge:?}");
        let never = open().deny(&[charge.clone().cost(3)]).balances[0];
        assert!(never.reset_after <= Duration::from_secs(1_300), "{never:?} of {charge:?}");
        server.set_clock(0);
    }
}

/// Slots that a gateway takes which started after the step are seen by one that knows the time.
#[test]
fn slots_are_counted_together_by_who_knows_the_time_and_who_does_not() {
    let server = server();
    let open = || Running::open(patient(&server.url()).prefix("together").lease(Duration::from_secs(1)));
    let charge = slots("gpu", 2);
    let knowing = open();
    knowing.admit(from_ref(&charge));
    server.set_clock(-3_600);
    let started = open();
    started.admit(from_ref(&charge));
    knowing.deny(from_ref(&charge));
    started.deny(from_ref(&charge));
}

/// Neither a debt nor a quota whose window became shorter is a clock that was set back.
#[test]
fn debts_and_shorter_windows_do_not_move_the_time() {
    let server = RedisServer::start();
    let open = || Running::open(patient(&server.url()).prefix("debts"));
    let store = open();
    for (long, short) in every("alice", Duration::from_secs(3_600)).into_iter().zip(each("alice")) {
        let taken = store.admit(from_ref(&long));
        store.settle(from_ref(&long), taken.lease, &[40]).expect("the store answers");
        for charge in [&long, &short] {
            let started = open();
            started.deny(from_ref(charge));
            let other = Charge::new(format!("not {charge:?}"), charge.quota);
            let at = started.admit(&[other]).lease.taken_at;
            assert!(at.since(taken.lease.taken_at) < Duration::from_secs(60), "{charge:?}");
        }
    }
}

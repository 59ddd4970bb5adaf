//! The time for which keys are kept.

use std::time::Duration;

use sluicegate::{Algorithm, Charge, Clock, Lender, ManualClock, Quota, Store};
use sluicegate_test_servers::RedisServer;

use super::subject::{MICROSECOND, Running, ahead, patient, slots};

/// A charge on an account of each algorithm that a key expires with. Seven in three seconds leave fractions in a bucket.
fn each() -> Vec<Charge> {
    let quota = |algorithm| Quota::new(7, Duration::from_secs(3)).and_then(|q| q.with_algorithm(algorithm));
    let timed = Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::Concurrent);
    timed.map(|algorithm| Charge::new(algorithm.as_str(), quota(algorithm).expect("a good window"))).collect()
}

/// A store with one clock, and the server that it is in.
struct Kept {
    server: RedisServer,
    store: Running,
    clock: ManualClock,
}

impl Kept {
    fn start() -> Self {
        let (server, clock) = (RedisServer::start(), ahead());
        let builder = patient(&server.url()).prefix("kept").readable_keys(true).clock(clock.clone());
        Self { store: Running::open(builder), server, clock }
    }

    fn key(charge: &Charge) -> String {
        let name = charge.key.as_str();
        let letter = match charge.quota.algorithm() {
            Algorithm::TokenBucket => 't',
            Algorithm::FixedWindow => 'f',
            Algorithm::SlidingWindow => 's',
            _ => 'g',
        };
        format!("kept:1:{{={name}}}:={name}:{letter}")
    }

    /// The time at which the account is idle, in milliseconds since 1970; `None` if it is.
    fn idle_at(&self, charge: &Charge) -> Option<u128> {
        let now = 1_577_836_800_000_000 + u128::from(self.clock.now().ticks() / MICROSECOND);
        let left = self.store.admit(&[charge.clone().cost(0)]).balances[0].reset_after.as_micros();
        (left > 0).then_some((now + left) / 1_000)
    }

    fn goes_at(&self, charge: &Charge) -> u128 {
        let at = self.server.command(&["PEXPIRETIME", &Self::key(charge)]);
        at.parse().unwrap_or_else(|_| panic!("{charge:?} has no key that goes: {at}"))
    }

    fn outlives_its_account(&self, charge: &Charge) {
        if let Some(idle_at) = self.idle_at(charge) {
            let goes_at = self.goes_at(charge);
            let text = self.server.command(&["GET", &Self::key(charge)]);
            assert!(goes_at >= idle_at, "{charge:?}: {text} goes {} ms too early", idle_at - goes_at);
        }
    }
}

#[test]
fn a_key_outlives_its_account_however_it_is_charged() {
    let kept = Kept::start();
    let mut random = 1_u64;
    let mut below = |most: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % most
    };
    for _ in 0..400 {
        for charge in each() {
            let most = [1_000, 800_000, 5_000_000, 0][usize::try_from(below(3)).unwrap_or(3)];
            kept.clock.advance(Duration::from_micros(below(most + 1)));
            let charge = charge.cost(1 + below(3));
            let taken = kept.store.take(std::slice::from_ref(&charge)).expect("the store answers").allowed();
            kept.outlives_its_account(&charge);
            if let Some(taken) = taken.filter(|_| below(3) == 0) {
                kept.store.settle(std::slice::from_ref(&charge), taken.lease, &[below(5)]).unwrap();
                kept.outlives_its_account(&charge);
            }
        }
    }
}

/// A gateway of another version writes no zero, and what it writes while the server's clock is behind goes too early.
#[test]
fn versions_that_keep_keys_for_other_times_can_take_turns() {
    let kept = Kept::start();
    for _ in 0..60 {
        for charge in each() {
            kept.clock.advance(Duration::from_millis(430));
            drop(kept.store.take(std::slice::from_ref(&charge)).expect("the store answers"));
            kept.outlives_its_account(&charge);
            let (key, idle_at) = (Kept::key(&charge), kept.idle_at(&charge).expect("just charged"));
            let text = kept.server.command(&["GET", &key]);
            let numbers: Vec<u64> = text.split(' ').map(|number| number.parse().expect("a number")).collect();
            let old = numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
            kept.server.command(&["SET", &key, &old, "PXAT", &(idle_at - 100).to_string()]);
            let before = kept.store.admit(&[charge.clone().cost(0)]).balances;
            assert!(before[0].remaining < 7, "{old} is the same account");
            kept.clock.advance(Duration::from_millis(10));
            drop(kept.store.take(std::slice::from_ref(&charge)).expect("the store answers"));
            kept.outlives_its_account(&charge);
        }
    }
}

#[test]
fn a_bucket_that_was_reset_while_a_chunk_was_out_is_kept_for_its_next_charge() {
    let kept = Kept::start();
    let bucket = Charge::new("bucket", Quota::per_minute(600).burst(600));
    kept.store.admit(std::slice::from_ref(&bucket));
    let lend = kept.store.store.lend(&bucket.clone().cost(100), Duration::from_secs(5));
    let chunk = kept.store.runtime.block_on(lend).expect("the store answers").expect("it is full");
    kept.store.runtime.block_on(kept.store.store.reset(std::slice::from_ref(&bucket))).unwrap();
    assert!(chunk.ends <= kept.clock.now() + Duration::from_secs(5));
    kept.clock.advance(Duration::from_millis(5_001));
    // Slots make it the work of the other script.
    for charges in [&[bucket.clone(), slots("bucket", 9)][..], std::slice::from_ref(&bucket)] {
        kept.store.admit(charges);
        kept.outlives_its_account(&bucket);
    }
}

/// Calls of a command so far, by scripts.
fn calls(server: &RedisServer, command: &str) -> u32 {
    let statistics = server.command(&["INFO", "commandstats"]);
    let line = statistics.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn a_busy_account_is_written_in_place() {
    let kept = Kept::start();
    let quota = |algorithm| {
        Quota::new(1_000_000, Duration::from_secs(3_600)).and_then(|quota| quota.with_algorithm(algorithm))
    };
    for algorithm in [Algorithm::TokenBucket, Algorithm::FixedWindow, Algorithm::SlidingWindow] {
        let charge = [Charge::new(algorithm.as_str(), quota(algorithm).expect("a good window"))];
        kept.store.admit(&charge);
        let (anew, in_place) = (calls(&kept.server, "psetex"), calls(&kept.server, "setrange"));
        for _ in 0..100 {
            kept.clock.advance(Duration::from_millis(100));
            kept.store.admit(&charge);
        }
        let anew = calls(&kept.server, "psetex") - anew;
        let in_place = calls(&kept.server, "setrange") - in_place;
        // A bucket is kept to the end of a span of four seconds, and ten pass.
        assert!(anew <= 4, "{anew} of 100 writes set an expiry, of {algorithm}");
        assert!(in_place >= 96, "{in_place} of 100 writes are in place, of {algorithm}");
    }
}

#[test]
fn a_user_who_may_not_write_in_place_may_do_all_else() {
    let server = RedisServer::start();
    server.command(&["ACL", "SETUSER", "limiter", "on", ">word", "~*", "+@all", "-setrange"]);
    let url = server.url().replace("redis://", "redis://limiter:word@");
    let store = Running::open(patient(&url));
    let quota = |algorithm| Quota::new(9, Duration::from_secs(9)).and_then(|q| q.with_algorithm(algorithm));
    let charges = [Algorithm::TokenBucket, Algorithm::FixedWindow]
        .map(|algorithm| Charge::new("alice", quota(algorithm).expect("a good window")));
    // The one by itself is another script's work than both together.
    for charges in [&charges[..1], &charges[..]] {
        let before: Vec<u64> = charges.iter().map(|charge| store.remaining(charge)).collect();
        store.admit(charges);
        let taken = store.admit(charges);
        for (balance, before) in taken.balances.iter().zip(before) {
            assert!(balance.remaining < before, "{balance:?} after {before}");
        }
        store.runtime.block_on(store.store.settle(charges, taken.lease, &[0.into()])).unwrap();
    }
}

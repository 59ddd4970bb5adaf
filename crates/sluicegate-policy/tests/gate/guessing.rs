//! Limits on guessing API keys, with several gates on one store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Request;
use sluicegate::{
    Charge, Cost, Decision, Lease, ManualClock, MemoryStore, OutageMode, Resilient, Store, StoreError, Taken,
};
use sluicegate_policy::{ApiKeys, Gate, KeyFile, Policy, Renderer, RequestId, Secret, Source, UtcTime};

use crate::site::now;

#[test]
fn a_right_key_asks_the_store_nothing_where_no_wrong_one_was_seen() {
    let town = Town::new();
    let (gate, key) = (town.gate(), town.key.as_str().to_owned());
    for _ in 0..3 {
        assert_eq!(status(&gate, &key), 200);
    }
    assert_eq!(town.asked(), 0);
    assert_eq!(status(&gate, "wrong"), 401);
    assert_eq!(status(&gate, &key), 200);
    assert_eq!(town.asked(), 2, "for the wrong key, and for the right one behind it");
    town.clock.advance(Duration::from_secs(60));
    assert_eq!(status(&gate, &key), 200);
    assert_eq!(town.asked(), 2, "a wrong key is forgotten with the limit on it");
}

#[test]
fn a_guesser_learns_by_one_key_at_most_from_a_gate_that_has_not_seen_it_guess() {
    let town = Town::new();
    let (first, second) = (town.gate(), town.gate());
    for _ in 0..10 {
        assert_eq!(status(&first, "wrong"), 401);
    }
    assert_eq!(status(&first, town.key.as_str()), 429);
    assert_eq!(status(&second, town.key.as_str()), 200, "nothing wrong was shown here");
    assert_eq!(status(&second, "wrong"), 429);
    assert_eq!(status(&second, town.key.as_str()), 429);
}

#[test]
fn a_gate_remembers_a_guesser_from_its_last_wrong_key_on() {
    let town = Town::new();
    let (first, second) = (town.gate(), town.gate());
    spend_all(&first);
    assert_eq!(status(&second, "wrong"), 429);
    town.clock.advance(Duration::from_secs(54));
    assert_eq!(status(&second, "wrong"), 401);
    // A minute after the first wrong key, and a few seconds after the last.
    town.clock.advance(Duration::from_secs(7));
    spend_all(&first);
    assert_eq!(status(&second, town.key.as_str()), 429);
}

#[test]
fn a_guesser_that_never_rests_is_never_told_by_a_gate_that_sees_all_of_it() {
    for failures in ["10/minute", "3/minute burst 9", "1/hour"] {
        let town = Town::with_failures(failures);
        let gate = town.gate();
        spend_all(&gate);
        for second in 0..200 {
            // As soon as one may be spent again, it is, before the right key comes.
            let _ = status(&gate, "wrong");
            assert_eq!(status(&gate, town.key.as_str()), 429, "{failures}, second {second}");
            town.clock.advance(Duration::from_secs(1));
        }
    }
}

#[test]
fn a_gate_forgets_nobody_that_guesses_for_others_that_do() {
    let town = Town::new();
    let gate = town.gate();
    assert_eq!(status_from(&gate, "wrong", "192.0.2.1"), 401);
    for other in 0..200 {
        assert_eq!(status_from(&gate, "wrong", &format!("198.51.100.{other}")), 401);
    }
    let before = town.asked();
    assert_eq!(status_from(&gate, town.key.as_str(), "192.0.2.1"), 200);
    assert_eq!(town.asked(), before + 1);
}

/// One store for any number of gates.
struct Town {
    policy: Policy,
    keys: ApiKeys,
    key: Secret,
    store: Arc<MemoryStore<ManualClock>>,
    takes: Arc<AtomicUsize>,
    clock: ManualClock,
}

impl Town {
    fn new() -> Self {
        Self::with_failures("10/minute")
    }

    fn with_failures(failures: &str) -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("keys.toml");
        let made = UtcTime::from_unix(1_795_262_400);
        let key = KeyFile::at(&path).add("acme", None, made).expect("a new key");
        let text = format!("[identity]\napi_keys = 'keys.toml'\nfailures = '{failures}'");
        let source = Source::new("test.toml", text.as_bytes()).expect("it is small");
        let clock = ManualClock::new();
        Self {
            policy: Policy::parse(&source).expect("it is valid"),
            keys: ApiKeys::load(&path).expect("it was just written"),
            key,
            store: Arc::new(MemoryStore::builder().clock(clock.clone()).build()),
            takes: Arc::default(),
            clock,
        }
    }

    fn gate(&self) -> Gate<Shared> {
        let store = Shared { store: Arc::clone(&self.store), takes: Arc::clone(&self.takes) };
        let gate = Gate::new(self.policy.clone(), store, self.clock.clone());
        gate.replace_api_keys(self.keys.clone());
        gate
    }

    /// The number of calls to the store.
    fn asked(&self) -> usize {
        self.takes.load(Ordering::Relaxed)
    }
}

/// A store that is elsewhere: it counts how often it is asked.
struct Shared {
    store: Arc<MemoryStore<ManualClock>>,
    takes: Arc<AtomicUsize>,
}

impl Store for Shared {
    type Lease = Lease;

    async fn take(&self, charges: &[Charge]) -> Result<Decision<Taken>, StoreError> {
        self.takes.fetch_add(1, Ordering::Relaxed);
        self.store.take(charges).await
    }

    async fn settle(&self, charges: &[Charge], lease: Lease, actual: &[Cost]) -> Result<(), StoreError> {
        self.store.settle(charges, lease, actual).await
    }

    async fn reset(&self, accounts: &[Charge]) -> Result<(), StoreError> {
        self.store.reset(accounts).await
    }

    fn release(&self, charges: &[Charge], lease: Lease) {
        self.store.release(charges, lease);
    }
}

impl Resilient for Shared {
    async fn take_or(
        &self,
        charges: &[Charge],
        _: impl Fn(usize) -> OutageMode + Send + Sync,
    ) -> Result<Decision<Taken>, StoreError> {
        self.take(charges).await
    }
}

/// Shows wrong keys until no more may be shown.
fn spend_all(gate: &Gate<Shared>) {
    assert!((0..20).any(|_| status(gate, "wrong") == 429), "no policy here allows so many");
}

fn status(gate: &Gate<Shared>, key: &str) -> u16 {
    status_from(gate, key, "192.0.2.1")
}

fn status_from(gate: &Gate<Shared>, key: &str, peer: &str) -> u16 {
    let request = Request::get("/").header("x-api-key", key).body(()).expect("a good request");
    let (head, ()) = request.into_parts();
    match now(gate.enter(&head, peer.parse().expect("an address"))) {
        Ok(_) => 200,
        Err(rejection) => {
            Renderer::new(gate.policy()).rejected(&rejection, &head, &RequestId::new()).status().as_u16()
        }
    }
}

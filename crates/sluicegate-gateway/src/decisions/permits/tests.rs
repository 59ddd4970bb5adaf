use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use futures_util::FutureExt;
use http::Request;
use sluicegate::{Cost, ManualClock, MemoryStore, Unit};
use sluicegate_http::{Admission, InFlight, Told};
use sluicegate_metrics::Metrics;
use sluicegate_policy::{Gate, Policy, Source};

use super::{Claimed, Held, Lost, NoPlace, PermitId, Permits, table::REMEMBERED};

#[test]
fn a_permit_that_is_settled_again_in_the_same_way_changes_nothing() {
    let site = Site::new();
    let permit = site.take(LEASE).unwrap();
    assert_eq!(site.remaining(), (9, 1));
    for _ in 0..3 {
        assert_eq!(site.settle(permit, 4), Ok(true));
        assert_eq!(site.remaining(), (6, 2));
    }
    assert_eq!(site.settle(permit, 5), Err(Lost::Settled));
    assert_eq!(site.end(permit, Told::Unserved), Err(Lost::Settled));
    assert_eq!(site.remaining(), (6, 2));
}

#[test]
fn a_released_permit_was_never_charged() {
    let site = Site::new();
    let permit = site.take(LEASE).unwrap();
    for _ in 0..2 {
        assert_eq!(site.end(permit, Told::Unserved), Ok(true));
        assert_eq!(site.remaining(), (10, 2));
    }
    assert_eq!(site.settle(permit, 1), Err(Lost::Released));
}

#[test]
fn a_lease_that_ends_frees_slots_and_keeps_the_estimate() {
    let site = Site::new();
    let permit = site.take(LEASE).unwrap();
    let longer = site.take(2 * LEASE).unwrap();
    assert_eq!(site.permits.end_due(), Some(LEASE));
    site.clock.advance(LEASE - Duration::from_nanos(1));
    site.permits.end_due();
    assert_eq!(site.remaining(), (8, 0));
    site.clock.advance(Duration::from_nanos(1));
    // Nobody has looked yet, and it is late all the same.
    assert_eq!(site.settle(permit, 1), Err(Lost::Expired(Duration::ZERO)));
    assert_eq!(site.remaining(), (8, 1));
    assert_eq!(site.permits.end_due(), Some(LEASE));
    assert_eq!(site.settle(longer, 1), Ok(true));
    assert_eq!(site.permits.end_due(), None);
}

#[tokio::test(start_paused = true)]
async fn one_task_ends_every_lease_on_time() {
    let site = Site::new();
    let ending = {
        let permits = Arc::clone(&site.permits);
        tokio::spawn(async move { permits.end_leases().await })
    };
    // The second lease ends before the first, which the task waits for already.
    site.take(2 * LEASE).unwrap();
    tokio::task::yield_now().await;
    site.take(LEASE).unwrap();
    for slots in [1, 2] {
        site.clock.advance(LEASE);
        tokio::time::advance(LEASE).await;
        tokio::task::yield_now().await;
        assert_eq!(site.remaining().1, slots);
    }
    ending.abort();
}

#[test]
fn places_are_bounded_and_an_undecided_request_has_one() {
    let site = Site::new();
    let undecided = site.permits.place(2).ok().unwrap();
    let permit = site.take_of(2, LEASE).unwrap();
    assert_eq!(site.permits.place(2).err(), Some(NoPlace::Full(Some(LEASE))));
    drop(undecided);
    drop(site.permits.place(2).ok().unwrap());
    site.take_of(2, 2 * LEASE).unwrap();
    assert_eq!(site.permits.place(2).err(), Some(NoPlace::Full(Some(LEASE))));
    // Those whose leases have ended make room.
    site.clock.advance(LEASE);
    drop(site.permits.place(2).ok().unwrap());
    assert_eq!(site.settle(permit, 1), Err(Lost::Expired(Duration::ZERO)));
}

#[test]
fn permits_of_other_processes_and_unknown_ones_are_told_apart() {
    let (here, there) = (Site::new(), Site::new());
    let permit = there.take(LEASE).unwrap();
    assert_eq!(here.settle(permit, 1), Err(Lost::Elsewhere));
    let unknown = PermitId { process: here.permits.process(), id: permit.id };
    assert_eq!(here.settle(unknown, 1), Err(Lost::Unknown));
    assert_eq!(permit.to_string().parse::<PermitId>().unwrap(), permit);
    for wrong in ["", "-", "1234-5678", &permit.to_string().to_uppercase(), &format!("{permit}0"), "é"] {
        assert!(wrong.parse::<PermitId>().is_err(), "{wrong}");
    }
}

#[test]
fn ends_are_forgotten_after_a_while() {
    let site = Site::new();
    let first = site.take(LEASE).unwrap();
    assert_eq!(site.settle(first, 1), Ok(true));
    site.clock.advance(REMEMBERED);
    assert_eq!(site.settle(first, 1), Ok(true));
    let second = site.take(LEASE).unwrap();
    assert_eq!(site.settle(second, 1), Ok(true));
    assert_eq!(site.settle(first, 1), Err(Lost::Unknown));
}

#[test]
fn a_key_is_remembered_with_its_call_for_a_while() {
    let site = Site::new();
    let Claimed::First(claim) = site.permits.claim(b"key", b"call") else { panic!("it is the first") };
    let Claimed::Again(waiting) = site.permits.claim(b"key", b"call") else { panic!("it is the second") };
    assert!(waiting.clone().now_or_never().is_none());
    claim.answer("answer".into());
    assert_eq!(waiting.now_or_never().unwrap().unwrap(), "answer");
    assert!(matches!(site.permits.claim(b"key", b"other"), Claimed::Other));
    site.clock.advance(REMEMBERED);
    assert!(matches!(site.permits.claim(b"key", b"other"), Claimed::First(_)));
}

#[test]
fn a_call_that_gave_no_permit_is_decided_again() {
    let site = Site::new();
    let Claimed::First(claim) = site.permits.claim(b"key", b"call") else { panic!("it is the first") };
    let Claimed::Again(waiting) = site.permits.claim(b"key", b"call") else { panic!("it is the second") };
    drop(claim);
    assert!(waiting.now_or_never().unwrap().is_err());
    let Claimed::First(later) = site.permits.claim(b"key", b"call") else { panic!("it is the first again") };
    later.answer("answer".into());
    assert!(matches!(site.permits.claim(b"key", b"call"), Claimed::Again(_)));
}

#[test]
fn remembered_keys_are_bounded_and_the_oldest_goes_first() {
    let site = Site::new();
    let claim = |key: u32| match site.permits.claim(&key.to_be_bytes(), b"call") {
        Claimed::First(claim) => {
            claim.answer("answer".into());
            true
        }
        Claimed::Again(_) | Claimed::Other => false,
    };
    assert!((0..20_000).all(claim));
    assert!(!claim(1));
    assert!(claim(20_000) && claim(0));
    assert!(!claim(19_999));
}

#[test]
fn all_permits_end_at_once() {
    let site = Site::new();
    let permits = [site.take(LEASE).unwrap(), site.take(LEASE).unwrap()];
    assert_eq!(site.permits.end_all(), 2);
    assert_eq!(site.remaining(), (8, 2));
    assert_eq!(site.settle(permits[0], 1), Err(Lost::Expired(Duration::ZERO)));
    assert_eq!(site.permits.end_all(), 0);
}

type Clock = ManualClock;

/// A gate whose one route has ten items a day and two slots.
struct Site {
    clock: Clock,
    admission: Arc<Admission<MemoryStore<Clock>, Clock>>,
    permits: Arc<Permits<MemoryStore<Clock>, Clock>>,
}

impl Site {
    fn new() -> Self {
        let text = "[[route]]\npath = '/'\nmeter = { items = '/n' }\nlimits = [\n\
                    { name = 'items', quota = '10 items/day', algorithm = 'fixed-window' },\n\
                    { name = 'slots', quota = '2 concurrent' },\n]";
        let policy = Policy::parse(&Source::new("p.toml", text.as_bytes()).unwrap()).unwrap();
        let clock = ManualClock::new();
        let store = MemoryStore::builder().clock(clock.clone()).build();
        let gate = Arc::new(Gate::new(policy, store, clock.clone()));
        let metrics = Metrics::new().gate(gate.policy());
        Self {
            admission: Arc::new(Admission::new(gate, metrics, clock.clone())),
            permits: Arc::new(Permits::new(clock.clone())),
            clock,
        }
    }

    fn take(&self, lease: Duration) -> Option<PermitId> {
        self.take_of(100, lease)
    }

    /// Takes one item and a slot.
    fn take_of(&self, most: usize, lease: Duration) -> Option<PermitId> {
        let place = self.permits.place(most).ok()?;
        let (head, ()) = Request::get("/").body(()).unwrap().into_parts();
        let hints = sluicegate_policy::Hints { cost: Some(Cost::ONE), ..Default::default() };
        let decided = async {
            let entry = self.admission.enter_with(&head, Ipv4Addr::LOCALHOST.into(), hints).await?;
            entry.decide(None).await
        };
        let request = InFlight::new(decided.now_or_never().unwrap().ok()?);
        Some(place.hold(Held { request, admission: Arc::clone(&self.admission), lease }))
    }

    fn settle(&self, permit: PermitId, items: u64) -> Result<bool, Lost> {
        self.end(permit, Told::Units(vec![(Unit::Items, Cost::new(items))]))
    }

    fn end(&self, permit: PermitId, told: Told) -> Result<bool, Lost> {
        let stored = self.permits.end(permit, told)?;
        Ok(stored.now_or_never().unwrap().unwrap())
    }

    /// The items and the slots that are left.
    fn remaining(&self) -> (u64, u64) {
        let gate = self.admission.gate();
        let accounts = gate.accounts("client_ip=127.0.0.1", None);
        let balances = gate.balances(&accounts).now_or_never().unwrap().unwrap();
        (balances[0].remaining, balances[1].remaining)
    }
}

const LEASE: Duration = Duration::from_secs(60);

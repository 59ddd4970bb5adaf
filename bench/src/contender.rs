//! The contenders.

use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, RateLimiter};
use sluicegate::{Charge, Key, MemoryStore, Quota};

/// The path of a request: to pass, or to be denied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Path {
    /// Every check passes: 10⁷ requests a second and a burst of 10⁹.
    Allow,
    /// Every check but each key's first is denied: one request an hour.
    Deny,
}

impl Path {
    /// The path's name in the report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// A rate limiter that is checked by a text key.
pub trait Contender: Sync {
    /// The name in the report, and on the command line of a child process.
    const NAME: &'static str;

    /// A limiter for so many keys.
    fn new(keys: usize, path: Path) -> Self;

    /// Returns `true` if a request with this key is admitted: all the work of a caller that has the key as
    /// text.
    #[expect(clippy::ptr_arg, reason = "governor looks up nothing but the owned key")]
    fn check(&self, key: &String) -> bool;
}

/// Ours.
#[derive(Debug)]
pub struct Sluicegate {
    store: MemoryStore,
    quota: Quota,
}

impl Sluicegate {
    /// Returns `true` if a request with this key is admitted by three limits, each with its own accounts.
    #[inline]
    #[must_use]
    pub fn check_three(&self, key: &str) -> bool {
        let charge = |limit| Charge::new(Key::of([limit, key]), self.quota);
        self.store.take_now(&[charge("rpm"), charge("rpd"), charge("all")]).is_allowed()
    }
}

impl Contender for Sluicegate {
    const NAME: &'static str = "sluicegate";

    fn new(keys: usize, path: Path) -> Self {
        let text = match path {
            Path::Allow => "10000000/second burst 1000000000",
            Path::Deny => "1/hour",
        };
        let quota = text.parse().expect("a quota");
        Self { store: MemoryStore::builder().max_keys(keys).build(), quota }
    }

    #[inline]
    fn check(&self, key: &String) -> bool {
        self.store.take_now(&[Charge::new(key, self.quota)]).is_allowed()
    }
}

/// The crate that Rust programs use most: GCRA in a `DashMap`, on quanta's clock.
#[derive(Debug)]
pub struct Governor {
    limiter: DefaultKeyedRateLimiter<String>,
}

impl Contender for Governor {
    const NAME: &'static str = "governor";

    fn new(_keys: usize, path: Path) -> Self {
        let number = |number| NonZeroU32::new(number).expect("not zero");
        let quota = match path {
            Path::Allow => governor::Quota::per_second(number(10_000_000)).allow_burst(number(1_000_000_000)),
            Path::Deny => governor::Quota::per_hour(number(1)),
        };
        Self { limiter: RateLimiter::keyed(quota) }
    }

    #[inline]
    fn check(&self, key: &String) -> bool {
        self.limiter.check_key(key).is_ok()
    }
}

//! A quota with a name.

use std::borrow::Cow;

use crate::{Charge, Key, KeyParts, Quota};

/// A quota with a name. Each caller has an account of its own under it.
///
/// The name and what tells callers apart make the account's key. Two limits of the same name share their accounts, so give
/// each its own. A limit in a policy file, `sluicegate_policy::Limit`, is resolved to one of these for each tier.
///
/// ```
/// use sluicegate::{Limit, Limiter, MemoryStore, Quota, Unit};
///
/// static REQUESTS: Limit = Limit::new("rpm", Quota::per_minute(60));
/// static TOKENS: Limit = Limit::new("tpm", Quota::per_minute(100_000).of(Unit::Tokens));
///
/// let limiter = Limiter::new(MemoryStore::new());
/// // One limit, one unit:
/// let permit = limiter.check_now("alice", &REQUESTS).allowed().expect("the first of 60");
/// assert_eq!(permit.balances()[0].remaining, 59);
/// // Several limits, all or none:
/// let charges = [REQUESTS.charge("alice"), TOKENS.charge("alice").cost(812)];
/// let permit = limiter.take_now(&charges).allowed().expect("the second of 60");
/// assert_eq!(permit.balances()[1].remaining, 99_188);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limit {
    name: Cow<'static, str>,
    quota: Quota,
}

impl Limit {
    /// A limit whose name is in the program.
    #[must_use]
    pub const fn new(name: &'static str, quota: Quota) -> Self {
        Self { name: Cow::Borrowed(name), quota }
    }

    /// A limit whose name is known at run time.
    pub fn named(name: impl Into<Cow<'static, str>>, quota: Quota) -> Self {
        Self { name: name.into(), quota }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The quota of each caller.
    #[must_use]
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    /// Returns the key of a caller's account.
    #[inline]
    #[must_use]
    pub fn key(&self, caller: impl KeyParts) -> Key {
        Key::written(|key| {
            key.text(&self.name);
            caller.write_to(key);
        })
    }

    /// Returns a charge of one unit on a caller's account.
    #[inline]
    #[must_use]
    pub fn charge(&self, caller: impl KeyParts) -> Charge {
        Charge::new(self.key(caller), self.quota)
    }
}

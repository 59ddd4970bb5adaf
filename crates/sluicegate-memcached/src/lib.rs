//! Accounts in Memcached, so that many instances share them.
//!
//! [`MemcachedStore`] is a [`Store`](sluicegate::Store) for Memcached 1.6.18 or later, spoken to directly and by its meta
//! protocol: one server, or several of which each keeps a part of the accounts.
//!
//! ```no_run
//! use sluicegate::{Decision, Limit, Limiter, Quota};
//! use sluicegate_memcached::MemcachedStore;
//!
//! static REQUESTS: Limit = Limit::new("predict", Quota::per_minute(10));
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemcachedStore::builder("memcached://cache-1,cache-2")?.open(&tokio::runtime::Handle::current())?;
//! store.check().await?;
//! let limiter = Limiter::new(store);
//! match limiter.check("alice", &REQUESTS).await? {
//!     Decision::Allow(_permit) => println!("come in"),
//!     Decision::Deny(denial) => println!("come back in {:?}", denial.retry_after()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! Memcached cannot run the algorithms, but it can write an item only if it has not changed since it was read. So one item
//! is one account. The engine's own code judges and charges it here, and writes the result back. If another writer was
//! faster, it is judged anew. Every change of an account is made on the one before it, by the same code as in memory, so
//! each account gets the decisions that one process would have made.
//!
//! Counting with `ma` in one round trip would be simpler for fixed windows, and only for them. They would
//! lose their exact waits, their debts and the refunds that know their window. Every denied request would be
//! a charge for a while.
//!
//! Jobs of one process that wait for an account run together: one round trip reads it, and one write carries all charges.
//! A decision takes two round trips, one while the account is in use, and a denial one. Instances that write one account at
//! the same time get in turn, in no order: with `n` of them at it without a pause, each waits for `n` round trips on
//! average. One that does not get its turn before the deadline fails, like any other call that takes too long.
//!
//! # What can be relied on
//!
//! | algorithm | of one account |
//! |---|---|
//! | `token-bucket` | exact |
//! | `fixed-window` | exact |
//! | `sliding-window` | exact |
//! | `sliding-log` | exact |
//! | `concurrent` | refused: a [misconfiguration](sluicegate::StoreError::is_misconfiguration) that names the limit |
//!
//! *Concurrent limits* need leases that end by themselves, and Memcached has none: the slots of an instance that dies would
//! never come back. Keep them in Redis, or in memory, where each instance counts its own.
//!
//! *Several limits* are judged together, and nothing is written unless all of them fit. Then each is written by itself, and
//! if another instance has changed one meanwhile, so that it does not fit any more, those that were written are given back.
//! So no quota is ever exceeded and a denied request is charged nowhere; but for a round trip or two somebody else may be
//! denied what is about to come back. Where one of several servers does not answer, what was written on the others is given
//! back, too. If the instance dies in between, it stays charged.
//!
//! *Time* is told by each instance's wall clock, and never goes back: an instance whose clock is set back
//! goes on by its monotonic clock. Each account tells when it was changed last. An instance that reads a
//! later time than its own adopts it. So all instances that share accounts soon follow the clock farthest
//! ahead, and a caller waits as long as told with any of them. If clocks differ by `s`, a quota of `r` a
//! second admits at most `r × s` more, once, and never more than the whole quota; so keep them in step by
//! NTP. A clock that lags admits nothing more.
//!
//! *A deadline* of 100 ms ends every wait. A decision that fails, by its deadline or otherwise, counts as
//! charged on the failed servers if it may have been. There nothing is given back, and nothing is sent twice
//! unless it certainly was not executed. The same applies to settlements. One that was not sent, or lost to a
//! faster one, is retried for a second, although its caller gets an error at the deadline. One with an
//! unknown outcome is not retried, and so is never executed twice.
//!
//! *A reset* deletes accounts. A writer that is about to change one of them finds that it has changed, and begins anew.
//! All accounts cannot be reset at once, for Memcached does not tell which it has.
//!
//! *Memcached forgets*: all at a restart or `flush_all`, and the accounts that were not used for longest when
//! its memory is full. A forgotten account is a new one, so each time at most what it had spent is forgiven:
//! a burst, and its debts. Callers that can invent any number of keys can fill any memory, and so have their
//! own account evicted. Watch Memcached's `evictions`, and give it memory for all accounts of the longest
//! window: about 150 bytes each, and up to 3 kB for a sliding log.
//!
//! *Several servers* share the accounts: those of one tenant, told by the second part of their keys, are on one of them.
//! Servers that are added or removed take their share of the accounts, which begin anew; all others stay. All instances
//! must name the servers alike, in any order: by the same names or addresses.
//!
//! # Items
//!
//! `PREFIX:1:FINGERPRINT`, or `PREFIX:1:LETTER:KEY` where keys are [readable](MemcachedStoreBuilder::readable_keys). They
//! expire when the account is idle, up to two seconds later. Their text is the algorithm's letter and decimal numbers, and
//! their flags are the milliseconds from the last change until the account is idle.

mod builder;
mod check;
mod deadlines;
mod dispatcher;
mod expiry;
mod forget;
mod item;
mod job;
mod key_names;
mod link;
mod location;
mod pipeline;
mod server;
mod servers;
mod store;
mod worker;
mod working_set;

pub use builder::MemcachedStoreBuilder;
pub use store::MemcachedStore;

//! Sluicegate's accounts in Redis or Valkey: what many instances spend comes out of one account.
//!
//! ```no_run
//! use sluicegate::{Decision, Limit, Limiter, Quota};
//! use sluicegate_redis::RedisStore;
//!
//! static REQUESTS: Limit = Limit::new("predict", Quota::per_minute(10));
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::builder("redis://127.0.0.1:6379")?.open(&tokio::runtime::Handle::current())?;
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
//! # Where decisions are made
//!
//! One call of one script takes all charges of a request, or none, of all algorithms, by Redis' own clock, in whole
//! numbers; and it does so for all requests that wait at that moment. It answers how each account stood; balances
//! and waits are worked out from that by the engine, the same way as in memory. Decisions are the same as in
//! memory, to the tick, where Redis' clock of whole microseconds can tell moments apart. Redis 6.2 or Valkey is
//! needed. Amounts of counters and of concurrent limits end below 2^53.
//!
//! A key expires when its account is idle, which is as good as none. Times come from Redis, so instances need no
//! clocks that agree. Its clock may be set, and a replica that takes over has another one: time goes on from the latest
//! that this store has seen, by its monotonic clock, and never goes back. A mark in Redis tells stores that are opened
//! later how late it is. When a primary fails over, what its replica had not seen yet is forgotten: at most one burst
//! more of each account.
//!
//! # Clusters
//!
//! Keys whose second part is the same (`rpm|alice` and `tpm|alice`) live in one slot and are taken in one step. Charges
//! that live in several slots are taken in each at once, and given back where another denies: never more is admitted
//! than there is, and for the moment in between less may be.
//!
//! # Leases
//!
//! Slots of concurrent limits are held by leases that end by themselves (30 s), and that this store renews for as long as
//! they are neither settled nor released. The slots of a crashed instance come back when its leases end.
//!
//! A slot that is reset while it is held is free at once, for all instances. A mark in the key refuses renewals of what
//! was taken before, for as long as any come.
//!
//! # When Redis does not answer
//!
//! A take is an error after its timeout (100 ms); it may have been done, and counts as done, except for its slots, which
//! are given back. A reset is an error after the same time, and may have been done. Settlements and releases are retried
//! until they arrive, each once: for 45 s after the first attempt, and without a bound if none was possible. No caller waits
//! for them for longer than the timeout.

mod address;
mod batch;
mod builder;
mod call;
mod charges_by_slot;
mod driver;
mod error;
mod job;
mod key_names;
mod leases;
mod link;
mod link_pool;
mod link_state;
mod redirect;
mod reply;
mod request;
mod server_time;
mod servers;
mod slot_map;
mod slot_queue;
mod statistics;
mod store;
mod stream;
mod sweep;
mod time_mark;
mod topology;

pub use builder::RedisStoreBuilder;
pub use statistics::Statistics;
pub use store::RedisStore;

/// The script's maximum count: doubles hold integers up to it exactly.
const MOST: u64 = 1 << 53;

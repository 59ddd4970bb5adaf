//! The contenders that check in Redis.

use std::{error::Error, future::Future, pin::Pin, rc::Rc, time::Duration};

use ::redis::{Script, aio::MultiplexedConnection};
use sluicegate::{Charge, DenyCache, Fallback, Leased, Quota, Store};
use sluicegate_redis::RedisStore;
use sluicegate_test_servers::RedisServer;
use tokio::runtime::Handle;

/// A contender that checks in Redis, over its own connection.
pub trait Check {
    /// The contender's name in the table.
    fn name(&self) -> &'static str;

    /// The same for another caller: they share the connection.
    fn again(&self) -> Box<dyn Check>;

    /// Checks a request of this key; panics where the answer is not as it must be.
    fn check(&self, key: u32) -> Pin<Box<dyn Future<Output = ()> + '_>>;
}

/// The obvious first version: the script of one token bucket, called over a multiplexed connection.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "nobody prints a contender")]
pub struct Bare {
    connection: MultiplexedConnection,
    script: Script,
}

impl Bare {
    /// A connection of its own.
    ///
    /// # Errors
    ///
    /// When Redis does not answer.
    pub async fn connect(url: &str) -> Result<Self, Box<dyn Error>> {
        let connection = ::redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        Ok(Self { connection, script: Script::new(GCRA) })
    }
}

impl Check for Bare {
    fn name(&self) -> &'static str {
        "bare script"
    }

    fn again(&self) -> Box<dyn Check> {
        Box::new(self.clone())
    }

    fn check(&self, key: u32) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            let mut call = self.script.prepare_invoke();
            call.key(format!("bare:{key:08}")).arg(INTERVAL_MICROS).arg(BURST_MICROS);
            let mut connection = self.connection.clone();
            let (allowed, _): (i64, i64) = call.invoke_async(&mut connection).await.expect("Redis answers");
            assert_eq!(allowed, 1, "a quota that is never spent");
        })
    }
}

/// The store, with one or three limits on each key.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "nobody prints a contender")]
pub struct Ours {
    store: Rc<RedisStore>,
    limits: Vec<(&'static str, Quota)>,
}

impl Ours {
    /// A store of its own.
    ///
    /// # Errors
    ///
    /// When the URL is wrong.
    pub fn open(url: &str, limits: usize) -> Result<Self, Box<dyn Error>> {
        let store = RedisStore::builder(url)?.timeout(TIMEOUT).open(&Handle::current())?;
        let quota: Quota = "1000000/hour".parse()?;
        let names = ["rps", "rpm", "rpd"];
        Ok(Self {
            store: Rc::new(store),
            limits: names[..limits].iter().map(|name| (*name, quota)).collect(),
        })
    }
}

impl Check for Ours {
    fn name(&self) -> &'static str {
        if self.limits.len() == 1 { "sluicegate, one limit" } else { "sluicegate, three limits" }
    }

    fn again(&self) -> Box<dyn Check> {
        Box::new(self.clone())
    }

    fn check(&self, key: u32) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async move {
            let charge = |(name, quota): &(&str, Quota)| Charge::new(format!("{name}|{key:08}"), *quota);
            let charges: Vec<Charge> = self.limits.iter().map(charge).collect();
            let decision = self.store.take(&charges).await.expect("Redis answers");
            assert!(decision.is_allowed(), "a quota that is never spent");
        })
    }
}

/// The store behind an instance that spends hot keys' quotas in chunks, with one or three limits on one key.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "nobody prints a contender")]
pub struct Chunks {
    store: Rc<Leased<Fallback<DenyCache<RedisStore>>>>,
    charges: Vec<Charge>,
}

impl Chunks {
    /// A store of its own.
    ///
    /// # Errors
    ///
    /// When Redis does not answer.
    pub async fn open(url: &str, limits: usize) -> Result<Self, Box<dyn Error>> {
        let store = RedisStore::builder(url)?.timeout(TIMEOUT).open(&Handle::current())?;
        store.check().await?;
        let store = Leased::builder(Fallback::builder(DenyCache::builder(store).build()).build()).build();
        let quota: Quota = "1000000000/hour".parse()?;
        let names = ["rps", "rpm", "rpd"];
        let charges = names[..limits].iter().map(|name| Charge::new(format!("{name}|hot {limits}"), quota));
        Ok(Self { store: Rc::new(store), charges: charges.collect() })
    }
}

impl Check for Chunks {
    fn name(&self) -> &'static str {
        if self.charges.len() == 1 {
            "sluicegate, chunks, one limit"
        } else {
            "sluicegate, chunks, three limits"
        }
    }

    fn again(&self) -> Box<dyn Check> {
        Box::new(self.clone())
    }

    fn check(&self, _: u32) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async {
            let decision = self.store.take(&self.charges).await.expect("Redis answers");
            assert!(decision.is_allowed(), "a quota that is never spent");
        })
    }
}

/// The store behind its memory of denials, with one hot key that is over its limit.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "nobody prints a contender")]
pub struct Denied {
    store: Rc<DenyCache<RedisStore>>,
    charges: [Charge; 1],
}

impl Denied {
    /// A store of its own, in which the key has spent its hour.
    ///
    /// # Errors
    ///
    /// When Redis does not answer.
    pub async fn open(url: &str) -> Result<Self, Box<dyn Error>> {
        let store = RedisStore::builder(url)?.timeout(TIMEOUT).open(&Handle::current())?;
        let store = DenyCache::builder(store).build();
        let quota: Quota = "1/hour".parse()?;
        let charges = [Charge::new("rph|attacker", quota)];
        while store.take(&charges).await?.is_allowed() {}
        Ok(Self { store: Rc::new(store), charges })
    }
}

impl Check for Denied {
    fn name(&self) -> &'static str {
        "sluicegate, denied hot key"
    }

    fn again(&self) -> Box<dyn Check> {
        Box::new(self.clone())
    }

    fn check(&self, _: u32) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async {
            let decision = self.store.take(&self.charges).await.expect("Redis answers");
            assert!(!decision.is_allowed(), "a quota that is spent");
        })
    }
}

/// Seconds of processor time that Redis has used so far.
///
/// # Panics
///
/// If it does not tell.
#[must_use]
pub fn processor_time(server: &RedisServer) -> f64 {
    let info = server.command(&["INFO", "cpu"]);
    let lines = info.lines().filter_map(|line| line.split_once(':'));
    let used = lines.filter(|(name, _)| matches!(*name, "used_cpu_sys" | "used_cpu_user"));
    used.map(|(_, seconds)| seconds.trim().parse::<f64>().expect("seconds")).sum()
}

/// Nobody is to give up on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(5);
/// One in 3.6 ms, and a million at once.
const INTERVAL_MICROS: u64 = 3_600;
const BURST_MICROS: u64 = 3_600_000_000;
/// The generic cell rate algorithm in whole microseconds, in as few calls as it takes.
const GCRA: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full_at = tonumber(redis.call('GET', KEYS[1]) or 0)
if full_at < now then full_at = now end
full_at = full_at + ARGV[1]
local wait = full_at - now - ARGV[2]
if wait > 0 then return {0, wait} end
redis.call('SET', KEYS[1], full_at, 'PX', math.ceil((full_at - now) / 1000))
return {1, full_at - now}
";

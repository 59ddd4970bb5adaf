//! Checks in Redis by two workers, each a thread with a runtime of its own. They share one store, which has a thread of its
//! own as in the gateway, or each has a store and a connection.
//!
//!     cargo bench -p sluicegate-bench --bench redis_workers        # a minute; needs redis-server
//!
//! Both are measured in turn in each of the rounds, and the table has medians of the rounds.

#![expect(clippy::print_stdout, reason = "a report is printed")]

use std::{
    error::Error,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use sluicegate::{Charge, Quota, Store};
use sluicegate_bench::{median, redis::processor_time};
use sluicegate_redis::RedisStore;
use sluicegate_test_servers::RedisServer;
use tokio::{runtime::Runtime, task::LocalSet};

fn main() -> Result<(), Box<dyn Error>> {
    let server = RedisServer::start();
    println!("| callers | stores | checks/s | ratio | Redis, µs | ratio |\n|---|---|---|---|---|---|");
    for callers in [2, 32, 256] {
        let mut rounds: [Vec<[f64; 2]>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            rounds[0].push(round(&server, callers, true)?);
            rounds[1].push(round(&server, callers, false)?);
        }
        for (name, of) in ["one for both workers", "one for each worker"].iter().zip(&rounds) {
            let [rate, work] = [0, 1].map(|what| median(of.iter().map(|round| round[what])));
            let [rates, works] = [0, 1].map(|what| {
                median(of.iter().zip(&rounds[0]).map(|(round, shared)| round[what] / shared[what]))
            });
            println!("| {callers} | {name} | {rate:.0} | {rates:.2} | {work:.2} | {works:.2} |");
        }
    }
    Ok(())
}

/// Checks a second, and microseconds of Redis' processor time for each.
#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn round(server: &RedisServer, callers: u32, shared: bool) -> Result<[f64; 2], Box<dyn Error>> {
    let background = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let open =
        |runtime: &Runtime| RedisStore::builder(&server.url())?.timeout(TIMEOUT).open(runtime.handle());
    let common = shared.then(|| open(&background).map(Arc::new)).transpose()?;
    let mut workers = Vec::new();
    for worker in 0..WORKERS {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let store = match &common {
            Some(common) => Arc::clone(common),
            None => Arc::new(open(&runtime)?),
        };
        workers.push((worker, runtime, store));
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let background = thread::spawn(move || background.block_on(stopped));
    let work = processor_time(server);
    let began = Instant::now();
    let end = began + LENGTH;
    let threads: Vec<_> = workers
        .into_iter()
        .map(|(worker, runtime, store)| {
            thread::spawn(move || {
                LocalSet::new().block_on(&runtime, async {
                    let callers = worker * callers / WORKERS..(worker + 1) * callers / WORKERS;
                    let callers = callers
                        .map(|caller| tokio::task::spawn_local(check_until(end, Arc::clone(&store), caller)));
                    let mut checks = 0;
                    for caller in callers.collect::<Vec<_>>() {
                        checks += caller.await.expect("no check panics");
                    }
                    checks
                })
            })
        })
        .collect();
    let mut checks = 0;
    for thread in threads {
        checks += thread.join().expect("no worker panics");
    }
    let (elapsed, work, checks) =
        (began.elapsed().as_secs_f64(), processor_time(server) - work, f64::from(checks));
    drop(stop);
    drop(background.join());
    Ok([checks / elapsed, work / checks * 1e6])
}

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
async fn check_until(end: Instant, store: Arc<RedisStore>, caller: u32) -> u32 {
    let quota = Quota::per_hour(1_000_000);
    let mut random = caller.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut checks = 0;
    while Instant::now() < end {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let charges =
            ["rps", "rpm", "rpd"].map(|name| Charge::new(format!("{name}|{:08}", random % KEYS), quota));
        let decision = store.take(&charges).await.expect("Redis answers");
        assert!(decision.is_allowed(), "a quota that is never spent");
        checks += 1;
    }
    checks
}

const WORKERS: u32 = 2;
const ROUNDS: usize = 7;
const LENGTH: Duration = Duration::from_secs(1);
/// No check is to fail on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(5);
const KEYS: u32 = 10_000;

//! Checks in Redis: `RedisStore` beside the bare call of a script of one limit.
//!
//!     cargo bench -p sluicegate-bench --bench redis                # two minutes; needs redis-server
//!     cargo bench -p sluicegate-bench --bench redis -- 32          # only with so many callers
//!     cargo bench -p sluicegate-bench --bench redis -- three       # only contenders of such names, beside the bare script
//!     cargo bench -p sluicegate-bench --bench redis -- --short     # to see that it works
//!
//! All contenders ask one Redis over one connection each, from one thread, and are measured in turn in each of the
//! rounds. The table has medians of the rounds, and as ratios the medians of the rounds' own ratios.

#![expect(clippy::print_stdout, reason = "a report is printed")]

use std::{
    env,
    error::Error,
    time::{Duration, Instant},
};

use sluicegate_bench::{
    median,
    redis::{Bare, Check, Chunks, Denied, Ours, processor_time},
};
use sluicegate_test_servers::RedisServer;
use tokio::task::LocalSet;

fn main() -> Result<(), Box<dyn Error>> {
    let short = env::args().any(|argument| argument == "--short");
    let only = env::args().find_map(|argument| argument.parse::<u32>().ok());
    let (rounds, length) = if short { (3, Duration::from_millis(200)) } else { (7, Duration::from_secs(1)) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let named: Vec<String> =
        env::args().skip(1).filter(|name| !name.starts_with('-') && name.parse::<u32>().is_err()).collect();
    LocalSet::new().block_on(&runtime, measure(only, &named, rounds, length))
}

async fn measure(
    only: Option<u32>,
    named: &[String],
    rounds: usize,
    length: Duration,
) -> Result<(), Box<dyn Error>> {
    let server = RedisServer::start();
    let url = server.url();
    let mut contenders: Vec<Box<dyn Check>> = vec![
        Box::new(Bare::connect(&url).await?),
        Box::new(Ours::open(&url, 1)?),
        Box::new(Ours::open(&url, 3)?),
        Box::new(Chunks::open(&url, 1).await?),
        Box::new(Chunks::open(&url, 3).await?),
        Box::new(Denied::open(&url).await?),
    ];
    let bare = contenders[0].name();
    let asked = |name: &str| named.is_empty() || named.iter().any(|part| name.contains(part));
    contenders.retain(|contender| contender.name() == bare || asked(contender.name()));
    println!(
        "| callers | contender | checks/s | ratio | p50, µs | ratio | p99, µs | Redis, µs | ratio |\n\
         |---|---|---|---|---|---|---|---|---|"
    );
    for callers in [1, 32, 256] {
        if only.is_some_and(|only| only != callers) {
            continue;
        }
        let mut results: Vec<Vec<Round>> = contenders.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (contender, results) in contenders.iter().zip(&mut results) {
                results.push(round(&server, &**contender, callers, length).await);
            }
        }
        for (contender, of) in contenders.iter().zip(&results) {
            let rates = median(of.iter().zip(&results[0]).map(|(one, bare)| one.rate / bare.rate));
            let times = median(of.iter().zip(&results[0]).map(|(one, bare)| one.p50 / bare.p50));
            let works = median(of.iter().zip(&results[0]).map(|(one, bare)| one.work / bare.work));
            println!(
                "| {callers} | {} | {:.0} | {rates:.2} | {:.1} | {times:.2} | {:.1} | {:.2} | {works:.2} |",
                contender.name(),
                median(of.iter().map(|round| round.rate)),
                median(of.iter().map(|round| round.p50)),
                median(of.iter().map(|round| round.p99)),
                median(of.iter().map(|round| round.work)),
            );
        }
    }
    Ok(())
}

struct Round {
    /// Checks a second, of all callers.
    rate: f64,
    /// Microseconds of one check.
    p50: f64,
    p99: f64,
    /// Microseconds of Redis' processor time for one check. Other work on the machine hardly changes it.
    work: f64,
}

/// So many callers, each asking again as soon as it is answered.
#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
async fn round(server: &RedisServer, contender: &dyn Check, callers: u32, length: Duration) -> Round {
    let work = processor_time(server);
    let began = Instant::now();
    let end = began + length;
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let contender = contender.again();
            tokio::task::spawn_local(async move {
                let mut random = caller.wrapping_mul(2_654_435_761).wrapping_add(1);
                let mut times = Vec::new();
                let mut now = Instant::now();
                while now < end {
                    random ^= random << 13;
                    random ^= random >> 17;
                    random ^= random << 5;
                    contender.check(random % KEYS).await;
                    let answered = Instant::now();
                    times.push((answered - now).as_secs_f64() * 1e6);
                    now = answered;
                    if times.len() % 64 == 0 {
                        // Who is answered without waiting lets others run, too.
                        tokio::task::yield_now().await;
                    }
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("no check panics"));
    }
    let elapsed = began.elapsed().as_secs_f64();
    let work = processor_time(server) - work;
    times.sort_by(f64::total_cmp);
    let checks = times.iter().map(|_| 1.0).sum::<f64>();
    Round {
        rate: checks / elapsed,
        p50: times[times.len() / 2],
        p99: times[times.len() * 99 / 100],
        work: work / checks * 1e6,
    }
}

/// As many accounts as a busy service has at a time.
const KEYS: u32 = 10_000;

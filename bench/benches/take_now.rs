//! Checks in memory: `take_now` beside `governor` with `String` keys.
//!
//!     cargo bench -p sluicegate-bench                # three minutes, 3 GB of memory
//!     cargo bench -p sluicegate-bench -- hot         # only the lines of this name
//!     cargo bench -p sluicegate-bench -- --short     # ten seconds, to see that it works
//!
//! Both contenders get the same keys in the same random order, drawn beforehand, and are measured in turn in each of
//! the rounds. A round's time is the median of its batches; the table has the median of the rounds, and as the ratio
//! the median of the rounds' own ratios. Ours includes
//! making the charge from the text, hashing, reading the clock, and the balance; governor's all that it does.

#![expect(clippy::print_stdout, reason = "a report is printed")]

use std::{env, error::Error, hint::black_box, sync::Barrier, thread, time::Instant};

use sluicegate_bench::{
    Contender, Draw, Governor, Path, Sluicegate, Traffic, child, footprint, keys, median,
};

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(bytes) = child() {
        println!("{bytes}");
        return Ok(());
    }
    let short = env::args().any(|argument| argument == "--short");
    let only = env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    let (rounds, scale) = if short { (3, 100) } else { (5, 1) };

    println!("| keys | path | threads | sluicegate, ns | governor, ns | ratio |\n|---|---|---|---|---|---|");
    for (name, draw, count, draws) in [
        ("one, hot", Draw::Uniform, 1, 1_000_000),
        ("10 thousand, uniform", Draw::Uniform, 10_000, 1_000_000),
        ("1 million, Zipf(1)", Draw::Zipf, 1_000_000, 1_000_000),
        ("1 million, uniform", Draw::Uniform, 1_000_000, 500_000),
        ("10 million, uniform", Draw::Uniform, 10_000_000, 500_000),
    ] {
        if !name.contains(&only) {
            continue;
        }
        let count = (count / scale).max(1);
        let keys = keys(count);
        let traffic = [1, 2].map(|seed| Traffic::new(draw, count, rounds * draws / scale, seed));
        for path in [Path::Allow, Path::Deny] {
            let contenders = (warm::<Sluicegate>(&keys, path), warm::<Governor>(&keys, path));
            for threads in [1, 2] {
                let times: Vec<(f64, f64)> = (0..rounds)
                    .map(|round| {
                        let slices: Vec<_> =
                            traffic[..threads].iter().map(|traffic| traffic.round(round, rounds)).collect();
                        (
                            nanoseconds(&contenders.0, &keys, &slices, path),
                            nanoseconds(&contenders.1, &keys, &slices, path),
                        )
                    })
                    .collect();
                let ours = median(times.iter().map(|(ours, _)| *ours));
                let theirs = median(times.iter().map(|(_, theirs)| *theirs));
                let ratio = median(times.iter().map(|(ours, theirs)| ours / theirs));
                println!("| {name} | {} | {threads} | {ours:.1} | {theirs:.1} | {ratio:.2} |", path.name());
            }
        }
    }

    if "three limits, hot".contains(&only) {
        println!("\n| limits | path | three in one take, ns | one, ns | ratio |\n|---|---|---|---|---|");
        for path in [Path::Allow, Path::Deny] {
            let contender = Sluicegate::new(1_000, path);
            let key = "user:00000000001".to_owned();
            let times: Vec<(f64, f64)> = (0..rounds * 4_000 / scale)
                .map(|_| {
                    let three = nanoseconds_of_repeats(|| contender.check_three(black_box(&key)));
                    (three, nanoseconds_of_repeats(|| contender.check(black_box(&key))))
                })
                .collect();
            let three = median(times.iter().map(|(three, _)| *three));
            let one = median(times.iter().map(|(_, one)| *one));
            let ratio = median(times.iter().map(|(three, one)| three / one));
            println!("| three limits, hot | {} | {three:.1} | {one:.1} | {ratio:.2} |", path.name());
        }
    }

    println!("\n| keys | sluicegate, bytes per key | governor, bytes per key | ratio |\n|---|---|---|---|");
    for count in [1_000_000 / scale, 10_000_000 / scale] {
        let (ours, theirs) = (footprint::<Sluicegate>(count)?, footprint::<Governor>(count)?);
        println!("| {count} | {ours:.1} | {theirs:.1} | {:.2} |", ours / theirs);
    }
    Ok(())
}

/// A contender that has seen every key.
fn warm<C: Contender>(keys: &[String], path: Path) -> C {
    let contender = C::new(keys.len(), path);
    for key in keys {
        black_box(contender.check(key));
    }
    contender
}

/// Nanoseconds per check, on each of as many threads as there are slices of traffic.
///
/// The median of batches, so that a thread's time off the processor falls on one batch and not on all: other programs
/// run on most machines.
fn nanoseconds<C: Contender>(contender: &C, keys: &[String], traffic: &[&[u32]], path: Path) -> f64 {
    let start = Barrier::new(traffic.len());
    let run = |indices: &[u32]| {
        start.wait();
        median(indices.chunks(BATCH).map(|batch| nanoseconds_of_batch(contender, keys, batch, path)))
    };
    let times: Vec<f64> = match traffic {
        [only] => vec![run(only)],
        _ => thread::scope(|scope| {
            let threads: Vec<_> = traffic.iter().map(|indices| scope.spawn(|| run(indices))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no check panics")).collect()
        }),
    };
    median(times.into_iter())
}

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn nanoseconds_of_batch<C: Contender>(contender: &C, keys: &[String], batch: &[u32], path: Path) -> f64 {
    // A request's key has just been read from the request: fetching it from memory is not the limiter's work.
    let keys: Vec<String> = batch.iter().map(|index| keys[*index as usize].clone()).collect();
    let began = Instant::now();
    let passed = keys.iter().filter(|key| contender.check(key)).count();
    let elapsed = began.elapsed().as_secs_f64();
    let expected = if path == Path::Allow { batch.len() } else { 0 };
    // A table as full as it is made for has forgotten fewer than one account in a thousand.
    assert!(passed.abs_diff(expected) <= BATCH / 50, "{} took a side path", C::NAME);
    elapsed * 1e9 / batch.iter().map(|_| 1.0).sum::<f64>()
}

/// Nanoseconds per check, of a batch of the same.
#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn nanoseconds_of_repeats(mut check: impl FnMut() -> bool) -> f64 {
    let began = Instant::now();
    for _ in 0..BATCH {
        black_box(check());
    }
    began.elapsed().as_secs_f64() * 1e9 / (0..BATCH).map(|_| 1.0).sum::<f64>()
}

/// Checks that are timed together.
const BATCH: usize = 500;

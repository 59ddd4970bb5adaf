//! Memory per key, measured in a fresh process, so that nothing was allocated before.

use std::{env, fs, io, process::Command};

use crate::{Contender, Governor, Path, Sluicegate};

/// Bytes of resident memory per key, once so many keys were checked.
///
/// # Errors
///
/// When the child process does not start or prints no number.
pub fn footprint<C: Contender>(keys: usize) -> io::Result<f64> {
    let output = Command::new(env::current_exe()?).args([CHILD, C::NAME, &keys.to_string()]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| io::Error::other(format!("no number: {text}")))
}

/// Returns the number for this process to print if it was started as such a child.
#[must_use]
pub fn child() -> Option<f64> {
    let mut arguments = env::args().skip_while(|argument| argument != CHILD).skip(1);
    let (name, keys) = (arguments.next()?, arguments.next()?.parse().ok()?);
    match name.as_str() {
        Sluicegate::NAME => growth::<Sluicegate>(keys),
        Governor::NAME => growth::<Governor>(keys),
        _ => None,
    }
}

fn growth<C: Contender>(keys: usize) -> Option<f64> {
    let contender = C::new(keys, Path::Allow);
    // The first check sets up what does not grow: thread locals, the clock.
    contender.check(&"warm".to_owned());
    let before = resident()?;
    let mut key = String::with_capacity(16);
    for index in 0..keys {
        use std::fmt::Write as _;
        key.clear();
        write!(key, "user:{index:011}").ok()?;
        assert!(contender.check(&key), "every first request passes");
    }
    let grown = u32::try_from(resident()?.saturating_sub(before) / 1024).ok()?;
    Some(f64::from(grown) * 1024.0 / f64::from(u32::try_from(keys).ok()?))
}

/// Bytes of memory that this process has in use.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

const CHILD: &str = "--footprint";

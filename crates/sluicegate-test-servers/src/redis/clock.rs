//! A server's own clock, which a test sets.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The environment of a server that goes by a clock of its own: the machine's, plus the seconds in a file in `folder`.
///
/// # Panics
///
/// When libfaketime is not installed; the message says how to have it.
pub(super) fn environment(folder: &Path) -> Vec<(&'static str, OsString)> {
    // jemalloc, with which Debian links Redis, asks the time while it allocates, and libfaketime allocates while it is
    // asked. glibc's own allocator does not, and this part of glibc puts it in jemalloc's place.
    let mut preload = OsString::from("libc_malloc_debug.so.0 ");
    preload.push(library());
    vec![
        ("LD_PRELOAD", preload),
        ("FAKETIME_TIMESTAMP_FILE", folder.join(CLOCK).into()),
        ("FAKETIME_NO_CACHE", "1".into()),
        // Setting a clock changes nothing about how time passes.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
    ]
}

/// Sets the clock of the server in `folder` so many seconds ahead of the machine's, or behind it.
pub(super) fn set(folder: &Path, ahead: i64) {
    let (clock, next) = (folder.join(CLOCK), folder.join("clock.next"));
    // Renamed, so that the server never reads half of it.
    fs::write(&next, format!("{ahead:+}\n"))
        .and_then(|()| fs::rename(&next, &clock))
        .expect("the folder is ours");
}

/// Returns `true` if a server that answered `TIME` like this is so many seconds ahead.
pub(super) fn shows(time: &str, ahead: i64) -> bool {
    let machine = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let Some(server) = time.lines().next().and_then(|seconds| seconds.parse::<i64>().ok()) else {
        return false;
    };
    // A second may end between the two readings.
    i64::try_from(machine.as_secs()).is_ok_and(|machine| (server - machine - ahead).abs() <= 1)
}

fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|folder| folder.path());
    let mut files = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    files
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("libfaketime is not installed; ./test installs it (Debian: faketime)"))
}

const CLOCK: &str = "clock";

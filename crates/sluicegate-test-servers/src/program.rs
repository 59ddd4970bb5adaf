//! Programs that the machine has.

use std::{env, path::PathBuf};

/// Finds a program on the PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The same.
///
/// # Panics
///
/// When it is not installed; the message says how to have it.
pub(crate) fn require(program: &str) -> PathBuf {
    find(program).unwrap_or_else(|| {
        panic!("{program} is not installed; ./test installs it (Debian: {program})");
    })
}

/// The server of Redis that tests start unless they name another: the value of `SLUICEGATE_TEST_REDIS`, a name on the
/// PATH or an absolute path.
pub(crate) fn redis() -> String {
    env::var("SLUICEGATE_TEST_REDIS").unwrap_or_else(|_| "redis-server".to_owned())
}

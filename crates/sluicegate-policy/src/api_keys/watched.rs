//! `WatchedKeys`.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{ApiKeys, ApiKeysError};
use crate::Tiers;

/// A file of API keys, which is read again when it has changed.
///
/// ```
/// use sluicegate_policy::{KeyFile, Policy, Source, UtcTime, WatchedKeys};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("keys.toml");
/// let tiers = Policy::parse(&Source::empty())?.tiers;
/// let mut watched = WatchedKeys::at(&path);
/// assert!(watched.changed(&tiers).is_some_and(|keys| keys.is_err()));
/// assert!(watched.changed(&tiers).is_none());
///
/// KeyFile::at(&path).add("acme", None, UtcTime::from_unix(1_800_000_000))?;
/// assert!(watched.changed(&tiers).is_some_and(|keys| keys.is_ok()));
/// assert!(watched.changed(&tiers).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct WatchedKeys {
    path: PathBuf,
    /// The version that was read last, or found to be missing; none before the first look.
    seen: Option<Option<Version>>,
}

impl WatchedKeys {
    /// Watches the file at `path`, which has not been looked at yet.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: None }
    }

    /// The keys that are in the file now, for a policy with these tiers, if it is another file than at the last look; at the
    /// first it always is. A file that cannot be read or understood is told once, and then not before it has changed.
    pub fn changed(&mut self, tiers: &Tiers) -> Option<Result<ApiKeys, ApiKeysError>> {
        // The version before the keys: what is written in between is another version at the next look.
        let version = Version::of(&self.path);
        if self.seen == Some(version) {
            return None;
        }
        self.seen = Some(version);
        Some(ApiKeys::load_for(&self.path, tiers))
    }
}

/// What tells one version of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

impl Version {
    /// The version now; `None` if there is no file.
    fn of(path: &Path) -> Option<Version> {
        let metadata = fs::metadata(path).ok()?;
        let (inode, length) = (metadata.ino(), metadata.len());
        Some(Version { inode, length, modified: metadata.modified().ok() })
    }
}

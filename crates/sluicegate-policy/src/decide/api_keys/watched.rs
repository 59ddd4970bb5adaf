//! `WatchedKeys`.

use std::path::{Path, PathBuf};

use super::{ApiKeys, ApiKeysError};
use crate::{FileVersion, Tiers};

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
    seen: Option<Option<FileVersion>>,
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
        let version = FileVersion::of(&self.path);
        if self.seen == Some(version) {
            return None;
        }
        self.seen = Some(version);
        Some(ApiKeys::load_for(&self.path, tiers))
    }
}

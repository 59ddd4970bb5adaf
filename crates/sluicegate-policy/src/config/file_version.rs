//! Versions of a file.

use std::{fs, os::unix::fs::MetadataExt, path::Path, time::SystemTime};

/// A mark that distinguishes one version of a file from the next, without reading it.
///
/// ```
/// use sluicegate_policy::FileVersion;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("sluicegate.toml");
/// assert_eq!(FileVersion::of(&path), None);
/// std::fs::write(&path, "")?;
/// let first = FileVersion::of(&path);
/// assert_eq!(first, FileVersion::of(&path));
/// std::fs::write(&path, "[defaults]")?;
/// assert_ne!(first, FileVersion::of(&path));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileVersion {
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

impl FileVersion {
    /// The version now; `None` if there is no file.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        let (inode, length) = (metadata.ino(), metadata.len());
        Some(Self { inode, length, modified: metadata.modified().ok() })
    }
}

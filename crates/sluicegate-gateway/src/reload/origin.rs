//! The origin of the policy.

use std::path::{Path, PathBuf};

use sluicegate_policy::{Diagnostics, FileVersion, Overrides, Policy, Source};

/// The origin of the policy, so that it can be read again: a file or none, and the overrides.
#[derive(Clone, Debug)]
pub struct Origin {
    file: Option<PathBuf>,
    overrides: Overrides,
    /// The version that was read last, or found to be missing; none before the first look.
    read: Option<Option<FileVersion>>,
}

impl Origin {
    /// A policy in this file, with these settings over it; without a file it is made of them alone.
    #[must_use]
    pub fn new(file: Option<PathBuf>, overrides: Overrides) -> Self {
        Self { file, overrides, read: None }
    }

    /// Reads the policy as it is now.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, as [`Policy::load`] has it.
    pub fn read(&mut self) -> Result<Policy, Diagnostics> {
        let Some(file) = &self.file else {
            return Policy::parse(&Source::empty().with(self.overrides.clone()));
        };
        // The version before the text, so that a write in between is noticed at the next check.
        self.read = Some(FileVersion::of(file));
        Policy::load(file, self.overrides.clone())
    }

    /// The policy file.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The version that the file has now, if it is not the one that was read last.
    pub(crate) fn unread(&self) -> Option<Option<FileVersion>> {
        let version = FileVersion::of(self.file.as_deref()?);
        (self.read != Some(version)).then_some(version)
    }
}

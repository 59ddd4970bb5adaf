//! Errors in a file of API keys.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use crate::{Diagnostic, Place};

/// An error in a file of API keys: what is wrong, where, and what to do. It displays as
/// `keys.toml:12:9: what`.
#[derive(Debug)]
pub struct ApiKeysError {
    file: PathBuf,
    /// Line and column, from 1.
    place: Option<(usize, usize)>,
    message: String,
    source: Option<io::Error>,
}

impl ApiKeysError {
    pub(super) fn new(file: &Path, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place: None, message: message.into(), source: None }
    }

    /// Something is wrong at a byte of the file's text.
    pub(super) fn at(file: &Path, text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let place = (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1);
        Self { place: Some(place), ..Self::new(file, message) }
    }

    pub(super) fn io(file: &Path, what: &str, error: io::Error) -> Self {
        Self { message: format!("{what}: {error}"), source: Some(error), ..Self::new(file, "") }
    }
}

impl ApiKeysError {
    /// Returns the reason that the file could not be read, if that is the error.
    #[must_use]
    pub fn io_error(&self) -> Option<&io::Error> {
        self.source.as_ref()
    }
}

impl From<&ApiKeysError> for Diagnostic {
    fn from(error: &ApiKeysError) -> Self {
        let file = error.file.display().to_string().into();
        let place = match error.place {
            Some((line, column)) => Place::At { file, line, column },
            None => Place::File(file),
        };
        Self { place, message: error.message.clone(), help: None }
    }
}

impl fmt::Display for ApiKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for ApiKeysError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

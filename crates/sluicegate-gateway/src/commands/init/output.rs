//! The file that `init` writes.

use std::{
    error::Error,
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

/// The place of the policy: a file, or standard output.
pub(super) struct Output {
    file: Option<PathBuf>,
    force: bool,
}

impl Output {
    /// A file that does not exist yet, unless `force` is set.
    ///
    /// # Errors
    ///
    /// When there is such a file: before a question is asked in vain.
    pub(super) fn new(path: &Path, force: bool) -> Result<Self, Box<dyn Error>> {
        let file = (path != Path::new("-")).then(|| path.to_owned());
        match &file {
            Some(file) if !force && file.exists() => Err(exists(file).into()),
            _ => Ok(Self { file, force }),
        }
    }

    /// The file, if it is not standard output.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Writes the text. A file is replaced whole, so that a gateway that reads it meanwhile sees the old policy or the new
    /// one.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or has come into being meanwhile.
    pub(super) fn write(&self, text: &str) -> Result<(), Box<dyn Error>> {
        let Some(file) = &self.file else { return Ok(io::stdout().write_all(text.as_bytes())?) };
        let written = if self.force { replace(file, text) } else { create(file, text) };
        written.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists if !self.force => exists(file).into(),
            _ => format!("{}: cannot be written: {error}", file.display()).into(),
        })
    }
}

fn create(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(file)?.write_all(text.as_bytes())
}

fn replace(file: &Path, text: &str) -> io::Result<()> {
    // A link to the file stays a link.
    let target = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let mut beside = target.clone().into_os_string();
    beside.push(".new");
    let replaced = fs::write(&beside, text)
        .and_then(|()| fs::metadata(&target))
        .and_then(|old| fs::set_permissions(&beside, old.permissions()))
        .or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
        .and_then(|()| fs::rename(&beside, &target));
    if replaced.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    replaced
}

fn exists(file: &Path) -> String {
    format!(
        "{} exists, and is left as it is\n  help: name another file with --output, or replace it with --force",
        file.display()
    )
}

//! Adds keys to the file of API keys and revokes them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use super::{ApiKey, ApiKeys, ApiKeysError, Secret, read, written};
use crate::UtcTime;

/// The file of API keys, to be edited.
///
/// An edit changes its own lines and nothing else: comments, order and blank lines stay as their author left
/// them. The file is replaced whole, so that a gateway that reads it meanwhile sees either the old keys or the
/// new ones. Only its owner, and the group that could already read it, can read it.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// The file at `path`; it need not be there yet.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// All keys, in the order of the file; none if there is no file.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is not a file of keys.
    pub fn list(&self) -> Result<Vec<ApiKey>, ApiKeysError> {
        Ok(ApiKeys::parse(&self.path, &self.text()?)?.iter().cloned().collect())
    }

    /// Makes a key for `tenant` and appends its hash. The key itself is in the answer and nowhere else.
    ///
    /// # Errors
    ///
    /// When a name has control characters or is empty, or the file cannot be read, understood or replaced.
    pub fn add(&self, tenant: &str, tier: Option<&str>, created: UtcTime) -> Result<Secret, ApiKeysError> {
        if !written::is_name(tenant) || !tier.is_none_or(written::is_name) {
            return Err(ApiKeysError::new(&self.path, written::NAME_RULE));
        }
        let edit = Edit::begin(&self.path)?;
        let mut text = self.text()?;
        let keys = ApiKeys::parse(&self.path, &text)?;
        let secret = loop {
            let secret = Secret::random().map_err(|error| {
                ApiKeysError::new(&self.path, format!("no randomness for a key: {error}"))
            })?;
            if keys.of(secret.id()).is_none() {
                break secret;
            }
        };
        if text.is_empty() {
            text.push_str(HEADING);
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let quoted = |name: &str| toml::Value::from(name).to_string();
        text.push_str(&format!("\n[[key]]\nid = \"{}\"\nsha256 = \"{}\"\n", secret.id(), secret.hash()));
        text.push_str(&format!("tenant = {}\n", quoted(tenant)));
        if let Some(tier) = tier {
            text.push_str(&format!("tier = {}\n", quoted(tier)));
        }
        text.push_str(&format!("created = {created}\n"));
        let added = ApiKeys::parse(&self.path, &text).is_ok_and(|now| {
            now.iter().len() == keys.iter().len() + 1 && now.verify(secret.as_str()).is_some()
        });
        if !added {
            return Err(ApiKeysError::new(&self.path, "ends in something that no `[[key]]` can follow"));
        }
        edit.finish(&text)?;
        Ok(secret)
    }

    /// Revokes the key called `id`: from now on it verifies no longer.
    ///
    /// # Errors
    ///
    /// When there is no such key, it is revoked already, or the file cannot be read, understood or replaced.
    pub fn revoke(&self, id: &str, now: UtcTime) -> Result<ApiKey, ApiKeysError> {
        let edit = Edit::begin(&self.path)?;
        let mut text = self.text()?;
        let keys = ApiKeys::parse(&self.path, &text)?;
        let Some(key) = keys.of(id) else {
            let message = format!("no key `{id}`; `sluicegate key list` shows all ids");
            return Err(ApiKeysError::new(&self.path, message));
        };
        if let Some(when) = key.revoked {
            return Err(ApiKeysError::new(&self.path, format!("key `{id}` was revoked at {when}")));
        }
        let end = written::end_of_id(&self.path, &text, id)?.unwrap_or(text.len());
        let line_end = text[end..].find('\n').map_or(text.len(), |newline| end + newline);
        text.insert_str(line_end, &format!("\nrevoked = {now}"));
        // A line after the id's is right for `[[key]]` tables and for nothing else that TOML allows.
        match ApiKeys::parse(&self.path, &text).ok().and_then(|keys| keys.of(id).cloned()) {
            Some(key) if key.revoked == Some(now) => {
                edit.finish(&text)?;
                Ok(ApiKey::clone(&key))
            }
            _ => {
                let message =
                    format!("write `revoked = {now}` into key `{id}` yourself: it is not a [[key]] table");
                Err(ApiKeysError::new(&self.path, message))
            }
        }
    }

    fn text(&self) -> Result<String, ApiKeysError> {
        match read(&self.path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(ApiKeysError::io(&self.path, "cannot be read", error)),
        }
    }
}

/// An edit that has begun: the new file beside the old one, which also keeps a second editor out.
struct Edit {
    /// The real place of the file: a link to it stays a link.
    target: PathBuf,
    beside: PathBuf,
    file: File,
    replaced: bool,
}

impl Edit {
    fn begin(path: &Path) -> Result<Self, ApiKeysError> {
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut beside = target.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        match OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&beside) {
            Ok(file) => Ok(Self { target, beside, file, replaced: false }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(ApiKeysError::new(
                path,
                format!("is being edited; if not, an edit was interrupted: remove {}", beside.display()),
            )),
            Err(error) => Err(ApiKeysError::io(path, "cannot be written", error)),
        }
    }

    fn finish(mut self, text: &str) -> Result<(), ApiKeysError> {
        self.write(text).map_err(|error| ApiKeysError::io(&self.target, "cannot be replaced", error))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        if let Ok(old) = fs::metadata(&self.target) {
            let new = self.file.metadata()?;
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                // An administrator's edit must not lock the gateway's own user out.
                fchown(&self.file, Some(old.uid()), Some(old.gid()))?;
            }
            self.file
                .set_permissions(fs::Permissions::from_mode(old.mode() & GROUP_MAY_READ | OWNER_ONLY))?;
        }
        self.file.sync_all()?;
        fs::rename(&self.beside, &self.target)?;
        self.replaced = true;
        Ok(())
    }
}

impl Drop for Edit {
    fn drop(&mut self) {
        // Once it has replaced the old file, whatever has its name is another editor's.
        if !self.replaced {
            let _ = fs::remove_file(&self.beside);
        }
    }
}

const OWNER_ONLY: u32 = 0o600;
const GROUP_MAY_READ: u32 = 0o040;
const HEADING: &str = "\
# API keys of Sluicegate. `sluicegate key new` adds one and shows it once: only its hash is kept here.
# Comments and order are yours: commands change only their own lines. A running gateway sees each change.
";

//! The known API keys, their owners, and their revocation.

mod error;
mod file;
mod secret;
mod watched;
mod written;

use std::{
    collections::HashMap,
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

pub use error::ApiKeysError;
pub use file::KeyFile;
pub use secret::Secret;
pub use watched::WatchedKeys;

use crate::{Tiers, UtcTime};
use secret::{Hash, id_of};

/// The API keys that are known: hashes, never the keys themselves.
///
/// ```
/// use sluicegate_policy::{ApiKeys, KeyFile, UtcTime};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("keys.toml");
/// let secret = KeyFile::at(&path).add("acme", Some("premium"), UtcTime::from_unix(1_800_000_000))?;
///
/// let keys = ApiKeys::load(&path)?;
/// let key = keys.verify(secret.as_str()).expect("it was just made");
/// assert_eq!((key.tenant.as_str(), key.tier.as_deref()), ("acme", Some("premium")));
/// assert!(keys.verify("sg_00000000_guessed").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ApiKeys {
    keys: Vec<Arc<ApiKey>>,
    by_id: HashMap<String, usize>,
}

impl ApiKeys {
    /// The largest file of keys: 64 MiB, some 300,000 keys.
    pub const MAX_BYTES: u64 = 64 << 20;

    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is larger than [`MAX_BYTES`](Self::MAX_BYTES), or is not a file of keys.
    pub fn load(path: &Path) -> Result<Self, ApiKeysError> {
        let text = read(path).map_err(|error| ApiKeysError::io(path, "cannot be read", error))?;
        Self::parse(path, &text)
    }

    /// Reads the file at `path` for a policy with these tiers.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); and when a key that is not revoked has a tier that the policy has not: its owner would
    /// be served as the default tier without notice.
    pub fn load_for(path: &Path, tiers: &Tiers) -> Result<Self, ApiKeysError> {
        let text = read(path).map_err(|error| ApiKeysError::io(path, "cannot be read", error))?;
        Ok(Self::new(written::parse(path, &text, Some(tiers))?))
    }

    /// Reads the text of the file at `path`, which only names it in errors.
    ///
    /// # Errors
    ///
    /// When it is not a file of keys, or names two keys alike.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ApiKeysError> {
        Ok(Self::new(written::parse(path, text, None)?))
    }

    fn new(keys: Vec<ApiKey>) -> Self {
        let by_id = keys.iter().enumerate().map(|(index, key)| (key.id.clone(), index)).collect();
        Self { keys: keys.into_iter().map(Arc::new).collect(), by_id }
    }

    /// The key that was presented, if it is known and not revoked.
    ///
    /// Takes the same time whether an id is unknown, its secret wrong, or the key revoked.
    #[must_use]
    pub fn verify(&self, presented: &str) -> Option<&Arc<ApiKey>> {
        let named = id_of(presented).and_then(|id| self.of(id));
        let hash = Hash::of(presented);
        let expected = named.map_or_else(Hash::default, |key| key.hash);
        let matches = hash.matches(&expected);
        named.filter(|key| matches && key.revoked.is_none())
    }

    /// The key with this id, revoked or not.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<&Arc<ApiKey>> {
        self.by_id.get(id).and_then(|index| self.keys.get(*index))
    }

    /// All keys, in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ApiKey> {
        self.keys.iter().map(AsRef::as_ref)
    }
}

/// The facts about one API key.
#[derive(Clone)]
pub struct ApiKey {
    /// The key's public name, eight characters: it may be logged.
    pub id: String,
    /// The customer that owns the key.
    pub tenant: String,
    /// The tier that its owner pays for; the default tier if none is named.
    pub tier: Option<String>,
    /// The time when it was made.
    pub created: UtcTime,
    /// The time when it was revoked, if it was: from then on it fails to verify.
    pub revoked: Option<UtcTime>,
    hash: Hash,
}

impl ApiKey {
    /// A key of which no more is known than its owner, as a log tells. No secret verifies as this key.
    #[must_use]
    pub fn recorded(id: impl Into<String>, tenant: impl Into<String>) -> Self {
        let created = UtcTime::from_unix(0);
        Self {
            id: id.into(),
            tenant: tenant.into(),
            tier: None,
            created,
            revoked: None,
            hash: Hash::default(),
        }
    }
}

impl fmt::Debug for ApiKey {
    /// Without the hash: a log is read by more people than the file of keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("id", &self.id)
            .field("tenant", &self.tenant)
            .field("tier", &self.tier)
            .field("created", &self.created)
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One byte more than may be: a file that grows while it is read is found out too.
    let read = File::open(path)?.take(ApiKeys::MAX_BYTES + 1).read_to_string(&mut text)?;
    match u64::try_from(read) {
        Ok(bytes) if bytes <= ApiKeys::MAX_BYTES => Ok(text),
        _ => Err(io::Error::other("larger than 64 MiB")),
    }
}

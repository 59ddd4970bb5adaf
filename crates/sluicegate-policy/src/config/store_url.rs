//! The store: the place of balances.

use std::{fmt, str::FromStr};

use crate::{
    Hidden,
    config::{diagnostic::did_you_mean, hidden::MASK},
};

/// The place of balances, by its URL. Its password is hidden unless it is [revealed](Self::reveal).
///
/// Only the scheme has been read: what stands behind it is for the store to understand.
///
/// ```
/// use sluicegate_policy::{StoreKind, StoreUrl};
///
/// let url: StoreUrl = "rediss://limiter:hunter2@cache:6379/0".parse()?;
/// assert_eq!((url.kind(), url.is_encrypted()), (StoreKind::Redis, true));
/// assert_eq!(url.to_string(), "rediss://limiter:***@cache:6379/0");
/// assert_eq!(url.reveal(), "rediss://limiter:hunter2@cache:6379/0");
/// # Ok::<(), sluicegate_policy::StoreUrlError>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct StoreUrl {
    kind: StoreKind,
    text: Hidden,
}

/// The kind of store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StoreKind {
    /// This process.
    Memory,
    /// Redis or Valkey: one server, Sentinel or Cluster.
    Redis,
    /// Memcached.
    Memcached,
}

impl StoreUrl {
    /// The URL of this process's memory.
    #[must_use]
    pub fn memory() -> Self {
        Self { kind: StoreKind::Memory, text: Hidden::from(MEMORY) }
    }

    /// The kind of store.
    #[must_use]
    pub fn kind(&self) -> StoreKind {
        self.kind
    }

    /// Returns `true` if connections to it use TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        let scheme = self.scheme();
        scheme.starts_with("rediss") || scheme.starts_with("valkeys")
    }

    /// The part before `://`, in lower case.
    #[must_use]
    pub fn scheme(&self) -> String {
        self.text.reveal().split(':').next().unwrap_or_default().to_ascii_lowercase()
    }

    /// The whole URL, with its password.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.text.reveal()
    }
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    /// The errors never repeat what may be a password.
    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        let wrong = |message: String, help: String| Err(StoreUrlError { message, help });
        if MEMORY.strip_prefix(text).is_some_and(|rest| matches!(rest, "" | "//" | "://")) {
            return Ok(Self::memory());
        }
        let is_scheme = |text: &&str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        };
        let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
            return wrong("a store is a URL with a scheme".to_owned(), every_scheme());
        };
        let known = scheme.to_ascii_lowercase();
        let known = known.strip_prefix("valkey").map_or(known.clone(), |rest| format!("redis{rest}"));
        let kind = match known.as_str() {
            "memory" if rest.is_empty() => StoreKind::Memory,
            "memory" => {
                return wrong(
                    "nothing stands behind memory://".to_owned(),
                    format!("write it as \"{MEMORY}\""),
                );
            }
            "memcached" => StoreKind::Memcached,
            redis if REDIS.contains(&redis) => StoreKind::Redis,
            _ => {
                let schemes = schemes();
                let help = did_you_mean(&format!("{scheme}://"), schemes.iter().map(String::as_str));
                return wrong(format!("unknown store `{scheme}://`"), help.unwrap_or_else(every_scheme));
            }
        };
        Ok(Self { kind, text: Hidden::from(text) })
    }
}

/// The URL without its password.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&masked(self.text.reveal()))
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&masked(self.text.reveal()), f)
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Memory => "memory",
            Self::Redis => "Redis",
            Self::Memcached => "Memcached",
        })
    }
}

/// An invalid URL of a store, and what would be right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoreUrlError {
    /// The error.
    pub message: String,
    /// The remedy.
    pub help: String,
}

impl fmt::Display for StoreUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.help)
    }
}

impl std::error::Error for StoreUrlError {}

/// The URL with `***` for its password, however carelessly that is written.
fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return MASK.to_owned() };
    // Only a socket's parameters may hold an `@`; elsewhere the last one ends a login that may hold anything.
    let (login, place) = if scheme.to_ascii_lowercase().ends_with("+unix") {
        let path = rest.find('?').unwrap_or(rest.len());
        rest[..path].rfind('@').map_or(("", rest), |at| rest.split_at(at + 1))
    } else {
        rest.rfind('@').map_or(("", rest), |at| rest.split_at(at + 1))
    };
    if login.contains('?') {
        // Where the password ends depends on who reads it.
        return format!("{scheme}://{MASK}");
    }
    let mut shown = format!("{scheme}://");
    if !login.is_empty() {
        // What has no colon may be a password that lacks it.
        let plain = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        let user = login.split_once(':').map(|(user, _)| user).filter(plain);
        shown.extend(user.map(|user| [user, ":"]).into_iter().flatten().chain([MASK, "@"]));
    }
    let (place, parameters) = place.split_once('?').map_or((place, None), |(place, all)| (place, Some(all)));
    shown.push_str(place);
    for (index, parameter) in parameters.into_iter().flat_map(|all| all.split('&')).enumerate() {
        shown.push(if index == 0 { '?' } else { '&' });
        match parameter.split_once('=') {
            Some(("db" | "username", _)) => shown.push_str(parameter),
            Some((name, _)) => shown.extend([name, "=", MASK]),
            None => shown.push_str(MASK),
        }
    }
    shown
}

fn schemes() -> Vec<String> {
    ["memory", "memcached", "valkey", "valkeys"]
        .iter()
        .chain(&REDIS)
        .map(|scheme| format!("{scheme}://"))
        .collect()
}

fn every_scheme() -> String {
    let redis = REDIS.map(|scheme| format!("{scheme}://")).join(", ");
    format!("the stores are {MEMORY}, {redis} and memcached://; for Valkey, write valkey instead of redis")
}

const MEMORY: &str = "memory://";
const REDIS: [&str; 7] =
    ["redis", "rediss", "redis+unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_of_writing_a_password_shows_it() {
        for (url, shown) in [
            ("redis://cache", "redis://cache"),
            ("redis://:hunter2@cache:6379/0", "redis://:***@cache:6379/0"),
            ("redis://hunter2@cache", "redis://***@cache"),
            ("rediss://me:hunter2@[::1]:6380", "rediss://me:***@[::1]:6380"),
            ("redis://me:hunter2/hunter2@hunter2@cache/1", "redis://me:***@cache/1"),
            ("redis://me:hunter2?hunter2@cache/1", "redis://***"),
            ("redis://cache:6379?password=hunter2@hunter2", "redis://***"),
            ("redis://:hunter2,hunter2@cache", "redis://:***@cache"),
            ("redis://cache?PASSWORD=hunter2&hunter2", "redis://cache?PASSWORD=***&***"),
            ("redis+unix:///run/redis.sock", "redis+unix:///run/redis.sock"),
            (
                "redis+unix:///run/redis.sock?db=1&username=me&password=hunter2@hunter2",
                "redis+unix:///run/redis.sock?db=1&username=me&password=***",
            ),
            ("redis+unix://:hunter2@/run/redis.sock", "redis+unix://:***@/run/redis.sock"),
            ("redis+sentinel://me:hunter2@a,b:1/main/2", "redis+sentinel://me:***@a,b:1/main/2"),
            ("valkey+cluster://me:hunter2@a,me:hunter2@b", "valkey+cluster://me:***@b"),
            ("memcached://me:hunter2@a,b", "memcached://me:***@a,b"),
        ] {
            let parsed: StoreUrl = url.parse().unwrap();
            assert_eq!((parsed.to_string().as_str(), format!("{parsed:?}")), (shown, format!("{shown:?}")));
            assert_eq!(parsed.reveal(), url);
        }
    }

    #[test]
    fn valkey_is_redis_and_an_s_is_tls() {
        let of = |url: &str| url.parse::<StoreUrl>().map(|url| (url.kind(), url.is_encrypted())).unwrap();
        for (url, expected) in [
            ("memory", (StoreKind::Memory, false)),
            ("memory://", (StoreKind::Memory, false)),
            ("valkey://a", (StoreKind::Redis, false)),
            ("VALKEYS://a", (StoreKind::Redis, true)),
            ("valkey+unix:///a", (StoreKind::Redis, false)),
            ("rediss+cluster://a", (StoreKind::Redis, true)),
            ("memcached://a,b", (StoreKind::Memcached, false)),
        ] {
            assert_eq!(of(url), expected, "{url}");
        }
    }
}

//! The address of Redis.

use std::{fmt, path::PathBuf};

use percent_encoding::percent_decode_str;
use sluicegate::StoreError;

/// The address of Redis and the login: a URL, taken apart.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) kind: Kind,
    pub(crate) tls: bool,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) db: i64,
}

/// The arrangement of the servers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// One server.
    One(Node),
    /// One server, on this machine.
    Unix(PathBuf),
    /// A primary that these sentinels know by this name.
    Sentinel(Vec<Node>, String),
    /// A cluster, of which these nodes are known.
    Cluster(Vec<Node>),
}

/// A server's name in messages, and its protocol.
#[derive(Clone, Debug)]
pub(crate) struct ServerInfo {
    pub(crate) name: String,
    pub(crate) tls: bool,
    pub(crate) db: i64,
    pub(crate) cluster: bool,
}

/// A host and a port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Node {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// Reads a URL. The errors never repeat it: it may hold a password.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let scheme = scheme.to_ascii_lowercase();
        let scheme = scheme.strip_prefix("valkey").map_or(scheme.clone(), |rest| format!("redis{rest}"));
        let (scheme, tls) = match scheme.strip_prefix("rediss") {
            Some(rest) => (format!("redis{rest}"), true),
            None => (scheme, false),
        };
        match (scheme.as_str(), tls) {
            ("redis" | "redis+sentinel" | "redis+cluster", _) => {}
            ("redis+unix", false) => return Self::unix(rest),
            ("redis+unix", true) => return Err(wrong("there is no TLS over a socket of this machine")),
            _ => return Err(wrong("its scheme is unknown")),
        }
        let (login, rest) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        if path.contains('?') || hosts.contains('?') {
            return Err(wrong("only redis+unix:// takes parameters behind a `?`"));
        }
        let port = if scheme == "redis+sentinel" { 26_379 } else { 6_379 };
        let nodes = hosts.split(',').map(|host| node(host, port)).collect::<Result<Vec<_>, _>>()?;
        let (kind, db) = match (scheme.as_str(), nodes.as_slice()) {
            ("redis", [node]) => (Kind::One(node.clone()), path),
            ("redis", _) => return Err(wrong("several hosts need redis+sentinel:// or redis+cluster://")),
            ("redis+sentinel", _) => {
                let (service, db) = path.split_once('/').unwrap_or((path, ""));
                if service.is_empty() {
                    return Err(wrong(
                        "it lacks the name that the sentinels know: redis+sentinel://HOST/NAME",
                    ));
                }
                (Kind::Sentinel(nodes, decoded(service)?), db)
            }
            _ => (Kind::Cluster(nodes), path),
        };
        let (username, password) = match login {
            None => (None, None),
            Some(login) => {
                let (username, password) = login.split_once(':').unwrap_or((login, ""));
                (text(username)?, text(password)?)
            }
        };
        Ok(Self { kind, tls, username, password, db: database(db)? })
    }

    /// Returns its name in messages, without the password.
    pub(crate) fn server_info(&self) -> ServerInfo {
        let cluster = matches!(self.kind, Kind::Cluster(_));
        ServerInfo { name: self.to_string(), tls: self.tls, db: self.db, cluster }
    }

    fn unix(rest: &str) -> Result<Self, StoreError> {
        let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        if !path.starts_with('/') {
            return Err(wrong("a socket's path begins with a slash: redis+unix:///run/redis.sock"));
        }
        let kind = Kind::Unix(PathBuf::from(decoded(path)?));
        let mut address = Self { kind, tls: false, username: None, password: None, db: 0 };
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("db", db)) => address.db = database(db)?,
                Some(("username", username)) => address.username = text(username)?,
                Some(("password", password)) => address.password = text(password)?,
                _ => return Err(wrong("redis+unix:// takes the parameters db, username and password")),
            }
        }
        Ok(address)
    }
}

/// The address, without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = |f: &mut fmt::Formatter<'_>, nodes: &[Node]| {
            nodes.iter().enumerate().try_for_each(|(index, node)| {
                f.write_str(if index > 0 { "," } else { "" })?;
                fmt::Display::fmt(node, f)
            })
        };
        match &self.kind {
            Kind::One(node) => fmt::Display::fmt(node, f),
            Kind::Unix(path) => path.display().fmt(f),
            Kind::Sentinel(sentinels, name) => {
                write!(f, "`{name}` of the sentinels ")?;
                nodes(f, sentinels)
            }
            Kind::Cluster(known) => {
                f.write_str("the cluster of ")?;
                nodes(f, known)
            }
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("kind", &self.kind)
            .field("tls", &self.tls)
            .field("db", &self.db)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn node(text: &str, port: u16) -> Result<Node, StoreError> {
    // An IPv6 address stands in brackets, because it has colons of its own.
    let (host, given) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = given.map_or(Ok(port), str::parse).map_err(|_| wrong("a port is not a number below 65536"))?;
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(wrong("it names no host"));
    }
    Ok(Node { host: decoded(host)?, port })
}

fn database(text: &str) -> Result<i64, StoreError> {
    match text {
        "" => Ok(0),
        number => {
            number.parse().ok().filter(|db| *db >= 0).ok_or_else(|| wrong("its database is not a number"))
        }
    }
}

fn text(encoded: &str) -> Result<Option<String>, StoreError> {
    if encoded.is_empty() { Ok(None) } else { decoded(encoded).map(Some) }
}

fn decoded(text: &str) -> Result<String, StoreError> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(Into::into).map_err(|_| wrong("its percent-encoded part is not text"))
}

fn wrong(what: &str) -> StoreError {
    StoreError::misconfigured(format!("the URL of the store is wrong: {what}; {FORMS}"))
}

const FORMS: &str = "write it as redis://[USER:PASSWORD@]HOST[:PORT][/DB], redis+unix:///PATH, \
    redis+sentinel://HOST[:PORT][,…]/NAME[/DB] or redis+cluster://HOST[:PORT][,…][/DB], and rediss for redis where it is TLS; \
    a `/`, `@`, `:` or `%` of a password is percent-encoded";

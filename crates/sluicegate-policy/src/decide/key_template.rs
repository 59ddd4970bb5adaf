//! Keys of limits: the owners of accounts.

use std::{collections::BTreeSet, str::FromStr};

use http::{HeaderMap, HeaderName, Method, header};
use sluicegate::Key;
use smallvec::SmallVec;

use crate::{Body, JsonPointer, KeyError, config::diagnostic::did_you_mean};

/// The key of a limit: the parts of a request that distinguish callers.
///
/// If a request lacks a part, the client's IP address replaces it. So a client that omits a header neither
/// escapes a limit nor shares an account with all others that omit it.
///
/// A key that begins with the API key of a known tenant names the tenant first. A store on several servers
/// keeps accounts with the same second part together, so all of a tenant's are in one place.
///
/// ```
/// use http::{HeaderMap, Method};
/// use sluicegate_policy::{RequestAttributes, KeyTemplate};
///
/// let template = KeyTemplate::parse(["api_key", "method"])?;
/// let attributes = RequestAttributes {
///     key_hint: None,
///     client: "192.0.2.7",
///     api_key: Some("k1"),
///     tenant: Some("acme"),
///     tier: "free",
///     route: "/predict",
///     path: "/predict",
///     parameters: &[],
///     method: &Method::POST,
///     headers: &HeaderMap::new(),
///     query: None,
///     body: None,
/// };
/// assert_eq!(template.key("predict", &attributes).as_str(), "predict|tenant=acme|api_key=k1|method=POST");
/// let anonymous = RequestAttributes { api_key: None, tenant: None, ..attributes };
/// assert_eq!(template.key("predict", &anonymous).as_str(), "predict|client_ip=192.0.2.7|method=POST");
/// # Ok::<(), sluicegate_policy::KeyError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeyTemplate {
    /// None for `global`.
    parts: Vec<Part>,
}

/// One part of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Part {
    /// The client's IP address; for IPv6 its network.
    ClientIp,
    /// The id of the API key, never the key itself.
    ApiKey,
    /// The customer behind the API key.
    Tenant,
    /// The caller's tier.
    Tier,
    /// The route's template.
    Route,
    /// The path.
    Path,
    /// The method.
    Method,
    /// A header.
    Header(HeaderName),
    /// A parameter of the query.
    Query(String),
    /// A cookie.
    Cookie(String),
    /// A parameter of the route's template.
    Parameter(String),
    /// A value of the body.
    Body(JsonPointer),
    /// The value of an entry of a [descriptor](crate::Descriptor).
    Entry(String),
}

/// The attributes of one request that keys are made of.
#[derive(Clone, Copy, Debug)]
pub struct RequestAttributes<'a> {
    /// The key that the application gives with the request. It replaces the template's.
    pub key_hint: Option<&'a str>,
    /// The client's IP address, with an IPv6 address cut to its network.
    pub client: &'a str,
    /// The id of the caller's API key.
    pub api_key: Option<&'a str>,
    /// The customer behind the API key.
    pub tenant: Option<&'a str>,
    /// The caller's tier.
    pub tier: &'a str,
    /// The route's template.
    pub route: &'a str,
    /// The path, as [`Routes::find`](crate::Routes::find) read it.
    pub path: &'a str,
    /// The parameters that the route's template found in the path, or the entries of a descriptor.
    pub parameters: &'a [(String, String)],
    /// The method.
    pub method: &'a Method,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The query, without the `?`.
    pub query: Option<&'a str>,
    /// The findings of the route's meter in the body.
    pub body: Option<&'a Body>,
}

impl KeyTemplate {
    /// One account for all.
    #[must_use]
    pub fn global() -> Self {
        Self::default()
    }

    /// One account for each client's IP address.
    #[must_use]
    pub fn client_ip() -> Self {
        Self { parts: vec![Part::ClientIp] }
    }

    /// Reads the parts of a key.
    ///
    /// # Errors
    ///
    /// When one is no part of a key, or is there twice; or `global` is combined, or there are none.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, KeyError> {
        let mut parts: Vec<Part> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut global = false;
        for (index, text) in texts.into_iter().enumerate() {
            let wrong = |message: String, help: &str| Err(KeyError { index, message, help: help.to_owned() });
            if global || (index > 0 && text == "global") {
                return wrong(
                    "`global` is one account for all and stands alone".to_owned(),
                    "leave out the other parts",
                );
            }
            if !seen.insert(text) {
                return wrong(format!("`{text}` is in the key twice"), "once is enough");
            }
            match text {
                "global" => global = true,
                part => parts.push(part.parse().map_err(|error: KeyError| KeyError { index, ..error })?),
            }
        }
        if parts.is_empty() && !global {
            let help = "write \"global\" for one account for all callers".to_owned();
            return Err(KeyError { index: 0, message: "a key of no parts".to_owned(), help });
        }
        Ok(Self { parts })
    }

    /// The key of these parts; `global` if there are none.
    pub(crate) fn of(parts: impl IntoIterator<Item = Part>) -> Self {
        Self { parts: parts.into_iter().collect() }
    }

    /// The parts; none for `global`.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns `true` if the key distinguishes callers, so that a tier's scale is about one caller's share.
    /// All other keys are accounts that callers of every tier share.
    #[must_use]
    pub fn names_a_caller(&self) -> bool {
        self.parts.iter().any(|part| match part {
            Part::ClientIp | Part::ApiKey | Part::Tenant => true,
            Part::Header(_) | Part::Query(_) | Part::Cookie(_) | Part::Body(_) | Part::Entry(_) => true,
            Part::Tier | Part::Route | Part::Path | Part::Method | Part::Parameter(_) => false,
        })
    }

    /// The key of a request's account, behind the name that all keys of the limit begin with.
    ///
    /// Different values make different keys, whatever they hold.
    #[must_use]
    pub fn key(&self, account: &str, attributes: &RequestAttributes<'_>) -> Key {
        let mut text = Text::from_slice(account.as_bytes());
        if let Some(hint) = attributes.key_hint {
            text.push(b'|');
            match hint {
                "" => named(&mut text, "", "client_ip", attributes.client.as_bytes()),
                hint => named(&mut text, "", "key", hint.as_bytes()),
            }
            return Key::from(std::str::from_utf8(&text).unwrap_or_default());
        }
        if self.parts.first() == Some(&Part::ApiKey) {
            text.push(b'|');
            if attributes.api_key.is_none() || Part::Tenant.write(&mut text, attributes).is_none() {
                text.pop();
            }
        }
        for part in &self.parts {
            text.push(b'|');
            if part.write(&mut text, attributes).is_none() {
                named(&mut text, "", "client_ip", attributes.client.as_bytes());
            }
        }
        // Account names are ASCII and all else is written as ASCII, so this is always text.
        Key::from(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl Part {
    /// Writes `name=value`, or `None` and nothing where the request lacks this part.
    fn write(&self, text: &mut Text, attributes: &RequestAttributes<'_>) -> Option<()> {
        // What kind of part it is goes with the name: the value of a header `client_ip` must not pass for an address.
        let mut value = |kind: &str, name: &str, value: Option<&[u8]>| {
            named(text, kind, name, value.filter(|value| !value.is_empty())?);
            Some(())
        };
        let mut plain = |name: &str, text: Option<&str>| value("", name, text.map(str::as_bytes));
        match self {
            Self::ClientIp => plain("client_ip", Some(attributes.client)),
            Self::ApiKey => plain("api_key", attributes.api_key),
            Self::Tenant => plain("tenant", attributes.tenant),
            Self::Tier => plain("tier", Some(attributes.tier)),
            Self::Route => plain("route", Some(attributes.route)),
            Self::Path => plain("path", Some(attributes.path)),
            Self::Method => plain("method", Some(attributes.method.as_str())),
            Self::Parameter(name) => {
                let found = attributes.parameters.iter().find(|(known, _)| known == name);
                value("path:", name, found.map(|(_, value)| value.as_bytes()))
            }
            Self::Entry(key) => {
                let found = attributes.parameters.iter().find(|(known, _)| known == key);
                value("entry:", key, found.map(|(_, value)| value.as_bytes()))
            }
            Self::Body(pointer) => {
                let found = attributes.body.and_then(|body| body.value(pointer));
                value("body:", pointer.as_str(), found.map(str::as_bytes))
            }
            Self::Header(name) => {
                // All lines count: a second one makes another caller, not the same caller with a hidden half.
                let lines: SmallVec<[_; 2]> = attributes.headers.get_all(name).iter().collect();
                match lines.as_slice() {
                    [] => None,
                    [one] => value("header:", name.as_str(), Some(one.as_bytes())),
                    many => {
                        let joined: Vec<&[u8]> = many.iter().map(|line| line.as_bytes()).collect();
                        value("header:", name.as_str(), Some(&joined.join(&b","[..])))
                    }
                }
            }
            Self::Query(name) => {
                // The last one, as Starlette reads it.
                let mut pairs =
                    attributes.query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
                let (_, last) = pairs.rfind(|(known, _)| form_decoded(known) == name.as_bytes())?;
                value("query:", name, Some(&form_decoded(last)))
            }
            Self::Cookie(name) => {
                let lines = attributes.headers.get_all(header::COOKIE).iter();
                let cookies = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
                let (_, last) = cookies
                    .filter_map(|cookie| {
                        let equals = cookie.iter().position(|byte| *byte == b'=')?;
                        Some((cookie[..equals].trim_ascii(), cookie[equals + 1..].trim_ascii()))
                    })
                    .rfind(|(known, _)| *known == name.as_bytes())?;
                value("cookie:", name, Some(last))
            }
        }
    }
}

impl FromStr for Part {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let wrong = |message: String, help: String| Err(KeyError { index: 0, message, help });
        let Some((kind, name)) = text.split_once(':') else {
            return match text {
                "client_ip" => Ok(Self::ClientIp),
                "api_key" => Ok(Self::ApiKey),
                "tenant" => Ok(Self::Tenant),
                "tier" => Ok(Self::Tier),
                "route" => Ok(Self::Route),
                "path" => Ok(Self::Path),
                "method" => Ok(Self::Method),
                "header" | "query" | "cookie" | "body" | "entry" => wrong(
                    format!("`{text}` needs a name"),
                    format!("write it as \"{text}:{}\"", if text == "body" { "/user" } else { "NAME" }),
                ),
                _ => {
                    wrong(format!("unknown key `{text}`"), did_you_mean(text, KEYS).unwrap_or_else(every_key))
                }
            };
        };
        if name.is_empty() {
            return wrong(
                format!("`{text}` needs a name behind the colon"),
                format!("write it as \"{kind}:NAME\""),
            );
        }
        match kind {
            "header" => match HeaderName::from_bytes(name.as_bytes()) {
                Ok(header) => Ok(Self::Header(header)),
                Err(_) => wrong(
                    format!("`{name}` is not a valid header name"),
                    "write it as \"header:x-user\"".to_owned(),
                ),
            },
            "query" => Ok(Self::Query(name.to_owned())),
            "cookie" => Ok(Self::Cookie(name.to_owned())),
            "path" => Ok(Self::Parameter(name.to_owned())),
            "entry" => Ok(Self::Entry(name.to_owned())),
            // The name of a member of the document, or of a form's field.
            "body" if !name.contains('/') => Ok(Self::Body(JsonPointer::member(name))),
            "body" => match name.parse() {
                Ok(pointer) => Ok(Self::Body(pointer)),
                Err(error) => wrong(
                    format!("`{name}` is not a JSON pointer: {error}"),
                    "write it as \"body:/user/id\"".to_owned(),
                ),
            },
            _ => wrong(
                format!("unknown key `{text}`"),
                did_you_mean(kind, NAMED)
                    .map_or_else(every_key, |help| help.replace("`?", &format!(":{name}`?"))),
            ),
        }
    }
}

impl std::fmt::Display for Part {
    /// As the policy writes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ClientIp => f.write_str("client_ip"),
            Self::ApiKey => f.write_str("api_key"),
            Self::Tenant => f.write_str("tenant"),
            Self::Tier => f.write_str("tier"),
            Self::Route => f.write_str("route"),
            Self::Path => f.write_str("path"),
            Self::Method => f.write_str("method"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Parameter(name) => write!(f, "path:{name}"),
            Self::Body(pointer) => write!(f, "body:{pointer}"),
            Self::Entry(key) => write!(f, "entry:{key}"),
        }
    }
}

/// Long enough for nearly every key, so that making one allocates nothing.
type Text = SmallVec<[u8; 128]>;

/// Writes `name=value` as ASCII, with all that separates or is not visible as `%XX`.
pub(crate) fn named(text: &mut Text, kind: &str, name: &str, value: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut write = |bytes: &[u8]| {
        let is_encoded = |byte: &u8| !byte.is_ascii_graphic() || matches!(byte, b'|' | b'%');
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(is_encoded) {
            let byte = rest[at];
            text.extend_from_slice(&rest[..at]);
            text.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            rest = &rest[at + 1..];
        }
        text.extend_from_slice(rest);
    };
    write(kind.as_bytes());
    write(name.as_bytes());
    write(b"=");
    write(value);
}

/// Decodes a name or value of a query: `%XX` once, and `+` as a blank.
fn form_decoded(text: &str) -> Vec<u8> {
    let blanks = text.replace('+', " ");
    crate::decide::path::decoded(&blanks).into_iter().map(|(byte, _)| byte).collect()
}

fn every_key() -> String {
    format!("the keys are {} and {}", KEYS.join(", "), NAMED.map(|kind| format!("{kind}:NAME")).join(", "))
}

const KEYS: [&str; 8] = ["client_ip", "api_key", "tenant", "tier", "route", "path", "method", "global"];
const NAMED: [&str; 6] = ["header", "query", "cookie", "path", "body", "entry"];

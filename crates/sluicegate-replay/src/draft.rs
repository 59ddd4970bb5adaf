//! A record that is made field by field.

use std::net::SocketAddr;

use http::{HeaderName, HeaderValue, Method, Uri, header};
use sluicegate::{Cost, Unit};
use sluicegate_policy::JsonPointer;

use crate::{
    Field, Moment,
    moment::nanos_of_seconds,
    record::{Caller, Record},
};

/// A record that is made field by field. Texts are checked when they come, and what is missing at the
/// [end](Self::finish).
#[derive(Debug, Default)]
pub(crate) struct Draft {
    began: Option<Moment>,
    ended: Option<Moment>,
    method: Option<Method>,
    target: Option<String>,
    query: String,
    client: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    caller: Caller,
    values: Vec<(JsonPointer, String)>,
    status: Option<u16>,
    duration: Option<u64>,
    costs: Vec<(Unit, Cost)>,
    input: Option<u64>,
    output: Option<u64>,
}

impl Draft {
    /// Takes the text of a field. An empty one says nothing.
    ///
    /// # Errors
    ///
    /// The reason why the text is not what the field holds.
    pub(crate) fn set(&mut self, field: &Field, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Ok(());
        }
        let wrong = |what: &str| format!("`{}` is not {what}", short(text));
        let moment = || Moment::read(text).ok_or_else(|| wrong("a time"));
        let count = || text.parse::<u64>().map_err(|_| wrong("a whole number"));
        match field {
            Field::Time => self.began = Some(moment()?),
            Field::EndTime => self.ended = Some(moment()?),
            Field::Request => self.request(text).ok_or_else(|| wrong("a method, a path and a protocol"))?,
            Field::Method => self.method = Some(text.parse().map_err(|_| wrong("a method"))?),
            Field::Path => self.target = Some(text.to_owned()),
            Field::ClientIp => self.client = Some(without_port(text)),
            Field::Status => self.status = Some(text.parse().map_err(|_| wrong("a status"))?),
            Field::Duration => {
                self.duration = Some(nanos_of_seconds(text).ok_or_else(|| wrong("a number of seconds"))?);
            }
            Field::DurationMs => {
                let nanos = nanos_of_seconds(text).ok_or_else(|| wrong("a number of milliseconds"))?;
                self.duration = Some(nanos / 1_000);
            }
            Field::ApiKey => self.caller.api_key = Some(text.to_owned()),
            Field::Tenant => self.caller.tenant = Some(text.to_owned()),
            Field::Tier => self.caller.tier = Some(text.to_owned()),
            Field::Header(name) => self.header(name.clone(), text)?,
            Field::Cookie(name) => self.header(header::COOKIE, &format!("{name}={text}"))?,
            Field::Query(name) => self.query(name, text),
            Field::Body(pointer) => self.values.push((pointer.clone(), text.to_owned())),
            Field::InputTokens => self.input = Some(count()?),
            Field::OutputTokens => self.output = Some(count()?),
            Field::Cost(Unit::Usd) => {
                let cost = nanos_of_seconds(text).ok_or_else(|| wrong("a number of dollars"))?;
                self.costs.push((Unit::Usd, Cost::new(cost)));
            }
            Field::Cost(unit) => self.costs.push((*unit, Cost::new(count()?))),
        }
        Ok(())
    }

    /// Takes the beginning, which is known already.
    pub(crate) fn began(&mut self, moment: Moment) {
        self.began = Some(moment);
    }

    /// Takes a request line.
    fn request(&mut self, line: &str) -> Option<()> {
        let mut words = line.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        // HTTP/0.9 has no protocol, and no client of today speaks it: such a line is garbage.
        words.next().filter(|protocol| protocol.starts_with("HTTP/"))?;
        self.method = Some(method.parse().ok()?);
        self.target = Some(target.to_owned());
        words.next().is_none().then_some(())
    }

    fn header(&mut self, name: HeaderName, text: &str) -> Result<(), String> {
        let value =
            HeaderValue::from_str(text).map_err(|_| format!("`{}` is no value of a header", short(text)))?;
        self.headers.push((name, value));
        Ok(())
    }

    /// Takes a parameter of the query that the log has apart from the path.
    pub(crate) fn query(&mut self, name: &str, value: &str) {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        encode(&mut self.query, name);
        self.query.push('=');
        encode(&mut self.query, value);
    }

    /// Returns the record.
    ///
    /// # Errors
    ///
    /// If a fact is missing, which the error names.
    pub(crate) fn finish(mut self, default: Option<&(Method, Uri)>) -> Result<Record, String> {
        let time = match (self.began, self.ended, self.duration) {
            (Some(began), _, _) => began,
            // The log tells the end, so the beginning is earlier by the duration.
            (None, Some(ended), duration) => ended.earlier(duration.unwrap_or_default()),
            (None, None, _) => return Err("there is no time".to_owned()),
        };
        if let (Some(began), Some(ended), None) = (self.began, self.ended, self.duration) {
            self.duration = ended.nanos().checked_sub(began.nanos());
        }
        self.split_forwarded();
        let uri = match self.target {
            Some(mut target) => {
                if !self.query.is_empty() {
                    target.push(if target.contains('?') { '&' } else { '?' });
                    target.push_str(&self.query);
                }
                target.parse().map_err(|error| format!("`{}` is not a path: {error}", short(&target)))?
            }
            None => default.map(|(_, uri)| uri.clone()).ok_or(NO_PATH)?,
        };
        let method = self.method.or_else(|| default.map(|(method, _)| method.clone())).unwrap_or(Method::GET);
        let tokens = self.input.zip(self.output);
        let mut costs = self.costs;
        // One of the two alone is the cost of its own unit.
        let alone = [(Unit::InputTokens, self.input), (Unit::OutputTokens, self.output)];
        costs.extend(alone.into_iter().filter_map(|(unit, tokens)| Some((unit, Cost::new(tokens?)))));
        Ok(Record {
            time,
            method,
            uri,
            client: self.client,
            headers: self.headers,
            caller: self.caller,
            values: self.values,
            status: self.status,
            duration: self.duration,
            costs,
            tokens,
            decision: None,
        })
    }

    /// Takes the right-most forwarded address for the peer's, if the log has no other: the proxy that wrote the log has
    /// appended it.
    fn split_forwarded(&mut self) {
        if self.client.is_some() {
            return;
        }
        let Some(at) = self.headers.iter().position(|(name, _)| name.as_str() == FORWARDED) else { return };
        let Ok(list) = self.headers[at].1.to_str() else { return };
        let (rest, last) = list.rsplit_once(',').unwrap_or(("", list));
        self.client = Some(last.trim().to_owned());
        match HeaderValue::from_str(rest) {
            Ok(rest) if !rest.is_empty() => self.headers[at].1 = rest,
            _ => {
                self.headers.remove(at);
            }
        }
    }
}

/// An address without the port that some logs write behind it.
fn without_port(text: &str) -> String {
    match text.parse::<SocketAddr>() {
        Ok(address) => address.ip().to_string(),
        Err(_) => text.to_owned(),
    }
}

/// Writes a name or a value of a query.
fn encode(query: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | b':') {
            query.push(char::from(byte));
        } else {
            query.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// The beginning of a text, for an error. Control characters are escaped: errors are shown in a terminal.
fn short(text: &str) -> String {
    match text.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}…", text[..end].escape_debug()),
        None => text.escape_debug().to_string(),
    }
}

const SHORT: usize = 60;

const FORWARDED: &str = "x-forwarded-for";

const NO_PATH: &str = "there is no path; give one for all records with --request \"POST /PATH\"";

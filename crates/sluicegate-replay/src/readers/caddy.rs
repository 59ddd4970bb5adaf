//! Caddy's access log: a JSON object on each line.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use sluicegate::Unit;

use super::{LineReader, Wanted};
use crate::{Event, Field, draft::Draft};

/// Caddy's access log.
#[derive(Clone, Debug)]
pub(crate) struct Caddy(pub(crate) Wanted);

#[derive(Deserialize)]
struct Line<'l> {
    ts: Time<'l>,
    #[serde(borrow)]
    request: Request<'l>,
    duration: Option<Seconds<'l>>,
    bytes_read: Option<u64>,
    status: Option<u16>,
}

#[derive(Deserialize)]
struct Request<'l> {
    /// The address that connects.
    #[serde(borrow)]
    remote_ip: Option<Cow<'l, str>>,
    #[serde(borrow)]
    method: Cow<'l, str>,
    #[serde(borrow)]
    uri: Cow<'l, str>,
    #[serde(borrow, default)]
    headers: BTreeMap<Cow<'l, str>, Vec<Cow<'l, str>>>,
}

/// Seconds since 1970, or a text, as `time_format` says.
#[derive(Deserialize)]
#[serde(untagged)]
enum Time<'l> {
    Seconds(f64),
    Text(#[serde(borrow)] Cow<'l, str>),
}

/// Seconds, or a text such as `1.5ms` with `duration_format string`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds<'l> {
    Number(f64),
    Text(#[serde(borrow)] Cow<'l, str>),
}

impl LineReader for Caddy {
    fn read(&self, line: &str) -> Result<Option<Event>, String> {
        let line: Line<'_> = serde_json::from_str(line)
            .map_err(|error| format!("this is no line of Caddy's access log: {error}"))?;
        let mut draft = Draft::default();
        match &line.ts {
            Time::Seconds(seconds) => draft.set(&Field::EndTime, &format!("{seconds:.7}"))?,
            Time::Text(text) => draft.set(&Field::EndTime, text)?,
        }
        match &line.duration {
            Some(Seconds::Number(seconds)) => draft.set(&Field::Duration, &format!("{seconds:.9}"))?,
            Some(Seconds::Text(text)) => {
                return Err(format!(
                    "the duration `{text}` is a text; let Caddy write seconds: `duration_format seconds`"
                ));
            }
            None => {}
        }
        let request = &line.request;
        draft.set(&Field::ClientIp, request.remote_ip.as_deref().unwrap_or_default())?;
        draft.set(&Field::Method, &request.method)?;
        draft.set(&Field::Path, &request.uri)?;
        for name in &self.0.headers {
            let of_name =
                request.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name.as_str()));
            for value in of_name.flat_map(|(_, values)| values).filter(|value| *value != REDACTED) {
                draft.set(&Field::Header(name.clone()), value)?;
            }
        }
        if let Some(status) = line.status {
            draft.set(&Field::Status, &status.to_string())?;
        }
        if let Some(bytes) = line.bytes_read {
            draft.set(&Field::Cost(Unit::Bytes), &bytes.to_string())?;
        }
        draft.finish(self.0.request.as_ref()).map(|record| Some(Event::Request(Box::new(record))))
    }
}

/// Caddy's text for the value of a header that may be a secret.
const REDACTED: &str = "REDACTED";

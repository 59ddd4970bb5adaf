//! The fields by which a browser lets a page read a response.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use smallvec::SmallVec;

use super::{Cors, Origins, is_preflight, list};

/// The fields that the responses to one request get. All are appended, and none that the upstream has set is changed.
#[derive(Clone, Debug)]
pub(crate) struct CorsFields {
    cors: Arc<Cors>,
    /// The value of `Access-Control-Allow-Origin`; none where the page may not read the response.
    origin: Option<HeaderValue>,
    is_preflight: bool,
}

impl CorsFields {
    /// The fields of responses to the request with this head.
    pub(crate) fn of(cors: &Arc<Cors>, head: &Parts) -> Self {
        let origin = match &cors.origins {
            // Always, so that a cache that has the response for one page has it for all.
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::Listed(_) => {
                sent(head).filter(|it| it.to_str().is_ok_and(|it| cors.origins.allow(it))).cloned()
            }
        };
        Self { cors: Arc::clone(cors), origin, is_preflight: is_preflight(head) }
    }

    /// Returns `true` if the page may call.
    pub(crate) fn is_allowed(&self) -> bool {
        self.origin.is_some()
    }

    /// Returns `true` if the request only asks whether the page may call.
    pub(crate) fn are_for_preflight(&self) -> bool {
        self.is_preflight
    }

    /// Appends what lets the page read this response, and our fields in it.
    ///
    /// Browsers refuse a second `Access-Control-Allow-Origin`, so an upstream that shares its response by itself decides
    /// alone with whom.
    pub(crate) fn append_to(&self, headers: &mut HeaderMap) {
        let is_shared = headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        // An upstream that allows credentials and names no origin has refused this one. Naming it here would
        // send it the credentials' response, which the policy does not allow.
        let is_refused =
            !self.cors.credentials && headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
        if !is_shared && !is_refused {
            self.append_origin(headers);
        }
        if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            self.append_exposed(headers);
        }
    }

    /// Appends what tells the browser that the page may call.
    pub(super) fn append_origin(&self, headers: &mut HeaderMap) {
        if self.cors.origins != Origins::Any
            && !says(headers, header::VARY, |it| it == "*" || it.eq_ignore_ascii_case("origin"))
        {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let Some(origin) = &self.origin else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.cors.credentials && !headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    fn append_exposed(&self, headers: &mut HeaderMap) {
        const EXPOSE: HeaderName = header::ACCESS_CONTROL_EXPOSE_HEADERS;
        if !headers.contains_key(EXPOSE) {
            headers.insert(EXPOSE, self.cors.exposed_line.clone());
            return;
        }
        let new = |name: &&str| !says(headers, EXPOSE, |it| it.eq_ignore_ascii_case(name));
        let new: SmallVec<[&str; 16]> =
            self.cors.exposed.iter().map(HeaderName::as_str).filter(new).collect();
        if !new.is_empty() {
            headers.append(EXPOSE, list(new));
        }
    }
}

/// The origin of a request, if it names exactly one.
fn sent(head: &Parts) -> Option<&HeaderValue> {
    let mut origins = head.headers.get_all(header::ORIGIN).iter();
    origins.next().filter(|_| origins.next().is_none())
}

/// Returns `true` if one of the words in a list is meant.
fn says(headers: &HeaderMap, name: HeaderName, is_meant: impl Fn(&str) -> bool) -> bool {
    let lines = headers.get_all(name);
    lines
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|word| is_meant(word.trim()))
}

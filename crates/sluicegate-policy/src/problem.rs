//! Problem documents (RFC 9457) that the SDKs of OpenAI and Anthropic read as well.
//!
//! One object serves both: its own members are the problem's, and `error` is an extension in the shape that the SDKs
//! look for. KServe's clients expect `error` to be a text, so on its paths it is one.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use serde::Serialize;
use sluicegate::{Denial, Wait};

use crate::{
    HeaderFamily, Refusal, RequestId,
    headers::{Account, Lines, seconds},
};

/// The answer to a request for which a limit is spent: 429.
pub(crate) fn denied(
    head: &Parts,
    families: &[HeaderFamily],
    accounts: &[Account<'_>],
    denial: &Denial,
) -> Response<Bytes> {
    let violated: Vec<&str> =
        accounts.iter().filter(|account| !account.balance.wait.fits()).map(|account| account.name).collect();
    let worst = accounts.get(denial.charge);
    let limit = worst.map_or_else(String::new, |account| format!("{} ({})", account.name, account.quota));
    let retry_after = match denial.wait {
        Wait::Forever => None,
        // Nobody can tell when a slot comes back; a second is the least that a header can say.
        wait => Some(seconds(wait.duration().unwrap_or_default())),
    };
    let detail = match (denial.wait, retry_after) {
        (Wait::Forever, _) => {
            format!("Too Many Requests: the request is larger than the whole limit {limit}")
        }
        (Wait::Release, _) => format!("Too Many Requests: every slot of the limit {limit} is in use"),
        (_, after) => {
            format!("Too Many Requests: limit {limit}, try again in {} s", after.unwrap_or_default())
        }
    };
    let mut response = Document {
        kind: QUOTA_EXCEEDED,
        title: "Quota Exceeded",
        status: StatusCode::TOO_MANY_REQUESTS,
        detail: &detail,
        violated: Some(&violated),
        class: "rate_limit_error",
        code: "rate_limit_exceeded",
    }
    .response(head);
    let headers = response.headers_mut();
    // RFC 6585 forbids caches to keep a 429; this is for those that have not read it.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(after) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(after));
    }
    // SDKs that do not believe so long a wait would retry at once instead.
    if retry_after.is_none_or(|after| after > 60) {
        headers.insert("x-should-retry", HeaderValue::from_static("false"));
    }
    Lines::of(families, accounts).append_to(headers);
    response
}

/// The answer to a request that cannot be served.
pub(crate) fn refused(refusal: &Refusal, head: &Parts) -> Response<Bytes> {
    let status = refusal.status();
    let detail = refusal.to_string();
    let mut response = Document {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status,
        detail: &detail,
        violated: None,
        class: refusal.class(),
        code: refusal.code(),
    }
    .response(head);
    let headers = response.headers_mut();
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}

struct Document<'a> {
    kind: &'a str,
    title: &'a str,
    status: StatusCode,
    detail: &'a str,
    violated: Option<&'a [&'a str]>,
    class: &'a str,
    code: &'a str,
}

impl Document<'_> {
    fn response(&self, head: &Parts) -> Response<Bytes> {
        let id = RequestId::of(&head.headers);
        let body = Body {
            kind: self.kind,
            title: self.title,
            status: self.status.as_u16(),
            detail: self.detail,
            violated: self.violated,
            error: match head.uri.path().starts_with("/v2/models/") {
                true => Error::Text(self.detail),
                false => {
                    Error::Object { message: self.detail, class: self.class, param: None, code: self.code }
                }
            },
            request_id: id.as_str(),
        };
        // Texts and numbers only: nothing that JSON cannot say.
        let mut response = Response::new(Bytes::from(serde_json::to_vec(&body).unwrap_or_default()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(RequestId::ANTHROPIC_HEADER, id.as_header().clone());
        headers.insert(RequestId::HEADER, id.as_header().clone());
        response
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(rename = "violated-policies", skip_serializing_if = "Option::is_none")]
    violated: Option<&'a [&'a str]>,
    error: Error<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Error<'a> {
    Text(&'a str),
    Object {
        message: &'a str,
        #[serde(rename = "type")]
        class: &'a str,
        param: Option<&'a str>,
        code: &'a str,
    },
}

/// From draft-ietf-httpapi-ratelimit-headers-11.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

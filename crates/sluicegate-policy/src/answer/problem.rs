//! Problem documents (RFC 9457) that the SDKs of OpenAI and Anthropic read as well.
//!
//! One object serves both: its own members are the problem's, and `error` is an extension in the shape that the SDKs
//! look for. KServe's clients expect `error` to be a text, so on its paths it is one. Clients of gRPC read none of it, and are
//! told in their own way; so are those of routes whose tokens are metered in another dialect than OpenAI's.

use std::{cmp::Reverse, fmt::Write};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use sluicegate::Wait;
use smallvec::SmallVec;

use super::{
    Form, Kind, grpc,
    headers::{LimitHeaders, LimitState, number, retry_after_ms},
};
use crate::{
    Denied, HeaderFamily, Refusal, RequestId, TokenWeights,
    answer::{
        retry::{self, LONGEST_WAIT, RETRY_AFTER_MS},
        whole_seconds::retry_after,
    },
};

/// The answer to a request for which a limit is spent: 429. `wait` is what its client is told.
///
/// `policy` is the `RateLimit-Policy` line of the states in their order, if it has been worked out before.
pub(super) fn denied(
    denied: &Denied,
    wait: Wait,
    families: &[HeaderFamily],
    mut states: SmallVec<[LimitState<'_>; 2]>,
    policy: Option<&HeaderValue>,
    form: &Form,
    id: &RequestId,
) -> Response<Bytes> {
    // Some clients look at the first limit only: it is the one that they have to wait for longest.
    let longest_first = |state: &LimitState<'_>| Reverse(state.balance.wait);
    // They take the first quota of `RateLimit-Policy` for that limit's, so a line in another order is none of this answer.
    let policy = policy.filter(|_| states.is_sorted_by_key(longest_first));
    states.sort_by_key(longest_first);
    let violated: SmallVec<[&str; 4]> =
        states.iter().filter(|state| state.is_denied()).map(|state| state.name).collect();
    let after = retry_after(wait);
    let detail = states.first().map_or_else(String::new, |worst| detail(worst, denied, wait));
    let call = form.kind == Kind::Grpc;
    let mut response = Document {
        problem: QUOTA_EXCEEDED,
        title: "Quota Exceeded",
        status: StatusCode::TOO_MANY_REQUESTS,
        detail: &detail,
        violated: Some(&violated),
        class: "rate_limit_error",
        code: "rate_limit_exceeded",
    }
    .response(form.kind, id);
    let headers = response.headers_mut();
    if let Some(seconds) = after {
        headers.insert(header::RETRY_AFTER, number(seconds));
    }
    if call {
        let after = retry_after_ms(wait).or(after.map(|seconds| seconds.saturating_mul(1_000)));
        grpc::push_back(headers, after);
    }
    if families.contains(&HeaderFamily::Openai)
        && let Some(milliseconds) = retry_after_ms(wait)
    {
        headers.insert(RETRY_AFTER_MS, number(milliseconds));
    }
    if after.is_none_or(|seconds| seconds > LONGEST_WAIT.as_secs()) {
        retry::forbid(headers);
    }
    LimitHeaders::of(families, &states, policy, form.decided).move_to(headers);
    response
}

fn detail(worst: &LimitState<'_>, denied: &Denied, wait: Wait) -> String {
    let LimitState { name, quota, cost, .. } = worst;
    let mut text = String::with_capacity(128);
    text.push_str("Too Many Requests: ");
    let written = match (wait, retry_after(wait)) {
        (Wait::Forever, _) if quota.amount() == 0 => {
            write!(text, "the limit {name} ({quota}) lets nothing pass")
        }
        (Wait::Forever, _) => write!(
            text,
            "{} {} at once are more than the whole limit {name} ({quota}): ask for less",
            cost.units(),
            quota.unit()
        ),
        (Wait::Release, _) => write!(text, "every slot of the limit {name} ({quota}) is in use"),
        (_, seconds) => {
            write!(text, "the limit {name} ({quota}) is spent, try again in {} s", seconds.unwrap_or(1))
        }
    };
    written.expect("a string takes all that is written to it");
    if let Some(usage) = denied.usage().filter(|_| quota.unit().is_tokens()) {
        let weights = TokenWeights::default();
        let (input, output) = (usage.input(&weights), usage.output(&weights));
        write!(text, "; this request may use {input} input and {output} output tokens")
            .expect("a string takes all that is written to it");
    }
    text
}

/// The answer to a request that cannot be served.
pub(super) fn refused(refusal: &Refusal, kind: Kind, id: &RequestId) -> Response<Bytes> {
    let status = refusal.status();
    let detail = refusal.to_string();
    let call = kind == Kind::Grpc;
    let mut response = Document {
        problem: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status,
        detail: &detail,
        violated: None,
        class: refusal.class(),
        code: refusal.code(),
    }
    .response(kind, id);
    let headers = response.headers_mut();
    match status {
        StatusCode::UNAUTHORIZED => {
            headers
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            if call {
                grpc::push_back(headers, Some(1_000));
            }
        }
        _ => {}
    }
    if !refusal.is_worth_a_retry() {
        retry::forbid(headers);
        if call {
            grpc::push_back(headers, None);
        }
    }
    response
}

/// All texts but the detail are our own, and nothing in them has to be escaped.
struct Document<'a> {
    /// The `type` of the problem.
    problem: &'static str,
    title: &'static str,
    status: StatusCode,
    detail: &'a str,
    violated: Option<&'a [&'a str]>,
    class: &'static str,
    code: &'static str,
}

impl Document<'_> {
    fn response(&self, kind: Kind, id: &RequestId) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        response.headers_mut().reserve(8);
        if kind == Kind::Grpc {
            grpc::write(&mut response, self.status, self.detail);
        } else {
            *response.status_mut() = self.status;
            let (media_type, body) = match kind {
                Kind::Anthropic => (JSON, self.anthropic(id)),
                Kind::Google => (JSON, self.google()),
                Kind::Ollama => (JSON, ["{\"error\":", &quoted(self.detail), "}"].concat().into_bytes()),
                Kind::Problem | Kind::Kserve | Kind::Grpc => {
                    ("application/problem+json", self.body(id, kind == Kind::Kserve))
                }
            };
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
            *response.body_mut() = body.into();
        }
        let headers = response.headers_mut();
        // RFC 6585 forbids caches to keep a 429; this is for those that have not read it, and for all other answers
        // that are about one request alone.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(RequestId::ANTHROPIC_HEADER, id.as_header().clone());
        headers.insert(RequestId::HEADER, id.as_header().clone());
        response
    }

    /// The error of Anthropic's interface: <https://docs.anthropic.com/en/api/errors>.
    fn anthropic(&self, id: &RequestId) -> Vec<u8> {
        let (detail, id) = (quoted(self.detail), quoted(id.as_str()));
        let start = ["{\"type\":\"error\",\"error\":{\"type\":\"", self.class, "\",\"message\":"].concat();
        [&start, &detail, "},\"request_id\":", &id, "}"].concat().into_bytes()
    }

    /// The error of Google's interfaces: <https://cloud.google.com/apis/design/errors>.
    fn google(&self) -> Vec<u8> {
        let (status, detail) = (self.status.as_str(), quoted(self.detail));
        let name = grpc::Code::of(self.status).name;
        let start = ["{\"error\":{\"code\":", status, ",\"message\":", &detail].concat();
        [&start, ",\"status\":\"", name, "\"}}"].concat().into_bytes()
    }

    /// Written text by text: under a flood of denials most of the work is here, and a serializer looks at each byte of what
    /// is always the same.
    fn body(&self, id: &RequestId, error_is_text: bool) -> Vec<u8> {
        let detail = quoted(self.detail);
        let mut body = Vec::with_capacity(USUAL_LENGTH + 2 * detail.len());
        let mut write =
            |texts: &[&str]| texts.iter().for_each(|text| body.extend_from_slice(text.as_bytes()));
        write(&[
            "{\"type\":\"",
            self.problem,
            "\",\"title\":\"",
            self.title,
            "\",\"status\":",
            self.status.as_str(),
        ]);
        write(&[",\"detail\":", &detail]);
        if let Some(violated) = self.violated {
            write(&[",\"violated-policies\":["]);
            for (index, name) in violated.iter().enumerate() {
                write(&[if index == 0 { "\"" } else { ",\"" }, name, "\""]);
            }
            write(&["]"]);
        }
        if error_is_text {
            write(&[",\"error\":", &detail]);
        } else {
            write(&[",\"error\":{\"message\":", &detail, ",\"type\":\"", self.class]);
            write(&["\",\"param\":null,\"code\":\"", self.code, "\"}"]);
        }
        write(&[",\"request_id\":", &quoted(id.as_str()), "}"]);
        body
    }
}

/// A text in JSON's quotes. Most need no escapes, and to see that takes less time than to write each byte as if it did.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    // All bytes are looked at, whatever they are, because many can be at once.
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        ["\"", text, "\""].concat()
    } else {
        serde_json::to_string(text).expect("JSON can say every text")
    }
}

const JSON: &str = "application/json";
/// From draft-ietf-httpapi-ratelimit-headers-11.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
/// Bytes of a body without its detail, which is in it twice.
const USUAL_LENGTH: usize = 400;

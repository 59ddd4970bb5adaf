//! Problem documents (RFC 9457) that the SDKs of OpenAI and Anthropic read as well.
//!
//! One object serves both: its own members are the problem's, and `error` is an extension in the shape that the SDKs
//! look for. KServe's clients expect `error` to be a text, so on its paths it is one. Clients of gRPC read none of it, and are
//! told in their own way; so are those of routes whose tokens are metered in another dialect than OpenAI's.

use std::{cmp::Reverse, fmt::Write};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use sluicegate::{Quota, Wait};
use smallvec::SmallVec;

use super::{
    Form, Kind, grpc,
    headers::{LimitHeaders, LimitState, number, retry_after_ms},
    response_templates::Configured,
};
use crate::{
    Denied, HeaderFamily, Refusal, RequestId, TokenWeights,
    answer::{
        retry::{self, LONGEST_WAIT, RETRY_AFTER_MS},
        whole_seconds::retry_after,
    },
};

/// The parts of a response that its request determines.
pub(super) struct Reply<'r> {
    pub(super) form: &'r Form,
    pub(super) id: &'r RequestId,
    /// Empty ones, in whose memory the response's fields are written.
    pub(super) headers: HeaderMap,
}

/// The answer to a request for which a limit is spent: 429. `wait` is what its client is told.
///
/// `configured` has parts that have been worked out before, if the quotas are those of the policy.
pub(super) fn denied(
    denied: &Denied,
    wait: Wait,
    families: &[HeaderFamily],
    mut states: SmallVec<[LimitState<'_>; 2]>,
    configured: Option<Configured<'_>>,
    reply: Reply<'_>,
) -> Response<Bytes> {
    let form = reply.form;
    // Some clients look at the first limit only: it is the one that they have to wait for longest.
    let longest_first = |state: &LimitState<'_>| Reverse(state.balance.wait);
    // They take the first quota of `RateLimit-Policy` for that limit's, so a line in another order is none of this answer.
    let policy = configured.and_then(|configured| configured.policy);
    let policy = policy.filter(|_| states.is_sorted_by_key(longest_first));
    states.sort_by_key(longest_first);
    let violated: SmallVec<[&str; 4]> =
        states.iter().filter(|state| state.is_denied()).map(|state| state.name).collect();
    let after = retry_after(wait);
    let detail = states.first().map_or_else(String::new, |worst| detail(worst, denied, wait, configured));
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
    .response(reply);
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

fn detail(worst: &LimitState<'_>, denied: &Denied, wait: Wait, configured: Option<Configured<'_>>) -> String {
    let LimitState { name, quota, cost, .. } = worst;
    let mut text = String::with_capacity(160);
    let seconds = match wait {
        Wait::Forever | Wait::Release => None,
        _ => Some(retry_after(wait).unwrap_or(1)),
    };
    match (seconds, configured) {
        (Some(_), Some(configured)) => text.push_str(configured.spent(worst.id)),
        (Some(_), None) => text.push_str(&spent_until(name, quota)),
        (None, _) => text.push_str(BEGINNING),
    }
    let written = match (seconds, wait) {
        (Some(seconds), _) => write!(text, "{seconds} s"),
        (None, Wait::Release) => write!(text, "every slot of the limit {name} ({quota}) is in use"),
        (None, _) if quota.amount() == 0 => write!(text, "the limit {name} ({quota}) lets nothing pass"),
        (None, _) => write!(
            text,
            "{} {} at once are more than the whole limit {name} ({quota}): ask for less",
            cost.units(),
            quota.unit()
        ),
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

/// The detail of a denial by a limit that is spent for some seconds, up to their number.
pub(super) fn spent_until(name: &str, quota: &Quota) -> String {
    format!("{BEGINNING}the limit {name} ({quota}) is spent, try again in ")
}

/// The answer to a request that cannot be served.
pub(super) fn refused(refusal: &Refusal, reply: Reply<'_>) -> Response<Bytes> {
    let status = refusal.status();
    let detail = refusal.to_string();
    let call = reply.form.kind == Kind::Grpc;
    let mut response = Document {
        problem: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status,
        detail: &detail,
        violated: None,
        class: refusal.class(),
        code: refusal.code(),
    }
    .response(reply);
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
    fn response(&self, Reply { form, id, mut headers }: Reply<'_>) -> Response<Bytes> {
        let kind = form.kind;
        let mut response = Response::new(Bytes::new());
        headers.reserve(8);
        *response.headers_mut() = headers;
        if kind == Kind::Grpc {
            grpc::write(&mut response, self.status, self.detail);
        } else {
            *response.status_mut() = self.status;
            let (media_type, body) = match kind {
                Kind::Anthropic => (JSON, self.anthropic(id)),
                Kind::Google => (JSON, self.google()),
                Kind::Ollama => (JSON, ["{\"error\":", &quoted(self.detail), "}"].concat().into_bytes()),
                Kind::Problem | Kind::Kserve | Kind::Grpc => (PROBLEM, self.body(id, kind == Kind::Kserve)),
            };
            response.headers_mut().insert(header::CONTENT_TYPE, media_type);
            *response.body_mut() = body.into();
        }
        let headers = response.headers_mut();
        // RFC 6585 forbids caches to keep a 429; this is for those that have not read it, and for all other answers
        // that are about one request alone.
        headers.insert(header::CACHE_CONTROL, NO_STORE);
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
        let detail = Quoted::of(self.detail);
        let mut body = Body(Vec::with_capacity(USUAL_LENGTH + 2 * self.detail.len()));
        body.texts(&["{\"type\":\"", self.problem, "\",\"title\":\"", self.title, "\",\"status\":"]);
        body.texts(&[self.status.as_str(), ",\"detail\":"]).quoted(&detail);
        if let Some(violated) = self.violated {
            body.texts(&[",\"violated-policies\":["]);
            for (index, name) in violated.iter().enumerate() {
                body.texts(&[if index == 0 { "\"" } else { ",\"" }, name, "\""]);
            }
            body.texts(&["]"]);
        }
        if error_is_text {
            body.texts(&[",\"error\":"]).quoted(&detail);
        } else {
            body.texts(&[",\"error\":{\"message\":"]).quoted(&detail);
            body.texts(&[",\"type\":\"", self.class, "\",\"param\":null,\"code\":\"", self.code, "\"}"]);
        }
        body.texts(&[",\"request_id\":"]).quoted(&Quoted::of(id.as_str())).texts(&["}"]);
        body.0
    }
}

/// The text of a document that is being written.
struct Body(Vec<u8>);

impl Body {
    fn texts(&mut self, texts: &[&str]) -> &mut Self {
        texts.iter().for_each(|text| self.0.extend_from_slice(text.as_bytes()));
        self
    }

    fn quoted(&mut self, text: &Quoted<'_>) -> &mut Self {
        match text {
            Quoted::Plain(text) => self.texts(&["\"", text, "\""]),
            Quoted::Escaped(text) => self.texts(&[text]),
        }
    }
}

/// A text in JSON's quotes.
enum Quoted<'t> {
    /// Most need no escapes, and to see that takes less time than to write each byte as if it did.
    Plain(&'t str),
    /// With its quotes.
    Escaped(String),
}

impl<'t> Quoted<'t> {
    fn of(text: &'t str) -> Self {
        let is_plain = |byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        // All bytes are looked at, whatever they are, because many can be at once.
        if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
            Self::Plain(text)
        } else {
            Self::Escaped(serde_json::to_string(text).expect("JSON can say every text"))
        }
    }
}

/// A text in JSON's quotes.
pub(super) fn quoted(text: &str) -> String {
    match Quoted::of(text) {
        Quoted::Plain(text) => ["\"", text, "\""].concat(),
        Quoted::Escaped(text) => text,
    }
}

// Constants are checked by the compiler, and not for each response.
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// All details of denials begin with this.
const BEGINNING: &str = "Too Many Requests: ";
/// From draft-ietf-httpapi-ratelimit-headers-11.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
/// Bytes of a body without its detail, which is in it twice.
const USUAL_LENGTH: usize = 400;

//! The part of a request's body that a meter needs, and its format.

use http::{HeaderMap, Method, header, request::Parts};

use crate::{BodyError, Meter, Refusal};

use super::multipart;

/// The part of one request's body to read, and its format, as its head tells.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) format: Format,
    /// The most bytes that are held.
    pub(super) limit: u64,
    /// The length of the body, if the head announces it.
    pub(super) length: Option<u64>,
    /// The request may have no body, and then nothing is metered.
    pub(super) is_optional: bool,
    pub(super) is_encoded: bool,
    /// Only the end of the body tells its length, which the meter counts.
    pub(super) to_end: bool,
}

/// The form in which the content of a body is read.
#[derive(Debug)]
pub(super) enum Format {
    /// The content is not read.
    Opaque,
    /// JSON from the first byte to the last.
    Json,
    /// JSON up to this length, and then tensors in binary, as Triton's client sends them.
    JsonBeforeTensors(u64),
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`, with its boundary.
    Multipart(String),
}

impl Plan {
    /// The plan for a request of this head.
    pub(super) fn of(meter: &Meter, head: &Parts, limit: u64) -> Result<Self, Refusal> {
        let headers = &head.headers;
        let length = announced(headers);
        let to_end = meter.bytes && length.is_none();
        let is_optional = is_optional(&head.method);
        let is_encoded = meter.reads_content() && is_encoded(headers);
        let nothing = length == Some(0);
        // A body that may be absent is looked for before it is found to be compressed.
        if is_encoded && !is_optional && !nothing {
            return Err(Refusal::EncodedBody);
        }
        let format = if nothing || !meter.reads_content() {
            Format::Opaque
        } else {
            format(meter, headers, length, limit)?
        };
        let plan = Self { format, limit, length, is_optional, is_encoded, to_end };
        match length {
            Some(length) if length > limit && plan.holds_all() => Err(Refusal::BodyTooLarge { limit }),
            _ => Ok(plan),
        }
    }

    /// Returns `true` if the head does not tell all that the meter needs.
    pub(super) fn needs_body(&self) -> bool {
        self.to_end || !matches!(self.format, Format::Opaque)
    }

    /// Returns `true` if the body has no length yet and is not read.
    pub(super) fn is_unread(&self, meter: &Meter) -> bool {
        self.length.is_none() && meter.reads_content() && matches!(self.format, Format::Opaque)
    }

    /// The number of bytes that will be held, if the head tells it.
    pub(super) fn held_length(&self) -> Option<usize> {
        self.length.filter(|length| self.holds_all() && *length <= self.limit)?.try_into().ok()
    }

    fn holds_all(&self) -> bool {
        self.to_end || matches!(self.format, Format::Json | Format::Form)
    }
}

fn format(meter: &Meter, headers: &HeaderMap, length: Option<u64>, limit: u64) -> Result<Format, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let is_form = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let is_multipart = essence.eq_ignore_ascii_case("multipart/form-data");
    let inference = |why| Err(Refusal::BadBody(BodyError::InferenceHeader(why)));
    // Items and tokens are counted in JSON whatever the body is called. curl calls JSON a form unless told otherwise.
    let keys_alone = meter.items.is_none() && meter.tokens.is_none();
    // Sound comes with a form, which does not tell how long it is.
    let is_upload = meter.items.is_none() && meter.tokens.is_some() && is_multipart;
    match inference_header(headers).map_err(Refusal::BadBody)? {
        // A server may read the form, or what stands before it.
        Some(_) if keys_alone && (is_form || is_multipart) => inference(WITH_FORM),
        Some(0) if keys_alone => Ok(Format::Opaque),
        Some(0) => inference(NO_JSON),
        Some(start) if length.is_some_and(|length| start > length) => {
            Err(Refusal::BadBody(BodyError::InferenceHeaderBeyondBody(start)))
        }
        Some(start) if start > limit => Err(Refusal::BodyTooLarge { limit }),
        Some(start) => Ok(Format::JsonBeforeTensors(start)),
        None if is_upload && meter.values.is_empty() => Ok(Format::Opaque),
        None if (keys_alone || is_upload) && is_multipart => {
            multipart::boundary(kind).map(Format::Multipart).map_err(Refusal::BadBody)
        }
        None if keys_alone && is_form => Ok(Format::Form),
        None => Ok(Format::Json),
    }
}

/// The length of the JSON before binary tensors.
///
/// <https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md>
fn inference_header(headers: &HeaderMap) -> Result<Option<u64>, BodyError> {
    let mut lines = headers.get_all(INFERENCE_HEADER).iter();
    let (line, second) = (lines.next(), lines.next());
    let Some(line) = line else { return Ok(None) };
    if second.is_some() {
        return Err(BodyError::InferenceHeader("is there twice"));
    }
    whole(line.as_bytes()).map(Some).ok_or(BodyError::InferenceHeader("is no number of bytes"))
}

/// The length that the head announces for the body. HTTP makes sure that the body has it.
fn announced(headers: &HeaderMap) -> Option<u64> {
    let mut lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let (line, second) = (lines.next()?, lines.next());
    if second.is_some() || headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    whole(line.as_bytes())
}

/// Digits alone, without the sign that Rust reads, too.
fn whole(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Returns `true` if requests of this method mostly have no body (RFC 9110, section 9.3).
fn is_optional(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS | Method::TRACE | Method::CONNECT
    )
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

const INFERENCE_HEADER: &str = "inference-header-content-length";
const WITH_FORM: &str = "is sent with a form, which has no such part";
const NO_JSON: &str = "is 0, so the items cannot be counted: send the JSON of the request before its tensors";

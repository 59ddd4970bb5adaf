//! Reading as much of a body as a decision needs.

use bytes::Bytes;
use http::{request::Parts, uri::PathAndQuery};

use crate::{Body, BodyError, JsonPointer, Meter, Refusal};

use super::{
    form,
    multipart::Multipart,
    plan::{Format, Plan},
};

/// The reading of one request's body, piece by piece, until the decision needs no more of it.
///
/// It holds what it was given, so that the request can be forwarded: what is [held](Self::into_held) first, and then the rest,
/// which needs no holding.
///
/// ```
/// # use sluicegate_policy::{Progress, Reading, Refusal};
/// # fn whole(mut reading: Reading, pieces: Vec<bytes::Bytes>) -> Result<Reading, Refusal> {
/// for piece in pieces {
///     if reading.take(piece)? == Progress::Enough {
///         return Ok(reading);
///     }
/// }
/// reading.end()?;
/// # Ok(reading)
/// # }
/// ```
#[derive(Debug)]
pub struct Reading {
    plan: Plan,
    /// The target of the request, if the meter needs it.
    target: Option<PathAndQuery>,
    held: Held,
    /// The reader of a form with files.
    multipart: Option<Multipart>,
    /// The fields of a form that the application has read itself.
    fields: Option<Vec<(String, String)>>,
}

/// The progress of a [`Reading`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// The next piece is needed, or the end.
    More,
    /// The rest of the body is not needed.
    Enough,
}

impl Reading {
    /// The reading for a request of this head. At most `limit` bytes are held.
    pub(crate) fn of(meter: &Meter, head: &Parts, limit: u64) -> Result<Self, Refusal> {
        let plan = Plan::of(meter, head, limit)?;
        let multipart = match &plan.format {
            Format::Multipart(boundary) => Some(Multipart::new(boundary, meter.values.clone())),
            _ => None,
        };
        let target = meter.tokens.as_ref().and_then(|_| head.uri.path_and_query()).cloned();
        Ok(Self { plan, target, held: Held::Nothing, multipart, fields: None })
    }

    /// Returns `true` if the head does not tell all that the meter needs.
    pub(crate) fn needs_body(&self) -> bool {
        self.plan.needs_body()
    }

    /// Takes the next piece of the body.
    ///
    /// # Errors
    ///
    /// The refusal of the request: the part that is needed is larger than the limit, cannot be read, or is compressed.
    pub fn take(&mut self, piece: Bytes) -> Result<Progress, Refusal> {
        if self.plan.is_encoded && !piece.is_empty() {
            return Err(Refusal::EncodedBody);
        }
        self.held.add(piece, self.plan.held_length());
        if self.has_enough(false)? {
            return Ok(Progress::Enough);
        }
        let limit = self.plan.limit;
        match &self.multipart {
            _ if self.held.len() <= limit => Ok(Progress::More),
            Some(multipart) if !self.plan.to_end => {
                if multipart.is_complete() {
                    Ok(Progress::Enough)
                } else {
                    Err(Refusal::FieldsTooLate { limit })
                }
            }
            _ => Err(Refusal::BodyTooLarge { limit }),
        }
    }

    /// Takes note that the body has ended.
    ///
    /// # Errors
    ///
    /// As for [`take`](Self::take).
    pub fn end(&mut self) -> Result<(), Refusal> {
        self.held.end();
        self.has_enough(true).map(|_| ())
    }

    /// Takes the fields of a form, and their texts, that an application has read from the body already.
    pub fn end_with_fields(&mut self, fields: Vec<(String, String)>) {
        self.fields = Some(fields);
    }

    /// Returns the bytes that were read of the body.
    #[must_use]
    pub fn into_held(self) -> Bytes {
        self.held.into_bytes()
    }

    fn has_enough(&mut self, ended: bool) -> Result<bool, Refusal> {
        let held = self.held.as_slice();
        let enough = match (&mut self.multipart, &self.plan.format) {
            (Some(multipart), _) if !held.is_empty() => {
                // What stands behind the limit does not count, wherever the pieces end.
                let limit = usize::try_from(self.plan.limit).unwrap_or(usize::MAX);
                multipart.read(&held[..held.len().min(limit)], ended).map_err(Refusal::BadBody)?
            }
            (_, Format::JsonBeforeTensors(start)) => self.held.len() >= *start,
            _ => false,
        };
        Ok(enough && !self.plan.to_end)
    }

    /// The path of the request and its body, if that is JSON.
    pub(crate) fn json(&self) -> Option<(&str, Bytes)> {
        matches!(self.plan.format, Format::Json).then(|| (self.path(), self.held.to_bytes()))
    }

    fn path(&self) -> &str {
        self.target.as_ref().map_or("", PathAndQuery::path)
    }

    /// Returns what the meter finds in the body.
    pub(crate) fn measured(&self, meter: &Meter) -> Result<Body, BodyError> {
        let held = self.held.as_slice();
        let bytes = self.plan.length.unwrap_or(self.held.len());
        if let Some(fields) = &self.fields {
            return self.of_fields(meter, fields, bytes);
        }
        if held.is_empty() && self.plan.length.is_none_or(|length| length == 0) && !self.plan.is_unread(meter)
        {
            return meter.without_body(self.plan.is_optional);
        }
        let pointers: Vec<&JsonPointer> = meter.values.iter().collect();
        let texts = match &self.plan.format {
            Format::Opaque => vec![None; pointers.len()],
            Format::Json => return meter.read_at(self.path(), held).map(|body| Body { bytes, ..body }),
            Format::JsonBeforeTensors(start) => {
                let end = usize::try_from(*start).ok().filter(|end| *end <= held.len());
                let end = end.ok_or(BodyError::InferenceHeaderBeyondBody(*start))?;
                return meter.read_object(self.path(), &held[..end]).map(|body| Body { bytes, ..body });
            }
            Format::Form => form::search(held, &pointers)?,
            Format::Multipart(_) => self.multipart.as_ref().map(Multipart::found).unwrap_or_default(),
        };
        Ok(Body { bytes, values: meter.values.iter().cloned().zip(texts).collect(), ..Body::untold(meter) })
    }

    fn of_fields(&self, meter: &Meter, fields: &[(String, String)], bytes: u64) -> Result<Body, BodyError> {
        if meter.items.is_some() {
            return Err(BodyError::Malformed("it is a form".to_owned()));
        }
        let pointers: Vec<&JsonPointer> = meter.values.iter().collect();
        let texts = form::fields(&pointers, fields.iter().map(|(name, text)| (name, text.as_str())))?;
        Ok(Body { bytes, values: meter.values.iter().cloned().zip(texts).collect(), ..Body::untold(meter) })
    }
}

/// The room for a body of which so many bytes have come. A client gets no room for an announcement alone: all of it is reserved
/// when a quarter has come, and until then twice what has.
fn capacity(length: usize, announced: Option<usize>) -> usize {
    match announced {
        Some(all) if all >= length && all / 4 <= length => all,
        _ => 2 * length,
    }
}

/// The bytes read so far. Most bodies arrive in one piece, which is kept as it is.
#[derive(Debug)]
enum Held {
    Nothing,
    One(Bytes),
    Many(Vec<u8>),
}

impl Held {
    /// Adds a piece of a body of which so many bytes will be held, if that is known.
    fn add(&mut self, piece: Bytes, announced: Option<usize>) {
        if let Self::Nothing = self {
            *self = Self::One(piece);
            return;
        }
        let length = self.as_slice().len() + piece.len();
        if let Self::One(first) = self {
            let mut joined = Vec::with_capacity(capacity(length, announced));
            joined.extend_from_slice(first);
            *self = Self::Many(joined);
        }
        if let Self::Many(joined) = self {
            if joined.capacity() < length {
                // Most allocators grow large room in place, without a copy.
                joined.reserve_exact(capacity(length, announced) - joined.len());
            }
            joined.extend_from_slice(&piece);
        }
    }

    /// Takes note that no more will come.
    fn end(&mut self) {
        if let Self::Many(joined) = self {
            *self = Self::One(std::mem::take(joined).into());
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Nothing => &[],
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes,
        }
    }

    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn to_bytes(&self) -> Bytes {
        match self {
            Self::One(bytes) => bytes.clone(),
            Self::Nothing | Self::Many(_) => Bytes::copy_from_slice(self.as_slice()),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.into(),
        }
    }
}

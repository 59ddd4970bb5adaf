//! The decision which requests are recorded.

use std::sync::Arc;

use http::HeaderMap;

use crate::{SpanId, SpanQueue, TraceContext, TraceId};

/// Decides which requests are recorded, and takes their spans.
///
/// The caller decides on a request with a valid `traceparent`. A share of the others is recorded, each as a new trace.
#[derive(Clone, Debug)]
pub struct Tracer {
    /// New traces below this are recorded, by the lower half of their ids.
    bound: u128,
    queue: Arc<SpanQueue>,
}

/// The decision whether a request is traced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tracing {
    /// Its caller does not record it. Its headers go on as they are.
    PassedOn,
    /// It is not recorded, and this tells the next service so, in place of headers that it has none or invalid ones of.
    Unrecorded(TraceContext),
    /// It is recorded.
    Recorded(Recorded),
}

/// The place of a recorded request in its trace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recorded {
    /// The trace.
    pub trace: TraceId,
    /// The caller's span. `None` if the trace begins here.
    pub parent: Option<SpanId>,
    /// The span of the request.
    pub span: SpanId,
    /// The span of passing the request on.
    pub call: SpanId,
    /// The value of `tracestate`, if it is short enough to be recorded.
    pub state: String,
}

impl Tracer {
    /// A tracer that records this share of new traces, 0 to 1.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of 2^64 is below 2^65"
    )]
    pub fn new(share: f64, queue: Arc<SpanQueue>) -> Self {
        Self { bound: (share.clamp(0.0, 1.0) * 2f64.powi(64)) as u128, queue }
    }

    /// The spans that have ended.
    #[must_use]
    pub fn queue(&self) -> &Arc<SpanQueue> {
        &self.queue
    }

    /// Decides on a request with these headers.
    #[must_use]
    pub fn trace(&self, headers: &HeaderMap) -> Tracing {
        let parent = TraceContext::of(headers);
        if parent.is_some_and(|parent| !parent.is_sampled) {
            return Tracing::PassedOn;
        }
        let Some((trace, span, call)) = ids() else { return Tracing::PassedOn };
        match parent {
            Some(parent) => Tracing::Recorded(Recorded {
                trace: parent.trace,
                parent: Some(parent.parent),
                span,
                call,
                state: state(headers).unwrap_or_default(),
            }),
            None if trace.get() & u128::from(u64::MAX) < self.bound => {
                Tracing::Recorded(Recorded { trace, parent: None, span, call, state: String::new() })
            }
            None => Tracing::Unrecorded(TraceContext { trace, parent: span, is_sampled: false }),
        }
    }
}

impl Tracing {
    /// Writes the trace context for the next service, which does not see that of a request without a valid one.
    pub fn write(&self, headers: &mut HeaderMap) {
        let (context, begins) = match self {
            Self::PassedOn => return,
            Self::Unrecorded(context) => (*context, true),
            Self::Recorded(recorded) => (recorded.of_call(), recorded.parent.is_none()),
        };
        context.write(headers);
        if begins {
            headers.remove(TraceContext::STATE_HEADER);
        }
    }
}

impl Recorded {
    /// The context for the service to which the request is passed on.
    #[must_use]
    pub const fn of_call(&self) -> TraceContext {
        TraceContext { trace: self.trace, parent: self.call, is_sampled: true }
    }
}

/// Random ids. `None` if the operating system has no randomness, or made a zero of it.
fn ids() -> Option<(TraceId, SpanId, SpanId)> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).ok()?;
    let (trace, spans) = random.split_first_chunk::<16>()?;
    let (span, call) = spans.split_first_chunk::<8>()?;
    let call = call.first_chunk::<8>()?;
    Some((
        TraceId::new(u128::from_le_bytes(*trace))?,
        SpanId::new(u64::from_le_bytes(*span))?,
        SpanId::new(u64::from_le_bytes(*call))?,
    ))
}

fn state(headers: &HeaderMap) -> Option<String> {
    let mut joined = String::new();
    for value in headers.get_all(TraceContext::STATE_HEADER) {
        let value = value.to_str().ok().filter(|value| joined.len() + value.len() < LONGEST_STATE)?;
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(value);
    }
    Some(joined)
}

/// Bytes of the longest `tracestate` that is recorded: all services pass on 512.
const LONGEST_STATE: usize = 512;

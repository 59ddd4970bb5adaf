//! Records: what logs tell of requests.

use http::{HeaderName, HeaderValue, Method, Uri};
use sluicegate::{Cost, Unit};
use sluicegate_policy::{JsonPointer, Scale};

use crate::Moment;

/// One event of a log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// A request arrived. Boxed, because it is large and waits for its turn in a queue.
    Request(Box<Record>),
    /// A request that runs has taken more than its decision did.
    Extend(Change),
    /// A request that was admitted has ended.
    End(Change),
    /// A gateway has started, with accounts of its own if they are in its memory.
    Start(Start),
    /// An operator has reset accounts.
    Reset(Reset),
}

/// A request, as a log tells of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// The moment of the decision: the beginning of the request, as near as the log tells.
    pub(crate) time: Moment,
    /// The method.
    pub(crate) method: Method,
    /// The path and the query.
    pub(crate) uri: Uri,
    /// The peer's address, or a text that stands for the client's address.
    pub(crate) client: Option<String>,
    /// Those headers that the log holds and the policy asks for.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The caller, if the log names one.
    pub(crate) caller: Caller,
    /// Values of the body, by their pointers.
    pub(crate) values: Vec<(JsonPointer, String)>,
    /// The status of the response.
    pub(crate) status: Option<u16>,
    /// Nanoseconds until the end of the response.
    pub(crate) duration: Option<u64>,
    /// Costs by unit, if the log tells any.
    pub(crate) costs: Vec<(Unit, Cost)>,
    /// Tokens of the input and of the output.
    pub(crate) tokens: Option<(u64, u64)>,
    /// The decision at that time, if the log is one of decisions. Boxed, because access logs have none.
    pub(crate) decision: Option<Box<Decision>>,
}

/// The caller of a request, as a log names it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Caller {
    /// The id of the API key.
    pub(crate) api_key: Option<String>,
    /// The customer.
    pub(crate) tenant: Option<String>,
    /// The tier.
    pub(crate) tier: Option<String>,
}

/// A decision of the gateway that wrote the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Decision {
    /// The id, which the end of the request has, too.
    pub(crate) id: u64,
    /// Set if a limit denied the request.
    pub(crate) denied: bool,
    /// The scale of all limits, if the upstream was warming up.
    pub(crate) warmup: Option<Scale>,
    /// The charge of each limit, by its name.
    pub(crate) charges: Vec<(String, Cost)>,
}

/// A change of what an admitted request is charged: more while it runs, or its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Change {
    /// The moment.
    pub(crate) time: Moment,
    /// The id of the request.
    pub(crate) id: u64,
    /// The charges by the names of their limits: those in addition, or the final ones.
    pub(crate) charges: Vec<(String, Cost)>,
    /// The tokens of the input and of the output, at the end.
    pub(crate) tokens: Option<(u64, u64)>,
}

/// The start of a gateway.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Start {
    /// The moment.
    pub(crate) time: Moment,
    /// The process: the first six digits of the ids of its requests.
    pub(crate) process: u64,
    /// Set if the accounts are in the memory of the process.
    pub(crate) in_memory: bool,
    /// Set if they begin anew. A gateway that runs already may begin to write, too.
    pub(crate) fresh: bool,
}

/// A reset of accounts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reset {
    /// The moment.
    pub(crate) time: Moment,
    /// The process, as in its start.
    pub(crate) process: u64,
    /// The keys of the accounts.
    pub(crate) accounts: Vec<String>,
}

impl Event {
    /// The moment of the event.
    #[must_use]
    pub(crate) fn time(&self) -> Moment {
        match self {
            Self::Request(record) => record.time,
            Self::Extend(change) | Self::End(change) => change.time,
            Self::Start(start) => start.time,
            Self::Reset(reset) => reset.time,
        }
    }
}

impl Record {
    /// Returns `true` if the request was denied when it was logged, so that its duration and its usage are those of a
    /// denial.
    #[must_use]
    pub(crate) fn was_denied(&self) -> bool {
        match &self.decision {
            Some(decision) => decision.denied,
            None => self.status == Some(429),
        }
    }
}

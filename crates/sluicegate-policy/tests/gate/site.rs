//! A gate on a clock that stands still until a test moves it, and the requests that are sent to it.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, request::Parts};
use serde_json::Value;
use sfv::{BareItem, List, ListEntry, Parser};
use sluicegate::{ManualClock, MemoryStore, Quota};
use sluicegate_policy::{
    Denied, Gate, Hints, LimitHeaders, Outcome, Pass, Policy, Progress, Reading, Refusal, Rejection,
    Renderer, RequestId, Source,
};

pub(crate) type Store = MemoryStore<ManualClock>;

pub(crate) struct Site {
    pub(crate) gate: Gate<Store>,
    pub(crate) clock: ManualClock,
}

impl Site {
    pub(crate) fn new(policy: &str) -> Self {
        let source = Source::new("test.toml", policy.as_bytes()).unwrap();
        let policy = Policy::parse(&source).unwrap_or_else(|error| panic!("{error}"));
        let clock = ManualClock::new();
        let store = MemoryStore::builder().clock(clock.clone()).build();
        Self { gate: Gate::new(policy, store, clock.clone()), clock }
    }

    /// One route `POST /` with these limits.
    pub(crate) fn with_limits(limits: &str) -> Self {
        Self::new(&format!("[[route]]\npath = \"/\"\nlimits = {limits}"))
    }

    pub(crate) fn send(&self, ask: &Ask) -> Reply {
        ask.at(&self.gate, None)
    }

    /// Sends the same request so many times, which must all pass and are over at once.
    pub(crate) fn pass(&self, times: usize, ask: &Ask) {
        for time in 1..=times {
            assert_eq!(self.send(ask).status(), 200, "request {time} of {times}");
        }
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Ask {
    request: Request<Bytes>,
    peer: &'static str,
    /// The bytes in which the body comes at a time.
    piece: usize,
}

impl Ask {
    pub(crate) fn new(method: &Method, target: &str) -> Self {
        let request = Request::builder().method(method).uri(target).body(Bytes::new()).unwrap();
        Self { request, peer: "192.0.2.1", piece: usize::MAX }
    }

    pub(crate) fn post(target: &str) -> Self {
        Self::new(&Method::POST, target)
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new(&Method::GET, target)
    }

    pub(crate) fn from(mut self, peer: &'static str) -> Self {
        self.peer = peer;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).unwrap();
        self.request.headers_mut().append(HeaderName::from_static(name), value);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// Asks a gate: at its only route, where something is given with the request.
    pub(crate) fn at(&self, gate: &Gate<Store>, given: Option<Hints<'_>>) -> Reply {
        let (head, body) = self.request.clone().into_parts();
        let (peer, route) = (self.peer.parse().unwrap(), gate.policy().routes.unmatched());
        let entered = match given {
            None => now(gate.enter(&head, peer)),
            Some(given) => now(gate.enter_route(route, &head, peer, given)),
        };
        let mut visit = match entered {
            Ok(visit) => visit,
            Err(rejection) => return Reply::rejected(gate, rejection, &head),
        };
        let reading = visit.take_reading().map(|reading| read(*reading, body.chunks(self.piece)));
        let reading = match reading.transpose() {
            Ok(reading) => reading,
            Err(refusal) => return Reply::rejected(gate, visit.refused(refusal), &head),
        };
        match now(gate.decide(&visit, reading.as_ref())) {
            Outcome::Admitted(pass) => {
                let renderer = Renderer::new(gate.policy());
                let lines = renderer.lines(&pass, &renderer.form(&head, pass.route()));
                Reply::Passed(pass, lines)
            }
            Outcome::Rejected(rejection) => Reply::rejected(gate, rejection, &head),
        }
    }

    /// Lets the body come in pieces of so many bytes.
    pub(crate) fn in_pieces(mut self, bytes: usize) -> Self {
        self.piece = bytes;
        self
    }

    /// A batch of so many items.
    pub(crate) fn batch(self, items: usize) -> Self {
        self.body(serde_json::json!({ "inputs": vec![0; items] }).to_string())
    }
}

/// Reads a body as a gateway does, until no more of it is needed.
pub(crate) fn read<'b>(
    mut reading: Reading,
    pieces: impl Iterator<Item = &'b [u8]>,
) -> Result<Reading, Refusal> {
    for piece in pieces {
        if reading.take(Bytes::copy_from_slice(piece))? == Progress::Enough {
            return Ok(reading);
        }
    }
    reading.end()?;
    Ok(reading)
}

/// A response in the order in which it is sent.
fn written(response: &Response<Bytes>) -> String {
    let fields: Vec<_> = response.headers().iter().collect();
    format!("{:?} {fields:?} {:?}", response.status(), response.body())
}

#[derive(Debug)]
pub(crate) enum Reply {
    Passed(Box<Pass<Store>>, LimitHeaders),
    Rejected(Rejection, Response<Bytes>),
}

impl Reply {
    /// The reply to a request with this head that a gate has rejected.
    pub(crate) fn rejected(gate: &Gate<Store>, rejection: Rejection, head: &Parts) -> Self {
        let id = RequestId::of(&head.headers);
        let renderer = Renderer::new(gate.policy());
        let response = renderer.rejected(&rejection, head, &id);
        // A response in the memory of its request has nothing of that.
        let in_place = renderer.rejected_in_place(&rejection, &mut head.clone(), &id);
        assert_eq!(written(&in_place), written(&response));
        Self::Rejected(rejection, response)
    }

    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Passed(..) => StatusCode::OK.as_u16(),
            Self::Rejected(_, response) => response.status().as_u16(),
        }
    }

    /// The headers that the client sees, if the upstream sets none.
    pub(crate) fn headers(&self) -> HeaderMap {
        self.headers_over(HeaderMap::new())
    }

    /// The headers that the client sees, if the upstream sets these.
    pub(crate) fn headers_over(&self, mut upstream: HeaderMap) -> HeaderMap {
        match self {
            Self::Passed(_, lines) => {
                lines.append_to(&mut upstream);
                upstream
            }
            Self::Rejected(_, response) => response.headers().clone(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let headers = self.headers();
        let mut values = headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is there twice");
        value
    }

    pub(crate) fn body(&self) -> Value {
        match self {
            Self::Passed(..) => panic!("the request passed"),
            Self::Rejected(_, response) => serde_json::from_slice(response.body()).unwrap(),
        }
    }

    pub(crate) fn detail(&self) -> String {
        self.body()["detail"].as_str().unwrap().to_owned()
    }

    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.header("retry-after").map(|seconds| seconds.parse().unwrap())
    }

    pub(crate) fn denied(&self) -> &Denied {
        match self {
            Self::Rejected(Rejection::Denied(denied), _) => denied,
            Self::Rejected(rejection, _) => panic!("{rejection:?}"),
            Self::Passed(..) => panic!("the request passed"),
        }
    }

    pub(crate) fn passed(self) -> Pass<Store> {
        match self {
            Self::Passed(pass, _) => *pass,
            Self::Rejected(rejection, _) => panic!("{rejection:?}"),
        }
    }

    /// The members of a `RateLimit` or `RateLimit-Policy` field: names and integer parameters.
    pub(crate) fn list(&self, name: &str) -> Vec<(String, Vec<(String, i64)>)> {
        members(&self.header(name).unwrap())
    }

    /// The remaining amount of the first limit, as the client sees it.
    pub(crate) fn remaining(&self) -> i64 {
        self.list("ratelimit")[0].1[0].1
    }
}

/// Parses a list of strings with integer parameters, as RFC 9651 has it. Parameters of other types are left out.
pub(crate) fn members(field: &str) -> Vec<(String, Vec<(String, i64)>)> {
    let list: List = Parser::new(field).parse().unwrap_or_else(|error| panic!("{field}: {error}"));
    let member = |entry: &ListEntry| {
        let ListEntry::Item(item) = entry else { panic!("{field} holds an inner list") };
        let BareItem::String(name) = &item.bare_item else { panic!("{field} holds what is no string") };
        let integers = item.params.iter().filter_map(|(key, value)| match value {
            BareItem::Integer(number) => Some((key.to_string(), i64::from(*number))),
            _ => None,
        });
        (name.as_str().to_owned(), integers.collect())
    };
    list.iter().map(member).collect()
}

/// Quotas as a program reads them.
pub(crate) fn quotas(texts: &str) -> Vec<Quota> {
    Quota::parse_list(texts).unwrap()
}

/// Memory never waits, so a decision is there at once.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("memory never waits"),
    }
}

//! A service behind a layer whose clock stands still until a test moves it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use sluicegate::ManualClock;
use sluicegate_tower::{Builder, PeerAddress, Policy, RateLimitLayer, RequestBody, ResponseBody, Source};
use tower::{Layer, Service, ServiceExt};

pub(crate) type Asked = Request<RequestBody<Full<Bytes>>>;
pub(crate) type Answered = Response<ResponseBody<Full<Bytes>>>;

/// A layer, and what its listener was told.
pub(crate) struct Site {
    pub(crate) layer: RateLimitLayer,
    pub(crate) clock: ManualClock,
    events: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub(crate) fn new(make: impl FnOnce(Builder) -> Builder) -> Self {
        let (clock, events) = (ManualClock::new(), Arc::<Mutex<Vec<String>>>::default());
        let heard = Arc::clone(&events);
        let builder = RateLimitLayer::builder().clock(clock.clone()).listener(move |event| {
            heard.lock().expect("no test panics holding it").push(event.to_string());
        });
        let layer = make(builder).build().unwrap_or_else(|error| panic!("{error}"));
        Self { layer, clock, events }
    }

    pub(crate) fn of(policy: &str) -> Self {
        Self::new(|builder| builder.policy(self::policy(policy)))
    }

    /// Sends a request to a service that answers with nothing.
    pub(crate) fn ask(&self, request: Request<Full<Bytes>>) -> Answered {
        self.ask_of(request, |_| Response::default())
    }

    /// Sends a request to a service that answers at once.
    pub(crate) fn ask_of(
        &self,
        request: Request<Full<Bytes>>,
        answer: impl Fn(Asked) -> Response<Full<Bytes>> + Clone,
    ) -> Answered {
        let inner = tower::service_fn(move |asked| std::future::ready(Ok::<_, Infallible>(answer(asked))));
        let Ok(answered) = pollster::block_on(self.layer.layer(inner).oneshot(request));
        answered
    }

    /// Returns what the listener was told since the last call.
    pub(crate) fn events(&self) -> Vec<String> {
        std::mem::take(&mut *self.events.lock().expect("no test panics holding it"))
    }
}

/// The policy of this text.
pub(crate) fn policy(text: &str) -> Policy {
    let source = Source::new("test.toml", text.as_bytes()).expect("it is small");
    Policy::parse(&source).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn post(path: &str) -> request::Builder {
    Request::post(path).extension(PeerAddress(PEER))
}

pub(crate) fn empty(request: request::Builder) -> Request<Full<Bytes>> {
    request.body(Full::default()).expect("a good request")
}

pub(crate) fn json(path: &str, body: &'static str) -> Request<Full<Bytes>> {
    let request = post(path).header("content-type", "application/json").header("content-length", body.len());
    request.body(Full::from(body)).expect("a good request")
}

/// The remaining amount of the first limit in the headers of a response.
pub(crate) fn remaining<B>(response: &Response<B>) -> u64 {
    let field = response.headers().get("ratelimit").expect("the response tells its limits");
    let text = field.to_str().expect("ASCII");
    let (_, rest) = text.split_once(";r=").unwrap_or_else(|| panic!("{text}"));
    rest.split(|it: char| !it.is_ascii_digit()).next().and_then(|it| it.parse().ok()).expect("a number")
}

pub(crate) fn header<'r, B>(response: &'r Response<B>, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().expect("ASCII"))
}

/// The whole body of a response.
pub(crate) fn text<B>(response: Response<B>) -> String
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let bytes = pollster::block_on(response.into_body().collect()).expect("no body fails").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Waits until a service is ready, and calls it.
pub(crate) fn call<S: Service<Request<Full<Bytes>>>>(
    service: &mut S,
    request: Request<Full<Bytes>>,
) -> S::Future
where
    S::Error: std::fmt::Debug,
{
    pollster::block_on(service.ready()).expect("no service fails").call(request)
}

pub(crate) const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

/// A body that comes in these pieces.
pub(crate) struct Frames(pub(crate) VecDeque<Bytes>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

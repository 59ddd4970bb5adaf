//! An Envoy that asks a rate limit service, and the messages of that.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request};
use prost::Message;
use sluicegate_gateway::Gateway;

use super::{h2_client::Line, soon};

/// An Envoy that asks, on one connection.
pub(crate) struct Envoy {
    pub(crate) line: Line,
    pub(crate) token: String,
}

/// The response to a call.
pub(crate) struct Called {
    headers: HeaderMap,
    message: Option<Bytes>,
    trailers: HeaderMap,
}

impl Envoy {
    pub(crate) async fn of(gateway: &Gateway) -> Self {
        let address = gateway.decisions_address().expect("the policy has one");
        Self { line: Line::connect(address).await, token: String::new() }
    }

    pub(crate) async fn ask(&self, call: &Call) -> Called {
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(call.encoded_len()).expect("it is short"));
        call.encode(&mut framed).expect("it grows");
        self.send(framed.freeze()).await
    }

    pub(crate) async fn send(&self, bytes: Bytes) -> Called {
        let path = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
        let request = Request::post(format!("http://sluicegate{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("sluicegate-token", &self.token);
        let mut sent = self.line.send(request.body(()).expect("valid"), false).await;
        sent.upload.send_data(bytes, true).expect("it is open");
        let response = sent.response().await;
        assert_eq!(response.status(), 200);
        let (head, mut body) = response.into_parts();
        let mut read = BytesMut::new();
        while let Some(data) = soon(body.data()).await {
            read.extend_from_slice(&data.expect("it is whole"));
        }
        let trailers = soon(body.trailers()).await.expect("it is whole").unwrap_or_default();
        let message = (!read.is_empty()).then(|| {
            assert_eq!((read.get_u8(), read.get_u32() as usize), (0, read.len()));
            read.freeze()
        });
        Called { headers: head.headers, message, trailers }
    }
}

impl Called {
    pub(crate) fn answer(self) -> Answer {
        assert_eq!(self.trailers["grpc-status"], "0");
        Answer::decode(self.message.expect("it succeeded")).expect("it is one")
    }

    /// The status and the message of a call that failed.
    pub(crate) fn error(self) -> (String, String) {
        assert_eq!(self.message, None);
        let field = |name: &str| {
            let found = self.headers.get(name).or(self.trailers.get(name));
            found.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let message = field("grpc-message").replace("%20", " ");
        (field("grpc-status"), message)
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|header| header.key == name);
        let first = named.next().map(|header| header.value.as_str());
        assert_eq!(named.next(), None, "one `{name}`");
        first
    }

    pub(crate) fn body(&self) -> &str {
        std::str::from_utf8(&self.raw_body).expect("a text")
    }
}

/// A call that asks for descriptors of these entries.
pub(crate) fn call(domain: &str, descriptors: &[&[(&str, &str)]]) -> Call {
    let entry = |(key, value): &(&str, &str)| Entry { key: (*key).to_owned(), value: (*value).to_owned() };
    let descriptor = |entries: &&[(&str, &str)]| Descriptor {
        entries: entries.iter().map(entry).collect(),
        ..Descriptor::default()
    };
    let descriptors = descriptors.iter().map(descriptor).collect();
    Call { domain: domain.to_owned(), descriptors, hits_addend: 0 }
}

pub(crate) const OK: i32 = 1;
pub(crate) const OVER_LIMIT: i32 = 2;
pub(crate) const DAY: i32 = 4;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Call {
    #[prost(string, tag = "1")]
    pub(crate) domain: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) descriptors: Vec<Descriptor>,
    #[prost(uint32, tag = "3")]
    pub(crate) hits_addend: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Descriptor {
    #[prost(message, repeated, tag = "1")]
    pub(crate) entries: Vec<Entry>,
    #[prost(message, optional, tag = "3")]
    pub(crate) hits_addend: Option<u64>,
    #[prost(bool, tag = "4")]
    pub(crate) is_negative_hits: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Entry {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Answer {
    #[prost(int32, tag = "1")]
    pub(crate) overall_code: i32,
    #[prost(message, repeated, tag = "2")]
    pub(crate) statuses: Vec<Status>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) headers: Vec<Entry>,
    #[prost(bytes = "bytes", tag = "5")]
    pub(crate) raw_body: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Status {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) current_limit: Option<RateLimit>,
    #[prost(uint32, tag = "3")]
    pub(crate) limit_remaining: u32,
    #[prost(message, optional, tag = "4")]
    pub(crate) duration_until_reset: Option<Duration>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RateLimit {
    #[prost(uint32, tag = "1")]
    pub(crate) requests_per_unit: u32,
    #[prost(int32, tag = "2")]
    pub(crate) unit: i32,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Duration {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

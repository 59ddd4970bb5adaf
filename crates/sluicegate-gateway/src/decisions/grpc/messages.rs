//! Messages of Envoy's rate limit service, version 3: `envoy.service.ratelimit.v3` and what it uses of other packages. Written
//! by hand, so that building needs no compiler of protocols. Fields that nobody here reads or sets are left out.

use prost::{Enumeration, Message};

/// `envoy.service.ratelimit.v3.RateLimitRequest`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RateLimitRequest {
    #[prost(string, tag = "1")]
    pub(super) domain: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) descriptors: Vec<Descriptor>,
    /// 0 is none given.
    #[prost(uint32, tag = "3")]
    pub(super) hits_addend: u32,
}

/// `envoy.extensions.common.ratelimit.v3.RateLimitDescriptor`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Descriptor {
    #[prost(message, repeated, tag = "1")]
    pub(super) entries: Vec<Entry>,
    /// `google.protobuf.UInt64Value`.
    #[prost(message, optional, tag = "3")]
    pub(super) hits_addend: Option<u64>,
    #[prost(bool, tag = "4")]
    pub(super) is_negative_hits: bool,
}

/// `envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Entry {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// `envoy.service.ratelimit.v3.RateLimitResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RateLimitResponse {
    #[prost(enumeration = "Code", tag = "1")]
    pub(super) overall_code: i32,
    #[prost(message, repeated, tag = "2")]
    pub(super) statuses: Vec<DescriptorStatus>,
    #[prost(message, repeated, tag = "3")]
    pub(super) response_headers_to_add: Vec<Header>,
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) raw_body: bytes::Bytes,
}

/// `envoy.service.ratelimit.v3.RateLimitResponse.DescriptorStatus`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DescriptorStatus {
    #[prost(enumeration = "Code", tag = "1")]
    pub(super) code: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) current_limit: Option<RateLimit>,
    #[prost(uint32, tag = "3")]
    pub(super) limit_remaining: u32,
    #[prost(message, optional, tag = "4")]
    pub(super) duration_until_reset: Option<Duration>,
}

/// `envoy.service.ratelimit.v3.RateLimitResponse.RateLimit`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RateLimit {
    #[prost(uint32, tag = "1")]
    pub(super) requests_per_unit: u32,
    #[prost(enumeration = "Unit", tag = "2")]
    pub(super) unit: i32,
    #[prost(string, tag = "3")]
    pub(super) name: String,
}

/// `google.protobuf.Duration`. Envoy cuts off its nanoseconds, so there are none.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Duration {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
}

/// `envoy.config.core.v3.HeaderValue`. Envoy ignores its `raw_value` here.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Header {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// `envoy.service.ratelimit.v3.RateLimitResponse.Code`. Envoy lets requests of an unknown one pass, so it is never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub(super) enum Code {
    Unknown = 0,
    Ok = 1,
    OverLimit = 2,
}

/// `envoy.service.ratelimit.v3.RateLimitResponse.RateLimit.Unit`. The unit of an override has other numbers, and no week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub(super) enum Unit {
    Unknown = 0,
    Second = 1,
    Minute = 2,
    Hour = 3,
    Day = 4,
    Month = 5,
    Year = 6,
    Week = 7,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sent by Envoy 1.40.
    const SETTLED: &[u8] = b"\x0a\x02ml\x12\x16\x0a\x0d\x0a\x04user\x12\x05alice\x1a\x03\x08\x89\x01\x20\x01";

    #[test]
    fn envoys_own_bytes_are_read_and_written() {
        let request = RateLimitRequest::decode(SETTLED).expect("Envoy wrote it");
        let [descriptor] = &request.descriptors[..] else { panic!("{request:?}") };
        assert_eq!((request.domain.as_str(), request.hits_addend), ("ml", 0));
        assert_eq!((descriptor.hits_addend, descriptor.is_negative_hits), (Some(137), true));
        let user = Entry { key: "user".to_owned(), value: "alice".to_owned() };
        assert_eq!(descriptor.entries, [user]);
        assert_eq!(request.encode_to_vec(), SETTLED);
    }

    #[test]
    fn hits_of_nothing_are_not_the_same_as_no_hits() {
        let peek = Descriptor::decode(&b"\x1a\x00"[..]).expect("an empty UInt64Value is 0");
        let unset = Descriptor::decode(&b""[..]).expect("nothing is set");
        assert_eq!((peek.hits_addend, unset.hits_addend), (Some(0), None));
    }

    #[test]
    fn fields_of_newer_versions_are_ignored() {
        let newer = [SETTLED, b"\x7a\x01x"].concat();
        assert_eq!(RateLimitRequest::decode(&newer[..]), RateLimitRequest::decode(SETTLED));
    }
}

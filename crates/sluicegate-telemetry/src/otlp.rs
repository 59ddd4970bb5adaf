//! OTLP: OpenTelemetry's protocol, in its form for HTTP with Protobuf.

mod metrics;
mod resource;
mod response;
mod traces;
mod value;

pub use metrics::{metrics, refused_points};
pub use resource::Resource;
pub use response::Refused;
pub use traces::{refused_spans, traces};

/// The media type of a request and its response.
pub const MEDIA_TYPE: &str = "application/x-protobuf";

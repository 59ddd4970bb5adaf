//! Properties that hold for any input. Each panics where its property does not hold.
//!
//! The fuzz targets call them with what libFuzzer makes up, and an ordinary test with the corpora that it has left.

mod estimate;
mod forwarding;
mod json_meter;
mod policy;
mod quota;
mod usage;

pub use self::{
    estimate::estimate,
    forwarding::forwarding,
    json_meter::json_meter,
    policy::policy,
    quota::quota,
    usage::{usage_events, usage_json, usage_lines},
};

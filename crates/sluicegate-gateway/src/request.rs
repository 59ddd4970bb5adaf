//! One request on its way through the gateway.

pub(crate) mod body;
pub(crate) mod date;
pub(crate) mod detached;
pub(crate) mod forward;
pub(crate) mod framing;
pub(crate) mod host;
pub(crate) mod input_counter;
pub(crate) mod interim;
pub(crate) mod proxy;
pub(crate) mod public_urls;
pub(crate) mod running;
pub(crate) mod trace;
pub(crate) mod upstream_refusal;

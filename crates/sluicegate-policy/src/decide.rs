//! The way from a request to a decision: its route, its caller, its limits and their charges.

pub(crate) mod api_keys;
pub(crate) mod caller;
pub(crate) mod charging;
pub(crate) mod client_ip;
pub(crate) mod cors;
pub(crate) mod debt;
pub(crate) mod descriptor;
pub(crate) mod gate;
pub(crate) mod key_error;
pub(crate) mod key_shape;
pub(crate) mod key_template;
pub(crate) mod limit;
pub(crate) mod on_exhausted;
pub(crate) mod path;
pub(crate) mod refusal;
pub(crate) mod reserve;
pub(crate) mod route;
pub(crate) mod scale;
pub(crate) mod template;
pub(crate) mod terms;
pub(crate) mod tier;
pub(crate) mod trusted_proxy;
pub(crate) mod warmup;

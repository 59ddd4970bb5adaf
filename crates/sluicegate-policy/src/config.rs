//! The policy file, as written and as resolved.

pub(crate) mod code_route;
pub(crate) mod decision_log_settings;
pub(crate) mod decisions_settings;
pub(crate) mod diagnostic;
pub(crate) mod document;
pub mod file;
pub(crate) mod file_version;
pub(crate) mod forwarding;
pub(crate) mod gateway_settings;
pub(crate) mod hidden;
pub(crate) mod key_hasher;
pub(crate) mod lint;
pub(crate) mod overrides;
pub(crate) mod policy;
pub(crate) mod report;
pub(crate) mod resolve;
pub(crate) mod source;
pub(crate) mod store_settings;
pub(crate) mod store_url;
pub(crate) mod telemetry_settings;
pub(crate) mod upstream;

//! The Sluicegate policy file, and what turns an HTTP request into charges and a decision into an answer.

mod answer;
mod config;
mod decide;
mod meter;

pub use answer::{
    Form, Lines, Renderer, header_family::HeaderFamily, request_id::RequestId, retry, utc_time::UtcTime,
};
pub use config::{
    code_route::{CodeMeter, CodeRoute, CodeRouteError, TierShare},
    diagnostic::{Diagnostic, Diagnostics, Place},
    file::{self, schema},
    file_version::FileVersion,
    forwarding::{Forwarding, SlotsUntil},
    gateway_settings::{EjectionSettings, GatewaySettings, HealthSettings, LogFormat, LogKeys, TlsSettings},
    hidden::Hidden,
    overrides::Overrides,
    policy::{Identity, Policy, Responses},
    source::Source,
    store_settings::{StoreKeys, StoreSettings},
    store_url::{StoreKind, StoreUrl, StoreUrlError},
    upstream::{Upstream, UpstreamError},
};
pub use decide::{
    api_keys::{ApiKey, ApiKeys, ApiKeysError, KeyFile, Secret, WatchedKeys},
    caller::Caller,
    client_ip::{ClientIp, ForwardedHeader, UnknownForwardedHeader, account_ip},
    cors::{Cors, Preflight},
    gate::{Account, Denied, Gate, Given, Outcome, Pass, Refused, Rejection, Visit},
    key_template::{Facts, KeyError, KeyTemplate, Part},
    limit::{Limit, LimitId, Mode},
    refusal::Refusal,
    route::{AmbiguousPath, Route, RouteId, RouteMatch, Routes, Timeouts},
    scale::Scale,
    tier::{Tier, TierId, Tiers},
    trusted_proxy::{NO_ADDRESS, trusted_proxy},
    warmup::Warmup,
};
pub use meter::{
    Meter, Progress, Reading,
    body::{Body, BodyError},
    json_pointer::JsonPointer,
};

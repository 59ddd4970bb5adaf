//! The Sluicegate policy file, and what turns an HTTP request into charges and a decision into an answer.
//!
//! A [`Policy`] is read from TOML. A [`Gate`] decides requests by it on the accounts of a store, and its [`Outcome`] is a
//! value. A [`Renderer`] makes an HTTP response of a rejection. The crate uses the types of `http` and does no I/O but
//! reading files, so it works with any server.
//!
//! ```
//! use http::Request;
//! use sluicegate::{ManualClock, MemoryStore};
//! use sluicegate_policy::{Gate, Outcome, Policy, Renderer, RequestId, Source};
//! use std::net::IpAddr;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # pollster::block_on(async {
//! let text = r#"
//!     [[route]]
//!     path   = "/predict"
//!     limits = ["1/minute"]
//! "#;
//! let policy = Policy::parse(&Source::new("sluicegate.toml", text.as_bytes())?)?;
//! let clock = ManualClock::new();
//! let store = MemoryStore::builder().clock(clock.clone()).build();
//! let gate = Gate::new(policy, store, clock);
//!
//! let (head, ()) = Request::post("/predict").body(())?.into_parts();
//! let peer: IpAddr = "192.0.2.7".parse()?;
//! for status in [200, 429] {
//!     let visit = gate.enter(&head, peer).await.expect("anybody may enter");
//!     let response = match gate.decide(&visit, None).await {
//!         // Hold the pass until the response is sent: it has the request's slots of concurrent limits.
//!         Outcome::Admitted(_pass) => http::Response::default(),
//!         Outcome::Rejected(rejection) => {
//!             Renderer::new(gate.policy()).rejected(&rejection, &head, &RequestId::of(&head.headers))
//!         }
//!     };
//!     assert_eq!(response.status(), status);
//! }
//! # Ok(())
//! # })
//! # }
//! ```

mod answer;
mod config;
mod decide;
mod meter;

pub use answer::{
    Form, LimitHeaders, Renderer, StreamEnding, header_family::HeaderFamily, request_id::RequestId, retry,
    utc_time::UtcTime, whole_seconds::whole_seconds,
};
pub use config::{
    code_route::{CodeMeter, CodeRoute, CodeRouteError, TierShare},
    decision_log_settings::DecisionLogSettings,
    decisions_settings::DecisionsSettings,
    diagnostic::{Diagnostic, Diagnostics, Place},
    file::{self, schema},
    file_version::FileVersion,
    forwarding::{Forwarding, SlotsUntil},
    gateway_settings::{EjectionSettings, GatewaySettings, HealthSettings, LogFormat, LogKeys, TlsSettings},
    hidden::Hidden,
    key_hasher::KeyHasher,
    overrides::Overrides,
    policy::{Identity, Policy, Responses},
    source::Source,
    store_settings::{ChunkSettings, StoreKeys, StoreSettings},
    store_url::{StoreKind, StoreUrl, StoreUrlError},
    telemetry_settings::TelemetrySettings,
    upstream::{Upstream, UpstreamError},
};
pub use decide::{
    api_keys::{ApiKey, ApiKeys, ApiKeysError, KeyFile, Secret, WatchedKeys},
    caller::Caller,
    charging::Charging,
    client_ip::{ClientIp, ForwardedHeader, UnknownForwardedHeader, account_ip},
    cors::{Cors, Preflight},
    debt::{Debt, DebtMode},
    descriptor::Descriptor,
    gate::{
        Counting, Denied, Ending, Extended, Extension, Foresight, Gate, Hints, Judgement, LimitAccount,
        Outcome, Pass, RecordedRequest, Refused, Rejection, Reservation, Settlement, Spared, Together, Visit,
    },
    key_error::KeyError,
    key_template::{KeyTemplate, Part, RequestAttributes},
    limit::{Limit, LimitId, Mode},
    on_exhausted::OnExhausted,
    refusal::Refusal,
    reserve::{Reserve, Reserved},
    route::{AmbiguousPath, Route, RouteId, RouteMatch, Routes, Timeouts},
    scale::Scale,
    terms::Terms,
    tier::{Tier, TierId, Tiers},
    trusted_proxy::{NO_ADDRESS, trusted_proxy},
    warmup::Warmup,
};
pub use meter::{
    Actual, CountRequest, Dialect, Estimate, InputCorrection, InputCount, MediaType, Meter, OutputForecast,
    Progress, Reading, Refunds, Repetition, ResponseMeter, TextTokens, TokenClass, TokenHistory, TokenMeter,
    TokenWeights, Tokenization, Tokenizer, TokenizerError, TokenizerFile, Usage, UsageReader, UsageSource,
    UsageStripper, ask_for_usage,
    body::{Body, BodyError},
    json_pointer::JsonPointer,
};

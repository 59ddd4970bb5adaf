//! The layer.

use std::{fmt, sync::Arc};

use sluicegate_http::watch_keys;
use sluicegate_metrics::Metrics;
use sluicegate_policy::Policy;
use tower_layer::Layer;

use crate::{Builder, Event, RateLimit, limits::Limits, timer::Tokio};

/// Limits the requests to a service, by limits in code or by a policy file.
///
/// Clones, and all services that they make, share their accounts. Make one layer and clone it.
///
/// ```
/// use sluicegate_tower::{Limit, Quota, RateLimitLayer};
///
/// // Ten requests a minute for each client's IP address:
/// let layer = RateLimitLayer::builder().limit(Limit::new("predict", Quota::per_minute(10))).build()?;
/// # drop(layer);
/// # Ok::<(), sluicegate_tower::BuildError>(())
/// ```
#[derive(Clone)]
pub struct RateLimitLayer {
    limits: Arc<Limits>,
}

impl RateLimitLayer {
    /// Begins a layer.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits: Arc::new(limits) }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The policy, with the limits that are written in code.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        self.limits.policy()
    }

    /// The counters of decisions and of the store. [`Metrics::write`] gives them as Prometheus reads them.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.limits.metrics
    }

    /// Ends the warm-up that the policy describes: the limits rise to their full size.
    pub fn ready(&self) {
        self.limits.admission().gate().upstream_is_ready();
    }

    /// Reads the policy's file of API keys again whenever it changes. Never returns if there is such a file: spawn it as a task.
    ///
    /// The [listener](Builder::listener) is told of a file that cannot be read, and the old keys stay.
    pub async fn watch_api_keys(&self) {
        let gate = self.limits.admission().gate();
        let Some(path) = &gate.policy().identity.api_keys else { return };
        let heard = |read: Result<usize, sluicegate_policy::ApiKeysError>| {
            if let Err(error) = read {
                self.limits.tell(|| Event::ApiKeys(&error));
            }
        };
        watch_keys(path, gate, &Tokio, heard).await;
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> RateLimit<S> {
        RateLimit::new(inner, Arc::clone(&self.limits))
    }
}

impl fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayer").field("policy", self.policy()).finish_non_exhaustive()
    }
}

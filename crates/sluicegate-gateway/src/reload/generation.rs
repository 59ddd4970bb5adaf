//! The settings that all workers serve by.

use std::{rc::Rc, sync::Arc, time::SystemTime};

use sluicegate::SystemClock;
use sluicegate_http::{
    Admission, DenialLog,
    decision_log::{DecisionLog, DecisionSink},
};
use sluicegate_policy::{ApiKeys, Gate, Policy, Route, UtcTime};
use sluicegate_stores::AnyStore;
use tokio::sync::oneshot;

use crate::{
    metrics::Metrics,
    request::{
        forward::Forward, input_counter::InputCounter, proxy::Proxy, public_urls::PublicUrls,
        running::Serving,
    },
    telemetry::Telemetry,
    upstream::{Health, Timeouts, Upstreams, dial::Dialer},
};

/// The settings that all workers serve by, from one reload to the next.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) gate: Arc<Gate<AnyStore>>,
    pub(crate) admission: Arc<Admission<AnyStore, SystemClock>>,
    /// One for each of the policy's upstreams.
    pub(crate) healths: Arc<[Arc<Health>]>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) denials: DenialLog,
    pub(crate) decisions: Arc<DecisionSink>,
    pub(crate) dialer: Dialer,
    pub(crate) telemetry: Telemetry,
    /// The time when its policy was read.
    pub(crate) read: UtcTime,
}

/// A new policy on its way to one worker.
#[derive(Debug)]
pub(crate) struct Adoption {
    pub(crate) generation: Arc<Generation>,
    /// Told when every request that arrives at the worker from now on is served by it.
    pub(crate) adopted: oneshot::Sender<()>,
}

impl Generation {
    /// The first of a gateway.
    pub(crate) fn new(
        gate: Arc<Gate<AnyStore>>,
        dialer: Dialer,
        decisions: Arc<DecisionSink>,
        telemetry: Telemetry,
    ) -> Self {
        let settings = &gate.policy().gateway;
        let healths = Health::of_all(settings, None);
        let metrics = Arc::new(Metrics::new(&gate, &healths, &decisions, telemetry.spans()));
        let denials = DenialLog::new(settings.log_keys);
        let admission = admission(&gate, &metrics, &denials, &decisions);
        let read = SystemTime::now().into();
        Self { gate, admission, healths, metrics, denials, decisions, dialer, telemetry, read }
    }

    /// One of another policy, on the same accounts and counters.
    pub(crate) fn next(
        &self,
        policy: Policy,
        api_keys: ApiKeys,
        dialer: Dialer,
        telemetry: Telemetry,
    ) -> Self {
        let before = (&self.gate.policy().gateway, &*self.healths);
        let healths = Health::of_all(&policy.gateway, Some(before));
        let denials = self.denials.with_keys(policy.gateway.log_keys);
        let gate = Arc::new(self.gate.with_policy(policy).with_api_keys(api_keys));
        let metrics = Arc::new(self.metrics.with_gate(&gate, &healths));
        let decisions = Arc::clone(&self.decisions);
        let admission = admission(&gate, &metrics, &denials, &decisions);
        let read = SystemTime::now().into();
        Self { gate, admission, healths, metrics, denials, decisions, dialer, telemetry, read }
    }

    /// Makes a worker's proxy for it. Connections of the proxy `before` continue if the upstream is the same.
    pub(crate) fn proxy(&self, before: Option<&Proxy>) -> Proxy {
        let settings = &self.gate.policy().gateway;
        let timeouts = |route: &Route| Timeouts {
            response: route.timeouts().response.unwrap_or(settings.response_timeout),
            idle: route.timeouts().idle.unwrap_or(settings.idle_timeout),
            keep_alive: settings.keep_alive,
            total: route.timeouts().total,
        };
        let input_counter = |route: &Route| InputCounter::of(route.meter());
        let routes = self.gate.policy().routes.as_slice();
        let detached = before.map(|before| before.detached.clone()).unwrap_or_default();
        let before = before.map(|before| &before.upstreams);
        Proxy {
            serving: Rc::new(Serving {
                admission: Arc::clone(&self.admission),
                metrics: Arc::clone(&self.metrics),
                tracer: self.telemetry.tracer(),
                inferences: self.telemetry.inferences(),
            }),
            // All have the same base path.
            forward: Forward::new(
                settings.upstreams.first(),
                settings.trusted_proxies.clone(),
                settings.forwarded_header,
            ),
            upstreams: Upstreams::new(settings, &self.healths, self.dialer.clone(), before),
            denials: self.denials.clone(),
            detached,
            maps_back: settings.rewrite_redirects
                && settings.upstreams.iter().any(|upstream| PublicUrls::of(upstream).is_some()),
            timeouts: routes.iter().map(timeouts).collect(),
            input_counters: routes.iter().map(input_counter).collect(),
        }
    }
}

fn admission(
    gate: &Arc<Gate<AnyStore>>,
    metrics: &Metrics,
    denials: &DenialLog,
    decisions: &Arc<DecisionSink>,
) -> Arc<Admission<AnyStore, SystemClock>> {
    let policy = gate.policy();
    let log = policy
        .decision_log
        .as_ref()
        .map(|settings| DecisionLog::new(Arc::clone(decisions), policy, settings.keys, denials));
    let admission = Admission::new(Arc::clone(gate), metrics.decisions(), SystemClock::new());
    Arc::new(admission.with_accounts(denials.clone()).with_log(log))
}

//! Periodic health checks of upstreams.

use std::sync::Arc;

use http::StatusCode;
use sluicegate_policy::{HealthSettings, Upstream};
use tokio::task::JoinSet;

use crate::{
    io::interval::every,
    upstream::{Health, dial::Dialer, probe::probe},
};

/// Checks every upstream as the settings say, for as long as the future lives.
pub(crate) async fn check_all(
    dialer: &Dialer,
    upstreams: &[Upstream],
    healths: &[Arc<Health>],
    settings: &HealthSettings,
) {
    let mut checks = JoinSet::new();
    for (upstream, health) in upstreams.iter().zip(healths) {
        checks.spawn(check(dialer.clone(), upstream.clone(), Arc::clone(health), settings.clone()));
    }
    while checks.join_next().await.is_some() {}
}

async fn check(dialer: Dialer, upstream: Upstream, health: Arc<Health>, settings: HealthSettings) {
    let mut interval = every(settings.interval);
    // Consecutive results that contradict the known state.
    let mut contrary = 0;
    loop {
        interval.tick().await;
        let answer = probe(&dialer, &upstream, &settings.path, settings.timeout).await;
        let is_well = answer.as_ref().is_ok_and(StatusCode::is_success);
        if is_well == health.is_up() {
            contrary = 0;
            continue;
        }
        tracing::debug!(%upstream, ?answer, "a health check");
        contrary += 1;
        let enough = if is_well { settings.healthy } else { settings.unhealthy };
        if contrary >= enough.get() {
            health.note(is_well);
            contrary = 0;
        }
    }
}

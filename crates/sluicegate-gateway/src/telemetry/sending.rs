//! Sends spans to the collector, beside the requests.

use std::{
    ops::ControlFlow,
    time::{Duration, SystemTime},
};

use sluicegate_metrics::{Format, Metrics};
use sluicegate_telemetry::{
    otlp::{Refused, Resource, metrics, refused_points, refused_spans, traces},
    read_open_metrics,
};
use tokio::time::{sleep, timeout};

use super::{
    Process, Wanted,
    collector::{Unaccepted, post},
};
use crate::io::interval::every;

/// Sends for as long as the future lives.
pub(super) async fn send(process: &Process, wanted: &Wanted, counted: &Metrics) {
    let resource = resource(process, wanted);
    let spans = async {
        if wanted.settings.traces {
            send_spans(process, wanted, &resource).await;
        }
    };
    let metrics = async {
        if wanted.settings.metrics {
            send_all_metrics(process, wanted, &resource, counted).await;
        }
    };
    tokio::join!(spans, metrics);
}

/// Sends the metrics once more, and the spans that are left, until one batch of them is not accepted or the time is over.
pub(super) async fn send_the_rest(process: &Process, wanted: &Wanted, counted: &Metrics) {
    let resource = resource(process, wanted);
    let all = async {
        if wanted.settings.metrics {
            send_metrics(process, wanted, &resource, counted, &mut Reports::new("metrics")).await;
        }
        let mut reports = Reports::new("traces");
        while send_batch(process, wanted, &resource, &mut reports).await.is_continue() {}
    };
    // What is not sent then is lost.
    let _ = timeout(AT_THE_END, all).await;
}

fn resource(process: &Process, wanted: &Wanted) -> Resource {
    Resource::new(&wanted.settings.service_name, env!("CARGO_PKG_VERSION"), process.instance.as_str())
}

async fn send_spans(process: &Process, wanted: &Wanted, resource: &Resource) {
    let mut reports = Reports::new("traces");
    loop {
        tokio::select! {
            () = process.spans.until_batch() => {}
            () = sleep(SPANS_INTERVAL) => {}
        }
        while send_batch(process, wanted, resource, &mut reports).await.is_continue() {}
        if let Some(pause) = reports.pause {
            sleep(pause).await;
        }
    }
}

async fn send_all_metrics(process: &Process, wanted: &Wanted, resource: &Resource, counted: &Metrics) {
    let mut reports = Reports::new("metrics");
    let mut interval = every(wanted.settings.metrics_interval);
    // The first tick is at once, when nothing has been counted yet.
    interval.tick().await;
    loop {
        interval.tick().await;
        send_metrics(process, wanted, resource, counted, &mut reports).await;
    }
}

/// Sends the metrics as they are now. If they are not accepted, the next ones tell as much.
async fn send_metrics(
    process: &Process,
    wanted: &Wanted,
    resource: &Resource,
    counted: &Metrics,
    reports: &mut Reports,
) {
    // What cannot be written there is a defect, which a scrape tells as well.
    let text = counted.write(Format::OpenMetrics).unwrap_or_default();
    let mut all = read_open_metrics(&text);
    all.extend(process.inferences.metrics());
    let message = metrics(resource, &all, process.started, SystemTime::now());
    match post(wanted, "/v1/metrics", message).await {
        Ok(response) => reports.accepted(&refused_points(&response)),
        Err(Unaccepted::Never(reason)) => reports.failed(&reason, None),
        Err(Unaccepted::Later(wait, reason)) => reports.failed(&reason, wait),
    }
}

/// Sends a batch, and tells if it may go on with the next.
async fn send_batch(
    process: &Process,
    wanted: &Wanted,
    resource: &Resource,
    reports: &mut Reports,
) -> ControlFlow<()> {
    let Some(batch) = process.spans.batch() else { return ControlFlow::Break(()) };
    match post(wanted, "/v1/traces", traces(resource, batch.spans())).await {
        Ok(response) => {
            let refused = refused_spans(&response);
            batch.sent(refused.count);
            reports.accepted(&refused);
            ControlFlow::Continue(())
        }
        Err(Unaccepted::Never(reason)) => {
            let all = batch.spans().len() as u64;
            batch.sent(all);
            reports.failed(&reason, None);
            ControlFlow::Continue(())
        }
        // The spans of the batch wait again.
        Err(Unaccepted::Later(wait, reason)) => {
            reports.failed(&reason, wait);
            ControlFlow::Break(())
        }
    }
}

/// The last answers of a collector, so that the log is told of changes alone, and pauses between attempts grow.
struct Reports {
    signal: &'static str,
    is_failing: bool,
    /// Before the next attempt.
    pause: Option<Duration>,
}

impl Reports {
    const fn new(signal: &'static str) -> Self {
        Self { signal, is_failing: false, pause: None }
    }

    fn accepted(&mut self, refused: &Refused) {
        self.pause = None;
        let is_refusing = refused.count > 0;
        if is_refusing && !self.is_failing {
            let Refused { count, message } = refused;
            let signal = self.signal;
            tracing::warn!(signal, count, message = %message.escape_debug(), "the collector refuses a part of the telemetry");
        } else if !is_refusing && self.is_failing {
            tracing::info!(signal = self.signal, "the collector accepts telemetry again");
        }
        self.is_failing = is_refusing;
    }

    fn failed(&mut self, reason: &str, wait: Option<Duration>) {
        let next = self.pause.map_or(SHORTEST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
        self.pause = Some(wait.map_or(next, |wait| wait.min(LONGEST_PAUSE)));
        if !std::mem::replace(&mut self.is_failing, true) {
            let signal = self.signal;
            tracing::warn!(
                signal,
                "the collector does not accept telemetry: {reason}; requests go on without it"
            );
        }
    }
}

/// Spans wait no longer than this for a batch.
const SPANS_INTERVAL: Duration = Duration::from_secs(1);
/// Between attempts while the collector is away.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// For the last spans when the gateway ends.
const AT_THE_END: Duration = Duration::from_secs(2);

//! Traces and metrics for OpenTelemetry.

#[cfg(feature = "otlp")]
mod collector;
pub(crate) mod gen_ai;
pub(crate) mod inference;
#[cfg(feature = "otlp")]
mod sending;

use std::{fmt, sync::Arc, time::SystemTime};

use sluicegate_metrics::Metrics;
use sluicegate_policy::{RequestId, TelemetrySettings};
use sluicegate_telemetry::{SpanQueue, Tracer};

use self::inference::Inferences;
use crate::{io::tls::TlsError, upstream::dial::Dialer};

/// The telemetry of a gateway, by the settings of one policy.
#[derive(Clone, Debug)]
pub(crate) struct Telemetry {
    /// Of the gateway, whatever its policy.
    process: Arc<Process>,
    /// Off if not given.
    wanted: Option<Arc<Wanted>>,
}

/// The facts about a gateway that a reload does not change.
#[derive(Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only this feature sends anything"))]
struct Process {
    spans: Arc<SpanQueue>,
    inferences: Arc<Inferences>,
    /// The time from which everything is counted.
    started: SystemTime,
    /// Its name among all instances of the service.
    instance: RequestId,
}

/// The settings and what they need.
#[derive(Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only this feature sends anything"))]
struct Wanted {
    settings: TelemetrySettings,
    dialer: Dialer,
}

/// The reason that telemetry cannot be sent.
#[derive(Debug)]
pub enum TelemetryError {
    /// This build has no OTLP.
    NotBuilt,
    /// There is no certificate authority to verify the collector.
    Tls(TlsError),
}

impl Telemetry {
    /// The telemetry of a gateway that starts.
    ///
    /// # Errors
    ///
    /// [`TelemetryError`], if it cannot be sent as the settings say.
    pub(crate) fn new(settings: Option<&TelemetrySettings>) -> Result<Self, TelemetryError> {
        let process = Process {
            spans: Arc::default(),
            inferences: Arc::default(),
            started: SystemTime::now(),
            instance: RequestId::new(),
        };
        Self { process: Arc::new(process), wanted: None }.with(settings)
    }

    /// The same by other settings.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub(crate) fn with(&self, settings: Option<&TelemetrySettings>) -> Result<Self, TelemetryError> {
        let wanted = settings.map(|settings| Wanted::new(settings).map(Arc::new)).transpose()?;
        Ok(Self { process: Arc::clone(&self.process), wanted })
    }

    /// The spans that have ended.
    pub(crate) fn spans(&self) -> &Arc<SpanQueue> {
        &self.process.spans
    }

    /// The tracer of requests, if traces are sent.
    pub(crate) fn tracer(&self) -> Option<Tracer> {
        let settings = &self.wanted.as_ref()?.settings;
        settings.traces.then(|| Tracer::new(settings.sampling, Arc::clone(self.spans())))
    }

    /// The counts of calls of models, if metrics are sent.
    pub(crate) fn inferences(&self) -> Option<Arc<Inferences>> {
        self.wanted.as_ref()?.settings.metrics.then(|| Arc::clone(&self.process.inferences))
    }

    /// Sends whatever is to be sent, for as long as the future lives.
    pub(crate) async fn send(&self, metrics: &Metrics) {
        #[cfg(feature = "otlp")]
        if let Some(wanted) = &self.wanted {
            sending::send(&self.process, wanted, metrics).await;
        }
        #[cfg(not(feature = "otlp"))]
        let _ = metrics;
    }

    /// Sends what is left, if the collector takes it at once.
    pub(crate) async fn send_the_rest(&self, metrics: &Metrics) {
        #[cfg(feature = "otlp")]
        if let Some(wanted) = &self.wanted {
            sending::send_the_rest(&self.process, wanted, metrics).await;
        }
        #[cfg(not(feature = "otlp"))]
        let _ = metrics;
    }
}

impl Wanted {
    fn new(settings: &TelemetrySettings) -> Result<Self, TelemetryError> {
        if !cfg!(feature = "otlp") {
            return Err(TelemetryError::NotBuilt);
        }
        let dialer =
            Dialer::to(std::slice::from_ref(&settings.endpoint), None).map_err(TelemetryError::Tls)?;
        Ok(Self { settings: settings.clone(), dialer })
    }
}

impl fmt::Display for TelemetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBuilt => f.write_str(
                "this build sends no telemetry: leave [telemetry] out, or build with the feature `otlp`",
            ),
            Self::Tls(error) => write!(f, "the collector cannot be verified: {error}"),
        }
    }
}

impl std::error::Error for TelemetryError {}

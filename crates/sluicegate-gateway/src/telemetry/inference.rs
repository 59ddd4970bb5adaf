//! Calls of models, counted by the names of OpenTelemetry's conventions for generative AI, version 0.1.0.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::StatusCode;
use sluicegate_policy::{Refusal, Reservation, Settlement, Upstream};
use sluicegate_telemetry::{Attribute, Distribution, Metric, Number, Point, Points};
use tokio::time::Instant;

use super::gen_ai::{self, EMBEDDINGS, Operation};

/// All calls of models since the start.
///
/// Models are named by clients. Once there are [`MOST_SERIES`], a model that is not known yet is counted as `_OTHER`.
#[derive(Debug, Default)]
pub(crate) struct Inferences(Mutex<Series>);

#[derive(Debug, Default)]
struct Series {
    durations: BTreeMap<(Labels, Option<String>), Durations>,
    /// By the name of the metric and the modality of its tokens.
    tokens: BTreeMap<(Labels, &'static str, &'static str), u64>,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Labels {
    operation: Operation,
    model: Option<String>,
    server: Option<(String, u16)>,
}

#[derive(Debug, Default)]
struct Durations {
    all: Histogram,
    first_chunk: Histogram,
    chunk: Histogram,
}

/// Durations by [`BOUNDS`].
#[derive(Clone, Debug, Default)]
struct Histogram {
    counts: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

/// One call of a model, from its beginning to its end.
#[derive(Debug)]
pub(crate) struct Inference {
    all: Arc<Inferences>,
    labels: Labels,
    error: Option<String>,
    began: Instant,
    streams: bool,
    last_chunk: Option<Instant>,
    durations: Durations,
}

impl Inferences {
    /// Begins to count a call that is handed to the upstream, if it is one of a model that makes something.
    pub(crate) fn begin(self: &Arc<Self>, reservation: &Reservation, path: &str) -> Option<Box<Inference>> {
        let estimate = reservation.estimate();
        let operation = Operation::of(reservation.dialect()?, path, estimate);
        if operation.name == EMBEDDINGS {
            return None;
        }
        let model = gen_ai::model(estimate).map(str::to_owned);
        Some(Box::new(Inference {
            all: Arc::clone(self),
            labels: Labels { operation, model, server: None },
            error: None,
            began: Instant::now(),
            streams: estimate.streams,
            last_chunk: None,
            durations: Durations::default(),
        }))
    }

    /// The metrics as they are now.
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only this feature sends anything"))]
    pub(super) fn metrics(&self) -> Vec<Metric> {
        let series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let durations = DURATIONS.map(|(name, description, of)| {
            let points = series.durations.iter().filter_map(|((labels, error), durations)| {
                let histogram = of(durations);
                let mut attributes = labels.attributes();
                attributes.extend(error.clone().map(|error| ("error.type".into(), error.into())));
                (!histogram.is_empty()).then(|| Point { attributes, value: histogram.distribution() })
            });
            let points = Points::Histogram(points.collect());
            Metric { name: name.into(), description: description.into(), unit: "s", points }
        });
        let tokens = TOKENS.map(|(name, description)| {
            let points = series.tokens.iter().filter(|((_, known, _), _)| *known == name);
            let points = points.map(|((labels, _, modality), tokens)| {
                let mut attributes = labels.attributes();
                attributes.push(("gen_ai.token.modality".into(), (*modality).into()));
                Point { attributes, value: Number::from(*tokens) }
            });
            Metric {
                name: format!("gen_ai.client.inference.usage.{name}").into(),
                description: description.into(),
                unit: "{token}",
                points: Points::Counter(points.collect()),
            }
        });
        durations.into_iter().chain(tokens).filter(|metric| !is_empty(&metric.points)).collect()
    }
}

impl Inference {
    /// Learns of the head of the upstream's response.
    pub(crate) fn answered(&mut self, status: StatusCode, upstream: &Upstream) {
        self.labels.server = Some((upstream.host().to_owned(), upstream.port()));
        if status.is_client_error() || status.is_server_error() {
            self.error = Some(status.as_str().to_owned());
        }
    }

    /// Learns that the upstream does not respond.
    pub(crate) fn failed(&mut self, refusal: &Refusal) {
        self.error = Some(refusal.code().to_owned());
    }

    /// Learns that data of the response has come.
    pub(crate) fn data(&mut self) {
        if self.streams {
            let now = Instant::now();
            match self.last_chunk.replace(now) {
                None => self.durations.first_chunk.observe(now - self.began),
                Some(last) => self.durations.chunk.observe(now - last),
            }
        }
    }

    /// Counts the call, which has ended.
    pub(crate) fn ended(mut self, reservation: &Reservation, settlement: &Settlement) {
        self.durations.all.observe(self.began.elapsed());
        let usage = match settlement {
            Settlement::Used(actual) if actual.is_reported() => Some(actual.usage),
            Settlement::Used(_) | Settlement::Reserved => None,
        };
        let used = gen_ai::usage_by_modality(usage.as_ref(), reservation.estimate().has_media);
        let mut series = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        let by_error = (self.labels, self.error);
        if series.durations.len() + series.tokens.len() >= MOST_SERIES
            && !series.durations.contains_key(&by_error)
        {
            let other = by_error.0.model.as_ref().map(|_| gen_ai::OTHER.to_owned());
            return series.count((Labels { model: other, ..by_error.0 }, by_error.1), &self.durations, &used);
        }
        series.count(by_error, &self.durations, &used);
    }
}

impl Series {
    fn count(
        &mut self,
        by_error: (Labels, Option<String>),
        durations: &Durations,
        used: &[(&'static str, &'static str, u64)],
    ) {
        for (name, modality, tokens) in used {
            let counter = self.tokens.entry((by_error.0.clone(), name, modality)).or_default();
            *counter = counter.saturating_add(*tokens);
        }
        let known = self.durations.entry(by_error).or_default();
        known.all.add(&durations.all);
        known.first_chunk.add(&durations.first_chunk);
        known.chunk.add(&durations.chunk);
    }
}

impl Labels {
    fn attributes(&self) -> Vec<(std::borrow::Cow<'static, str>, Attribute)> {
        let Self { operation, model, server } = self;
        let mut attributes = vec![
            ("gen_ai.operation.name".into(), operation.name.into()),
            ("gen_ai.provider.name".into(), operation.provider.into()),
        ];
        attributes.extend(model.clone().map(|model| ("gen_ai.request.model".into(), model.into())));
        if let Some((host, port)) = server {
            attributes.push(("server.address".into(), host.clone().into()));
            attributes.push(("server.port".into(), (*port).into()));
        }
        attributes
    }
}

impl Histogram {
    fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        self.counts[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
        self.sum += duration;
    }

    fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
        self.sum = self.sum.saturating_add(other.sum);
    }

    fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    fn distribution(&self) -> Distribution {
        Distribution {
            bounds: BOUNDS.to_vec(),
            counts: self.counts.to_vec(),
            sum: self.sum.as_secs_f64(),
            exemplars: Vec::new(),
        }
    }
}

fn is_empty(points: &Points) -> bool {
    match points {
        Points::Counter(points) | Points::Gauge(points) => points.is_empty(),
        Points::Histogram(points) => points.is_empty(),
    }
}

/// A histogram of durations.
type Of = fn(&Durations) -> &Histogram;

/// The histograms by their names.
const DURATIONS: [(&str, &str, Of); 3] = [
    (
        "gen_ai.client.inference.duration",
        "Time from sending a request to a model to the end of its response",
        |it| &it.all,
    ),
    (
        "gen_ai.client.inference.time_to_first_chunk",
        "Time from sending a request to a model to the first data of its stream",
        |it| &it.first_chunk,
    ),
    ("gen_ai.client.inference.time_per_output_chunk", "Time between two pieces of a model's stream", |it| {
        &it.chunk
    }),
];

/// The counters of tokens by the ends of their names.
const TOKENS: [(&str, &str); 5] = [
    ("input_tokens", "Tokens that models have read, with cached ones"),
    ("output_tokens", "Tokens that models have made, with those of reasoning"),
    ("cache_read.input_tokens", "Input tokens that were read from a cache"),
    ("cache_write.input_tokens", "Input tokens that were written to a cache"),
    ("reasoning.output_tokens", "Output tokens that clients do not see"),
];

/// Upper bounds in seconds, as the conventions have them.
const BOUNDS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

/// From here on, models that are not known yet are `_OTHER`.
const MOST_SERIES: usize = 1000;

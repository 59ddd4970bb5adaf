//! Exemplars: for a bucket of a histogram, the trace of a request that is counted in it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A request whose trace is recorded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Exemplar {
    /// The id of the trace.
    pub trace: u128,
    /// The id of the request's span.
    pub span: u64,
    /// The duration that was counted.
    pub duration: Duration,
    /// The time at which it was counted.
    pub time: SystemTime,
}

/// The newest exemplar of each bucket, by the sample that the bucket is written as. The metrics library has exemplars for
/// its own histograms only.
#[derive(Debug, Default)]
pub(crate) struct Exemplars(Mutex<BTreeMap<String, Exemplar>>);

impl Exemplars {
    /// Takes the place of the bucket's exemplar.
    pub(crate) fn set(&self, metric: &str, bound: Option<f64>, labels: &[(&str, &str)], exemplar: Exemplar) {
        let mut sample = format!("{metric}_bucket{{le=\"");
        match bound.map(|bound| bound.to_string()) {
            None => sample.push_str("+Inf"),
            Some(whole) if !whole.contains('.') => sample.extend([&whole, ".0"]),
            Some(bound) => sample.push_str(&bound),
        }
        sample.push('"');
        for (name, value) in labels {
            let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n");
            sample.extend([",", name, "=\"", &value, "\""]);
        }
        sample.push('}');
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(sample, exemplar);
    }

    /// Writes the exemplars behind their samples in a text of OpenMetrics, and forgets those whose series are gone.
    pub(crate) fn write(&self, text: String) -> String {
        let mut exemplars = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if exemplars.is_empty() {
            return text;
        }
        let mut written = String::with_capacity(text.len() + 128 * exemplars.len());
        let mut kept = BTreeMap::new();
        for line in text.lines() {
            written.push_str(line);
            if let Some((sample, exemplar)) =
                line.rsplit_once(' ').and_then(|(sample, _)| exemplars.remove_entry(sample))
            {
                exemplar.write(&mut written);
                kept.insert(sample, exemplar);
            }
            written.push('\n');
        }
        *exemplars = kept;
        written
    }
}

impl Exemplar {
    fn write(&self, text: &mut String) {
        let Self { trace, span, duration, time } = self;
        let seconds = duration.as_secs_f64();
        let time = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        // Writing to a String cannot fail.
        let _ =
            write!(text, " # {{trace_id=\"{trace:032x}\",span_id=\"{span:016x}\"}} {seconds:?} {time:.3}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exemplar_stands_behind_its_bucket_as_long_as_that_is_written() {
        let exemplars = Exemplars::default();
        let exemplar = |trace| Exemplar {
            trace,
            span: 7,
            duration: Duration::from_micros(1500),
            time: UNIX_EPOCH + Duration::from_millis(1_700_000_000_250),
        };
        exemplars.set("d", Some(0.5), &[("route", "/\"a\"")], exemplar(1));
        exemplars.set("d", Some(0.5), &[("route", "/\"a\"")], exemplar(2));
        exemplars.set("d", None, &[], exemplar(3));
        exemplars.set("d", None, &[("route", "/gone")], exemplar(4));
        let text = "d_bucket{le=\"0.25\",route=\"/\\\"a\\\"\"} 1\nd_bucket{le=\"0.5\",route=\"/\\\"a\\\"\"} 2\nd_bucket{le=\"+Inf\"} 2\n";
        let id = |trace: u32| format!("{{trace_id=\"{trace:032x}\",span_id=\"0000000000000007\"}}");
        let expected = format!(
            "d_bucket{{le=\"0.25\",route=\"/\\\"a\\\"\"}} 1\n\
             d_bucket{{le=\"0.5\",route=\"/\\\"a\\\"\"}} 2 # {} 0.0015 1700000000.250\n\
             d_bucket{{le=\"+Inf\"}} 2 # {} 0.0015 1700000000.250\n",
            id(2),
            id(3)
        );
        assert_eq!(exemplars.write(text.to_owned()), expected);
        assert_eq!(exemplars.0.lock().unwrap().len(), 2, "what is gone is forgotten");
    }
}

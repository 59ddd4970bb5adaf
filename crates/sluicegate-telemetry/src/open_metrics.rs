//! Reads the text of OpenMetrics, as our own registry writes it.

use std::{
    borrow::Cow,
    time::{Duration, UNIX_EPOCH},
};

use crate::{
    Attribute, SpanId, TraceId,
    metric::{Distribution, Exemplar, Metric, Number, Point, Points},
};

/// Reads the metrics of a text in OpenMetrics: counters, gauges and histograms.
///
/// The series of a histogram has its sum first, and its buckets in the order of their bounds, as `prometheus-client` writes
/// them. What cannot be read is left out.
///
/// ```
/// use sluicegate_telemetry::{Number, Points, read_open_metrics};
///
/// let text = "# HELP a_requests Requests.\n# TYPE a_requests counter\na_requests_total{route=\"/\"} 3\n# EOF\n";
/// let metrics = read_open_metrics(text);
/// assert_eq!(metrics[0].name, "a_requests");
/// let Points::Counter(points) = &metrics[0].points else { panic!("it is a counter") };
/// assert_eq!(points[0].value, Number::Whole(3));
/// ```
#[must_use]
pub fn read_open_metrics(text: &str) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    let mut help = "";
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|described| described.split_once(' '))
        {
            let points = match kind {
                "counter" => Points::Counter(Vec::new()),
                "histogram" => Points::Histogram(Vec::new()),
                _ => Points::Gauge(Vec::new()),
            };
            metrics.push(Metric {
                name: name.to_owned().into(),
                description: unescaped(std::mem::take(&mut help)).into(),
                unit: if name.ends_with("_seconds") { "s" } else { "" },
                points,
            });
        } else if let Some(metric) = metrics.last_mut() {
            // A line that is not a sample of the metric changes nothing.
            let _ = read_sample(metric, line);
        }
    }
    metrics
}

fn read_sample(metric: &mut Metric, line: &str) -> Option<()> {
    let rest = line.strip_prefix(&*metric.name)?;
    let (suffix, rest) = rest.split_at(rest.find(['{', ' '])?);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(labels) => read_labels(labels)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_ascii_whitespace().next()?;
    match (&mut metric.points, suffix) {
        (Points::Counter(points), "_total") | (Points::Gauge(points), "") => {
            points.push(Point { attributes: attributes(labels), value: Number::parse(value)? });
        }
        (Points::Histogram(points), "_sum") => {
            let value = Distribution { sum: value.parse().ok()?, ..Distribution::default() };
            points.push(Point { attributes: attributes(labels), value });
        }
        (Points::Histogram(points), "_bucket") => {
            let distribution = &mut points.last_mut()?.value;
            let (_, bound) = labels.iter().find(|(name, _)| *name == "le")?;
            if bound != "+Inf" {
                distribution.bounds.push(bound.parse().ok()?);
            }
            let below: u64 = distribution.counts.iter().sum();
            distribution.counts.push(value.parse::<u64>().ok()?.checked_sub(below)?);
            distribution.exemplars.extend(rest.split_once(" # {").and_then(|(_, text)| read_exemplar(text)));
        }
        _ => {}
    }
    Some(())
}

/// Reads the labels, the value and the time of an exemplar.
fn read_exemplar(text: &str) -> Option<Exemplar> {
    let (labels, rest) = read_labels(text)?;
    let label = |name| labels.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    let (value, time) = rest.trim_start().split_once(' ')?;
    let time = Duration::try_from_secs_f64(time.parse().ok()?).ok()?;
    Some(Exemplar {
        trace: TraceId::parse(label("trace_id")?)?,
        span: SpanId::parse(label("span_id")?)?,
        value: value.parse().ok()?,
        time: UNIX_EPOCH.checked_add(time)?,
    })
}

/// Labels as they are written, and what is behind them.
type Labels<'t> = (Vec<(&'t str, String)>, &'t str);

fn read_labels(mut text: &str) -> Option<Labels<'_>> {
    let mut labels = Vec::new();
    loop {
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = text.split_once("=\"")?;
        let end = end_of_value(quoted)?;
        labels.push((name, unescaped(&quoted[..end])));
        text = &quoted[end + 1..];
        text = text.strip_prefix(',').unwrap_or(text);
    }
}

/// The place of the quotation mark that ends a value.
fn end_of_value(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => plain.push('\n'),
                Some(escaped) => plain.push(escaped),
                None => plain.push('\\'),
            },
            plain_one => plain.push(plain_one),
        }
    }
    plain
}

fn attributes(labels: Vec<(&str, String)>) -> Vec<(Cow<'static, str>, Attribute)> {
    labels.into_iter().map(|(name, value)| (Cow::Owned(name.to_owned()), value.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_may_hold_what_looks_like_the_end() {
        let text = "# HELP g Says \\\\ \\n it.\n# TYPE g gauge\ng{a=\"x\\\"} 7\",b=\"\\\\\"} -1.5\ng 0\n";
        let [metric] = &read_open_metrics(text)[..] else { panic!("there is one") };
        assert_eq!(metric.description, "Says \\ \n it.");
        let Points::Gauge(points) = &metric.points else { panic!("it is a gauge") };
        let labels = [("a".into(), "x\"} 7".to_owned().into()), ("b".into(), "\\".to_owned().into())];
        assert_eq!(points[0], Point { attributes: labels.to_vec(), value: Number::Real(-1.5) });
        assert_eq!(points[1], Point { attributes: Vec::new(), value: Number::Whole(0) });
    }

    const EXEMPLAR: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn each_bucket_of_a_histogram_has_its_own_count() {
        let series = |route: &str, counts: [u64; 3]| {
            let [one, two, all] = counts;
            format!(
                "d_seconds_sum{{route=\"{route}\"}} 2.5\nd_seconds_count{{route=\"{route}\"}} {all}\n\
                 d_seconds_bucket{{le=\"0.001\",route=\"{route}\"}} {one}\n\
                 d_seconds_bucket{{le=\"0.5\",route=\"{route}\"}} {two} # {{trace_id=\"{EXEMPLAR}\",span_id=\"00f067aa0ba902b7\"}} 0.4 1.5\n\
                 d_seconds_bucket{{le=\"+Inf\",route=\"{route}\"}} {all}\n"
            )
        };
        let text = ["# HELP d_seconds D.\n# TYPE d_seconds histogram\n", &series("/a", [2, 3, 4])];
        let text = [text.concat(), series("/b", [0, 0, 0]), "# EOF\n".to_owned()].concat();
        let [metric] = &read_open_metrics(&text)[..] else { panic!("there is one") };
        assert_eq!(metric.unit, "s");
        let Points::Histogram(points) = &metric.points else { panic!("it is a histogram") };
        let bounds = vec![0.001, 0.5];
        let exemplar = Exemplar {
            trace: TraceId::parse(EXEMPLAR).unwrap(),
            span: SpanId::parse("00f067aa0ba902b7").unwrap(),
            value: 0.4,
            time: UNIX_EPOCH + Duration::from_millis(1500),
        };
        let distribution =
            |counts| Distribution { bounds: bounds.clone(), counts, sum: 2.5, exemplars: vec![exemplar] };
        assert_eq!(points[0].value, distribution(vec![2, 1, 1]));
        assert_eq!(points[1].value, distribution(vec![0, 0, 0]));
        assert_eq!(points[1].attributes, [("route".into(), "/b".into())]);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for line in ["g{a=\"x} 1", "g{a} 1", "g{", "g", "g x", "h 1", "g{a=\"\\", "", "{", "g_total 1"] {
            let metrics = read_open_metrics(&format!("# TYPE g gauge\n{line}\n"));
            assert_eq!(metrics[0].points, Points::Gauge(Vec::new()), "{line}");
        }
        assert_eq!(read_open_metrics("g 1\n"), []);
    }
}

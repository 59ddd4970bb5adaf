//! The order of what is written, which is the same in every scrape of every process.

use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use sluicegate_metrics::{Format, Metrics};
use sluicegate_policy::{Policy, Source};

#[test]
fn metrics_come_in_the_order_of_their_names_in_both_text_formats() {
    let metrics = Metrics::with(|registry| {
        for name in ["tea", "tea_cups", "apples"] {
            registry.register(name, "Counted by the way in", Counter::<u64>::default());
        }
    });
    let _counted = metrics.gate(&policy(TIERS));
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let text = written(&metrics, format);
        let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        assert!(names.is_sorted() && names.len() > 10, "{names:?}");
        assert!(names[0].starts_with("sluicegate_apples"), "{names:?}");
    }
}

#[test]
fn every_metric_keeps_its_own_lines() {
    let metrics = Metrics::new();
    let _counted = metrics.gate(&policy(TIERS));
    for (format, total) in [(Format::Prometheus, "_total"), (Format::OpenMetrics, "")] {
        let text = written(&metrics, format);
        let (mut name, mut samples) = (String::new(), 0);
        for line in text.lines().filter(|line| *line != "# EOF") {
            if let Some(described) = line.strip_prefix("# HELP ") {
                name = described.split(' ').next().unwrap_or_default().trim_end_matches(total).to_owned();
            } else {
                assert!(line.trim_start_matches("# TYPE ").starts_with(&name), "{line} of {name}");
                samples += usize::from(!line.starts_with('#'));
            }
        }
        assert!(samples > 30, "{text}");
        assert_eq!(text.ends_with("\n# EOF\n"), format == Format::OpenMetrics);
    }
}

#[test]
fn series_come_in_the_order_of_their_labels() {
    let metrics = Metrics::new();
    let _counted = metrics.gate(&policy(TIERS));
    let text = written(&metrics, Format::Prometheus);
    let series: Vec<_> = text.lines().filter(|line| line.starts_with("sluicegate_requests_total{")).collect();
    assert_eq!(series.len(), 18, "three routes, two tiers, three decisions");
    assert!(series.is_sorted(), "{series:?}");
    let outages: Vec<_> =
        text.lines().filter(|line| line.starts_with("sluicegate_outage_decisions_total{")).collect();
    assert!(outages.is_sorted() && outages.len() == 3, "{outages:?}");
}

#[test]
fn two_processes_write_the_same_whichever_gate_came_first() {
    let (early, late) = (policy(TIERS), policy("[[route]]\npath = \"/a\"\nlimits = [\"1/minute\"]"));
    let (one, other) = (Metrics::new(), Metrics::new());
    for (metrics, order) in [(&one, [&early, &late]), (&other, [&late, &early])] {
        for policy in order {
            let _counted = metrics.gate(policy);
        }
    }
    for format in [Format::Prometheus, Format::OpenMetrics, Format::Summary] {
        assert_eq!(written(&one, format), written(&other, format));
    }
}

#[test]
fn what_comes_back_after_it_was_forgotten_takes_its_old_place() {
    let metrics = Metrics::new();
    let (all, few) = (policy(TIERS), policy("[[route]]\npath = \"/m\""));
    let _counted = metrics.gate(&all);
    let before = written(&metrics, Format::Prometheus);
    metrics.keep(&[&few]);
    assert!(!written(&metrics, Format::Prometheus).contains("route=\"/z\""));
    let _counted = metrics.gate(&all);
    assert_eq!(written(&metrics, Format::Prometheus), before);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a scrape takes real time")]
fn ten_thousand_series_are_written_in_a_moment() {
    let metrics = Metrics::new();
    let routes = (0..2_000).map(|number| format!("[[route]]\npath = \"/{}\"\n", number * 7_919 % 2_000));
    let _counted = metrics.gate(&policy(&(TIERS.to_owned() + &routes.collect::<String>())));
    for format in [Format::Prometheus, Format::OpenMetrics, Format::Summary] {
        let scrape = || {
            let began = Instant::now();
            let text = written(&metrics, format);
            (began.elapsed(), text)
        };
        // The best of some, because a machine that is busy with other things says nothing of us.
        let (took, text) = (0..5).map(|_| scrape()).min().expect("there are some");
        assert!(took < Duration::from_millis(500), "{format:?} took {took:?}");
        assert!(format == Format::Summary || text.lines().count() > 12_000);
    }
}

const TIERS: &str = r#"
    [tiers.premium]
    [tiers.free]

    [identity]
    default_tier = "free"

    [[route]]
    path = "/z"
    limits = [{ name = "zwei", quota = "2/minute" }, { name = "eins", quota = "1/minute", mode = "shadow" }]

    [[route]]
    path = "/m"
"#;

fn policy(text: &str) -> Policy {
    let source = Source::new("test.toml", text.as_bytes()).expect("it is small");
    Policy::parse(&source).expect("it is valid")
}

fn written(metrics: &Metrics, format: Format) -> String {
    metrics.write(format).expect("it can be written")
}

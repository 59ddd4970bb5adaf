//! Counts of gates' decisions, and their totals.

use std::{
    net::Ipv4Addr,
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use http::Request;
use prometheus_client::metrics::counter::Counter;
use sluicegate::{ManualClock, MemoryStore};
use sluicegate_metrics::{Format, GateMetrics, Metrics};
use sluicegate_policy::{Gate, Policy, Source};

#[test]
fn whatever_becomes_of_a_request_is_counted() {
    let metrics = Metrics::new();
    let site = Site::of(&metrics, TIERS);
    for _ in 0..3 {
        site.send("POST", "/predict");
    }
    site.send("POST", "/premium");
    let text = written(&metrics);
    for line in [
        "sluicegate_requests_total{route=\"/predict\",tier=\"free\",decision=\"allow\"} 2",
        "sluicegate_requests_total{route=\"/predict\",tier=\"free\",decision=\"deny\"} 1",
        "sluicegate_requests_total{route=\"/premium\",tier=\"free\",decision=\"refuse\"} 1",
        "sluicegate_decisions_total{limit=\"two\",decision=\"allow\"} 2",
        "sluicegate_decisions_total{limit=\"two\",decision=\"deny\"} 1",
        "sluicegate_shadow_denials_total{limit=\"one\"} 1",
        "sluicegate_decision_duration_seconds_count 2",
        "sluicegate_decision_duration_seconds_bucket{le=\"0.000001\"} 0",
        "sluicegate_decision_duration_seconds_bucket{le=\"0.0000025\"} 2",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
    }
}

#[test]
fn all_of_a_policy_is_there_before_its_first_request() {
    let metrics = Metrics::new();
    let _site = Site::of(&metrics, TIERS);
    let text = written(&metrics);
    for line in [
        "sluicegate_requests_total{route=\"/premium\",tier=\"premium\",decision=\"refuse\"} 0",
        "sluicegate_requests_total{route=\"unmatched\",tier=\"free\",decision=\"allow\"} 0",
        "sluicegate_decisions_total{limit=\"two\",decision=\"deny\"} 0",
        "sluicegate_shadow_denials_total{limit=\"one\"} 0",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
    }
}

#[test]
fn gates_that_are_made_later_are_counted_too() {
    let metrics = Metrics::new();
    let early = Site::of(&metrics, "[[route]]\npath = \"/early\"");
    early.send("GET", "/early");
    assert!(!written(&metrics).contains("/late"));
    thread::scope(|scope| {
        scope.spawn(|| Site::of(&metrics, "[[route]]\npath = \"/late\"").send("GET", "/late"));
    });
    early.send("GET", "/early");
    let expected = "{\"total_requests\":3,\"limited_requests\":0,\"endpoints\":{\
                    \"/early\":{\"total\":2,\"limited\":0},\"/late\":{\"total\":1,\"limited\":0},\
                    \"unmatched\":{\"total\":0,\"limited\":0}}}";
    assert_eq!(summary(&metrics), expected);
}

#[test]
fn gates_on_one_path_are_one_endpoint() {
    let metrics = Metrics::new();
    let policy = "[[route]]\npath = \"/predict\"\nlimits = [\"1/minute\"]";
    let (one, other) = (Site::of(&metrics, policy), Site::of(&metrics, policy));
    one.send("GET", "/predict");
    for _ in 0..2 {
        other.send("GET", "/predict");
    }
    let allowed = "sluicegate_requests_total{route=\"/predict\",tier=\"default\",decision=\"allow\"} 2";
    assert!(written(&metrics).contains(allowed));
    assert!(summary(&metrics).contains("\"endpoints\":{\"/predict\":{\"total\":3,\"limited\":1},"));
}

#[test]
fn routes_for_several_methods_of_a_path_are_one_endpoint_and_counted_once() {
    let metrics = Metrics::new();
    let site = Site::of(
        &metrics,
        r#"
        [[route]]
        path = "/predict"
        methods = ["GET"]
        limits = ["1/minute"]

        [[route]]
        path = "/predict"
        methods = ["POST"]
        "#,
    );
    for method in ["GET", "GET", "POST"] {
        site.send(method, "/predict");
    }
    let expected = "{\"total_requests\":3,\"limited_requests\":1,\"endpoints\":{\
                    \"/predict\":{\"total\":3,\"limited\":1},\"unmatched\":{\"total\":0,\"limited\":0}}}";
    assert_eq!(summary(&metrics), expected);
}

#[test]
fn what_a_gate_counted_stays_when_it_is_gone() {
    let metrics = Metrics::new();
    Site::of(&metrics, "[[route]]\npath = \"/predict\"").send("GET", "/predict");
    assert!(summary(&metrics).starts_with("{\"total_requests\":1,"));
}

#[test]
fn what_a_way_in_counts_itself_is_written_among_the_others() {
    let tea: Counter = Counter::default();
    let metrics = Metrics::with(|registry| registry.register("tea", "Cups of tea", tea.clone()));
    let _site = Site::of(&metrics, TIERS);
    tea.inc();
    let text = written(&metrics);
    let names = ["store_up", "tea_total"];
    let places = names.map(|name| text.find(&format!("# TYPE sluicegate_{name} ")).expect(name));
    assert!(places.is_sorted() && text.contains("\nsluicegate_tea_total 1\n"), "{text}");
}

/// A gate whose decisions are counted.
struct Site {
    gate: Gate<MemoryStore<ManualClock>>,
    counted: GateMetrics,
}

impl Site {
    fn of(metrics: &Metrics, policy: &str) -> Self {
        let source = Source::new("test.toml", policy.as_bytes()).expect("it is small");
        let clock = ManualClock::new();
        let store = MemoryStore::builder().clock(clock.clone()).build();
        let gate = Gate::new(Policy::parse(&source).expect("it is valid"), store, clock);
        let counted = metrics.gate(gate.policy());
        Self { gate, counted }
    }

    fn send(&self, method: &str, path: &str) {
        let request = Request::builder().method(method).uri(path).body(()).expect("a request");
        let (head, ()) = request.into_parts();
        let decided = at_once(async {
            let visit = self.gate.enter(&head, Ipv4Addr::LOCALHOST.into()).await?;
            self.gate.decide(&visit, None).await.into_result()
        });
        match decided {
            Ok(pass) => self.counted.passed(&pass, Duration::from_micros(2)),
            Err(rejection) => self.counted.rejected(&rejection),
        }
    }
}

const TIERS: &str = r#"
    [tiers.free]
    [tiers.premium]

    [identity]
    default_tier = "free"

    [[route]]
    path = "/predict"
    limits = [
      { name = "two", quota = "2/minute" },
      { name = "one", quota = "1/minute", mode = "shadow" },
    ]

    [[route]]
    path = "/premium"
    tier = "premium"
"#;

fn written(metrics: &Metrics) -> String {
    metrics.write(Format::Prometheus).expect("it can be written")
}

fn summary(metrics: &Metrics) -> String {
    metrics.write(Format::Summary).expect("it can be written")
}

/// Returns the output of a future that waits for nothing, such as those of a gate with a memory store.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

//! A history whose time is moved by hand.

use std::sync::Arc;

use http::Request;
use serde_json::{Value, json};
use sluicegate::{ManualClock, MemoryStore};
use sluicegate_http::Admission;
use sluicegate_policy::{Gate, Policy, Source};

use super::*;

/// Monday, 30 November 2026, at a full hour.
const NOON: u64 = 1_796_040_000;

/// A gate whose decisions are counted.
struct Counted {
    metrics: Metrics,
    admission: Admission<MemoryStore<ManualClock>, ManualClock>,
}

impl Counted {
    fn new(text: &str) -> Self {
        let policy = Policy::parse(&Source::new("test.toml", text.as_bytes()).unwrap()).unwrap();
        let clock = ManualClock::new();
        let store = MemoryStore::builder().clock(clock.clone()).build();
        let gate = Arc::new(Gate::new(policy, store, clock.clone()));
        let metrics = Metrics::new();
        let admission = Admission::new(Arc::clone(&gate), metrics.gate(gate.policy()), clock);
        Self { metrics, admission }
    }

    async fn ask(&self, path: &str, times: usize) {
        for _ in 0..times {
            let (head, ()) = Request::post(path).body(()).unwrap().into_parts();
            let entry = self.admission.enter(&head, [127, 0, 0, 1].into()).await.unwrap();
            // A denial is counted, too.
            let _ = entry.decide(None).await;
        }
    }
}

const POLICY: &str = "[[route]]\npath = '/a'\nlimits = [{ name = 'a', quota = '3/day', algorithm = 'fixed-window' }]\n\
                      [[route]]\npath = '/b'\nlimits = [{ name = 'b', quota = '1/day', mode = 'shadow' }]\n";

/// A history, as a client gets it.
fn told(history: &History, range: Range, known: Option<Known>) -> (Value, Known) {
    let (news, known) = history.since(range, known);
    (serde_json::to_value(news).unwrap(), known)
}

fn sum(state: &Value, kind: &str, name: &str) -> [u64; 3] {
    let values = state[kind][name]["values"].as_array().expect("three columns");
    [0, 1, 2].map(|index| values[index].as_array().unwrap().iter().map(|value| value.as_u64().unwrap()).sum())
}

#[tokio::test]
async fn every_range_has_what_was_counted_in_it() {
    let counted = Counted::new(POLICY);
    let mut history = History::default();
    counted.ask("/a", 5).await;
    history.look(NOON, &counted.metrics);
    counted.ask("/b", 2).await;
    history.look(NOON + 1200, &counted.metrics);

    let (state, _) = told(&history, Range::SixHours, None);
    assert_eq!(sum(&state, "routes", "/a"), [3, 2, 0]);
    assert_eq!(sum(&state, "limits", "a"), [3, 2, 0]);
    assert_eq!(sum(&state, "limits", "b"), [0, 0, 1]);
    let values = &state["routes"]["/b"]["values"][0];
    assert_eq!((values.as_array().unwrap().len(), &values[119]), (120, &json!(2)));
    assert_eq!(state["last"], (NOON + 1200) / 180);

    let (state, _) = told(&history, Range::TenMinutes, None);
    assert_eq!(sum(&state, "routes", "/a"), [0, 0, 0], "that is twenty minutes ago");
    assert_eq!(state["routes"]["/a"]["totals"], json!([3, 2, 0]));
    assert_eq!(sum(&state, "routes", "/b"), [2, 0, 0]);
}

#[tokio::test]
async fn whoever_knows_the_history_is_told_the_series_that_changed_from_the_step_that_they_know() {
    let counted = Counted::new(POLICY);
    let mut history = History::default();
    counted.ask("/a", 1).await;
    history.look(NOON, &counted.metrics);
    let (_, known) = told(&history, Range::TenMinutes, None);

    counted.ask("/a", 1).await;
    history.look(NOON + 1, &counted.metrics);
    let (state, known) = told(&history, Range::TenMinutes, Some(known));
    assert_eq!(state["routes"]["/a"]["values"], json!([[2], [0], [0]]), "the step has grown");
    assert_eq!(state["routes"].as_object().unwrap().len(), 1);

    counted.ask("/a", 1).await;
    history.look(NOON + 16, &counted.metrics);
    let (state, known) = told(&history, Range::TenMinutes, Some(known));
    assert_eq!(state["routes"]["/a"]["values"][0], json!([2, 0, 0, 1]));

    history.look(NOON + 3600, &counted.metrics);
    let (state, _) = told(&history, Range::TenMinutes, Some(known));
    assert_eq!(state["routes"], json!({}));
    assert_eq!(state["last"], (NOON + 3600) / 5);
}

#[tokio::test]
async fn ten_hours_of_requests_take_no_more_memory_than_the_first_hours() {
    let counted = Counted::new(POLICY);
    let mut history = History::default();
    for second in 0..36_000 {
        if second % 100 == 0 {
            counted.ask("/b", 1).await;
        }
        history.look(NOON + second, &counted.metrics);
    }
    let (state, _) = told(&history, Range::SixHours, None);
    assert_eq!(sum(&state, "routes", "/b"), [216, 0, 0], "six hours of them");
    let (state, _) = told(&history, Range::Hour, None);
    assert_eq!(sum(&state, "routes", "/b"), [36, 0, 0]);
    assert_eq!(state["routes"]["/b"]["totals"], json!([360, 0, 0]));
    let series = &history.routes.0["/b"];
    assert!(size_of_val(&**series.rings.as_ref().unwrap()) < 4_500, "all that it ever takes");
    assert!(history.routes.0["/a"].rings.is_none(), "nothing for a route that nobody asks for");
}

#[tokio::test]
async fn a_clock_that_is_set_back_or_far_ahead_loses_no_count() {
    let counted = Counted::new(POLICY);
    let mut history = History::default();
    counted.ask("/b", 1).await;
    history.look(NOON, &counted.metrics);
    counted.ask("/b", 1).await;
    history.look(NOON - 86_400, &counted.metrics);
    let (state, _) = told(&history, Range::TenMinutes, None);
    assert_eq!(sum(&state, "routes", "/b"), [2, 0, 0]);
    counted.ask("/b", 1).await;
    history.look(u64::MAX, &counted.metrics);
    let (state, _) = told(&history, Range::TenMinutes, None);
    assert_eq!(sum(&state, "routes", "/b"), [1, 0, 0]);
    assert_eq!(state["routes"]["/b"]["totals"], json!([3, 0, 0]));
}

#[tokio::test]
async fn a_limit_that_a_reload_takes_away_is_forgotten() {
    let counted = Counted::new(POLICY);
    let mut history = History::default();
    counted.ask("/a", 1).await;
    history.look(NOON, &counted.metrics);
    let (_, known) = told(&history, Range::TenMinutes, None);
    let rest = Policy::parse(
        &Source::new("test.toml", b"[[route]]\npath = '/a'\nlimits = [{ name = 'c', quota = '3/s' }]")
            .unwrap(),
    );
    counted.metrics.keep(&[&rest.unwrap()]);
    history.look(NOON + 1, &counted.metrics);
    assert!(history.has_lost_series_since(known));
    let (state, known) = told(&history, Range::TenMinutes, None);
    assert!(!history.has_lost_series_since(known));
    assert!(state["limits"].as_object().unwrap().is_empty(), "{:?}", state["limits"]);
    assert_eq!(sum(&state, "routes", "/a"), [1, 0, 0]);
}

//! What stores have done, told together.

use std::sync::{Arc, Mutex};

use sluicegate_metrics::{Format, Metrics};
use sluicegate_stores::Figures;

#[test]
fn several_stores_are_summed() {
    let metrics = Metrics::new();
    for takes in [20, 3] {
        let figures = Figures { up: true, takes, live_keys: 4, refused: 1, ..Figures::default() };
        metrics.watch_store(move || Some(figures));
    }
    assert_written(
        &metrics,
        &[
            "sluicegate_store_up 1",
            "sluicegate_store_takes_total 23",
            "sluicegate_live_keys 8",
            "sluicegate_outage_decisions_total{outage=\"deny\"} 2",
            "sluicegate_outage_decisions_total{outage=\"allow\"} 0",
        ],
    );
}

#[test]
fn one_store_that_is_down_is_told() {
    let metrics = Metrics::new();
    let down = Arc::new(Mutex::new(store(0)));
    for store in [Arc::new(Mutex::new(store(0))), Arc::clone(&down)] {
        metrics.watch_store(move || Some(*store.lock().expect("no panic")));
    }
    assert_written(&metrics, &["sluicegate_store_up 1"]);
    down.lock().expect("no panic").up = false;
    assert_written(&metrics, &["sluicegate_store_up 0"]);
}

#[test]
fn without_a_store_there_is_nothing_to_worry_about() {
    assert_written(&Metrics::new(), &["sluicegate_store_up 1", "sluicegate_store_takes_total 0"]);
}

#[test]
fn what_a_store_did_stays_counted_when_it_is_gone_but_it_holds_nothing_and_is_not_down() {
    let metrics = Metrics::new();
    let figures = store(2);
    metrics.watch_store(move || Some(figures));
    let leaving = Arc::new(Figures { up: false, live_leases: 7, ..store(5) });
    let watched = Arc::downgrade(&leaving);
    metrics.watch_store(move || watched.upgrade().map(|figures| *figures));
    let before = ["sluicegate_store_up 0", "sluicegate_store_takes_total 7", "sluicegate_live_leases 7"];
    assert_written(&metrics, &before);
    drop(leaving);
    for _ in 0..2 {
        let after = [
            "sluicegate_store_up 1",
            "sluicegate_store_takes_total 7",
            "sluicegate_live_leases 0",
            "sluicegate_live_keys 2",
        ];
        assert_written(&metrics, &after);
    }
}

#[test]
fn stores_that_are_gone_are_let_go_though_nobody_looks_at_the_metrics() {
    let metrics = Metrics::new();
    let held = Arc::new(());
    for _ in 0..1_000 {
        let held = Arc::clone(&held);
        metrics.watch_store(move || {
            let _held = &held;
            None
        });
    }
    assert!(Arc::strong_count(&held) < 20, "{} are held", Arc::strong_count(&held));
}

/// A store that is up, with two keys.
fn store(takes: u64) -> Figures {
    Figures { up: true, takes, live_keys: 2, ..Figures::default() }
}

fn assert_written(metrics: &Metrics, lines: &[&str]) {
    let text = metrics.write(Format::Prometheus).expect("it can be written");
    for line in lines {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
    }
}

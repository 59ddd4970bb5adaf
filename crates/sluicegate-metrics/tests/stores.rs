//! Counts of several stores, added up.

use std::sync::{Arc, Mutex};

use sluicegate::{ServerState, Unit};
use sluicegate_metrics::{Format, Metrics};
use sluicegate_stores::{StoreStatistics, Units};

#[test]
fn several_stores_are_summed() {
    let metrics = Metrics::new();
    for takes in [20, 3] {
        let statistics =
            StoreStatistics { up: true, takes, live_keys: 4, refused: 1, ..StoreStatistics::default() };
        metrics.watch_store(move || Some(statistics.clone()));
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
fn units_of_chunks_are_told_by_their_units() {
    let metrics = Metrics::new();
    for tokens in [300, 40] {
        let idle_units = Units::of(&[(Unit::Tokens, tokens)]);
        let expired_units = Units::of(&[(Unit::Requests, 1), (Unit::Usd, tokens)]);
        let statistics = StoreStatistics {
            live_chunks: 2,
            chunks: 5,
            decided_by_chunks: 70,
            idle_units,
            expired_units,
            ..StoreStatistics::none()
        };
        metrics.watch_store(move || Some(statistics.clone()));
    }
    assert_written(
        &metrics,
        &[
            "sluicegate_live_chunks 4",
            "sluicegate_chunks_total 10",
            "sluicegate_chunk_decisions_total 140",
            "sluicegate_chunk_idle_units{unit=\"tokens\"} 340",
            "sluicegate_chunk_idle_units{unit=\"requests\"} 0",
            "sluicegate_chunk_expired_units_total{unit=\"requests\"} 2",
            "sluicegate_chunk_expired_units_total{unit=\"usd\"} 340",
        ],
    );
}

#[test]
fn one_store_that_is_down_is_told() {
    let metrics = Metrics::new();
    let down = Arc::new(Mutex::new(store(0)));
    for store in [Arc::new(Mutex::new(store(0))), Arc::clone(&down)] {
        metrics.watch_store(move || Some(store.lock().expect("no panic").clone()));
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
    let statistics = store(2);
    metrics.watch_store(move || Some(statistics.clone()));
    let leaving = Arc::new(StoreStatistics { up: false, live_leases: 7, ..store(5) });
    let watched = Arc::downgrade(&leaving);
    metrics.watch_store(move || watched.upgrade().map(|statistics| (*statistics).clone()));
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

#[test]
fn each_server_of_a_store_is_told_by_itself() {
    let metrics = Metrics::new();
    assert!(metrics.silent_servers().is_empty());
    let server =
        |name: &str, up, errors, outages| ServerState { server: name.to_owned(), up, errors, outages };
    let servers = vec![
        server("a:6379", Some(true), 2, 0),
        server("b:6379", Some(false), 5, 1),
        // It was replaced.
        server("c:6379", None, 9, 3),
    ];
    metrics.watch_store(move || Some(StoreStatistics { servers: servers.clone(), ..store(1) }));
    assert_written(
        &metrics,
        &[
            "sluicegate_store_server_up{server=\"a:6379\"} 1",
            "sluicegate_store_server_up{server=\"b:6379\"} 0",
            "sluicegate_store_server_errors_total{server=\"a:6379\"} 2",
            "sluicegate_store_server_outages_total{server=\"b:6379\"} 1",
            "sluicegate_store_server_outages_total{server=\"c:6379\"} 3",
        ],
    );
    let text = metrics.write(Format::Prometheus).expect("it can be written");
    assert!(!text.contains("server_up{server=\"c:6379\"}"), "{text}");
    assert_eq!(metrics.silent_servers(), ["b:6379"]);
}

/// A store that is up, with two keys.
fn store(takes: u64) -> StoreStatistics {
    StoreStatistics { up: true, takes, live_keys: 2, ..StoreStatistics::default() }
}

fn assert_written(metrics: &Metrics, lines: &[&str]) {
    let text = metrics.write(Format::Prometheus).expect("it can be written");
    for line in lines {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
    }
}

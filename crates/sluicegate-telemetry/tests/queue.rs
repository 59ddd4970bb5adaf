//! Spans that wait.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::UNIX_EPOCH,
};

use http::HeaderMap;
use sluicegate_telemetry::{Span, SpanKind, SpanQueue, Tracer, Tracing};

fn spans(count: usize) -> impl Iterator<Item = Span> {
    (0..count).map(|number| {
        let Tracing::Recorded(recorded) = Tracer::new(1.0, Arc::default()).trace(&HeaderMap::new()) else {
            panic!("all are recorded")
        };
        Span {
            trace: recorded.trace,
            id: recorded.span,
            parent: None,
            has_remote_parent: false,
            state: String::new(),
            kind: SpanKind::Server,
            name: number.to_string(),
            start: UNIX_EPOCH,
            end: UNIX_EPOCH,
            attributes: Vec::new(),
            is_error: false,
        }
    })
}

#[test]
fn a_full_queue_drops_the_newest_and_counts_them() {
    let queue = SpanQueue::default();
    queue.push(spans(SpanQueue::CAPACITY + 7));
    assert_eq!((queue.sent(), queue.dropped()), (0, 7));
    let batch = queue.batch().expect("spans wait");
    assert_eq!((batch.spans().len(), batch.spans()[0].name.as_str()), (SpanQueue::BATCH, "0"));
    batch.sent(2);
    assert_eq!((queue.sent(), queue.dropped()), (SpanQueue::BATCH as u64 - 2, 9));
}

#[test]
fn a_batch_that_was_not_sent_is_the_next_one_again() {
    let queue = SpanQueue::default();
    queue.push(spans(3));
    drop(queue.batch());
    queue.push(spans(1));
    let batch = queue.batch().expect("spans wait");
    assert_eq!(batch.spans().iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["0", "1", "2", "0"]);
    batch.sent(0);
    assert!(queue.batch().is_none());
    assert_eq!((queue.sent(), queue.dropped()), (4, 0));
}

#[test]
fn a_full_batch_is_announced_once() {
    let queue = SpanQueue::default();
    let is_announced = || pin!(queue.until_batch()).poll(&mut Context::from_waker(Waker::noop())).is_ready();
    queue.push(spans(SpanQueue::BATCH - 1));
    assert!(!is_announced());
    queue.push(spans(1));
    assert!(is_announced() && !is_announced());
}

#[test]
fn a_share_of_new_traces_is_recorded() {
    let recorded = |share| {
        let tracer = Tracer::new(share, Arc::default());
        (0..4000).filter(|_| matches!(tracer.trace(&HeaderMap::new()), Tracing::Recorded(_))).count()
    };
    assert_eq!((recorded(0.0), recorded(1.0)), (0, 4000));
    let some = recorded(0.25);
    assert!((800..1200).contains(&some), "{some} of 4000 are not a quarter");
}

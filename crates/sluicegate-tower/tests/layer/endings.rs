//! The ends of admitted requests: their charges stay, and their slots are free again.

use std::{
    convert::Infallible,
    future::{Future, pending},
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Empty, Full, channel::Channel};
use sluicegate_tower::{Limit, Permit, Quota};
use tower::Layer;

use crate::site::{Asked, Site, call, empty, post, remaining};

/// Ten requests a day, of which one at a time.
fn site() -> Site {
    Site::new(|builder| {
        builder
            .limit(Limit::new("daily", Quota::per_day(10)))
            .limit(Limit::new("slots", Quota::concurrent(1)))
    })
}

/// Asserts that the slot is free, and returns what was left of the day before that.
fn left(site: &Site) -> u64 {
    let answer = site.ask(empty(post("/")));
    assert_eq!(answer.status(), 200, "the slot is free");
    remaining(&answer) + 1
}

fn is_taken(site: &Site) -> bool {
    site.ask(empty(post("/"))).status() == 429
}

#[test]
fn a_response_that_is_sent_to_its_end_frees_the_slot_with_its_last_frame() {
    let site = site();
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(2);
    let body = Arc::new(Mutex::new(Some(body)));
    let mut service = site.layer.layer(tower::service_fn(move |_: Asked| {
        let body = body.lock().expect("no test panics holding it").take().expect("it is asked once");
        std::future::ready(Ok::<_, Infallible>(Response::new(body)))
    }));
    let answer = pollster::block_on(call(&mut service, empty(post("/")))).expect("no service fails");
    let mut body = answer.into_body();
    pollster::block_on(sender.send_data(Bytes::from_static(b"one"))).expect("it is read");
    assert!(pollster::block_on(body.frame()).is_some());
    assert!(is_taken(&site));
    drop(sender);
    assert!(pollster::block_on(body.frame()).is_none());
    drop(body);
    assert_eq!(left(&site), 9);
}

#[test]
fn a_client_that_leaves_in_the_midst_of_a_response_frees_the_slot() {
    let site = site();
    let answer = site.ask_of(empty(post("/")), |_| Response::new(Full::from("done")));
    assert!(is_taken(&site));
    drop(answer);
    assert_eq!(left(&site), 9);
}

#[test]
fn a_response_without_a_body_frees_the_slot_when_it_is_dropped() {
    let site = site();
    let mut service = site.layer.layer(tower::service_fn(|_: Asked| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    }));
    drop(pollster::block_on(call(&mut service, empty(post("/")))));
    assert_eq!(left(&site), 9);
}

#[test]
fn a_future_that_is_never_polled_charges_nothing() {
    let site = site();
    let mut service = site.layer.layer(tower::service_fn(stuck));
    drop(call(&mut service, empty(post("/"))));
    assert_eq!(left(&site), 10);
}

#[test]
fn a_client_that_leaves_while_the_service_works_keeps_its_charge_and_frees_the_slot() {
    let site = site();
    let mut service = site.layer.layer(tower::service_fn(stuck));
    let mut serving = Box::pin(call(&mut service, empty(post("/"))));
    assert!(poll(serving.as_mut()).is_pending());
    assert!(is_taken(&site));
    drop(serving);
    assert_eq!(left(&site), 9);
}

#[test]
fn a_service_that_fails_frees_the_slot() {
    let site = site();
    let mut service = site.layer.layer(tower::service_fn(|_: Asked| {
        std::future::ready(Err::<Response<Full<Bytes>>, _>("it is broken"))
    }));
    assert_eq!(pollster::block_on(call(&mut service, empty(post("/")))).err(), Some("it is broken"));
    assert_eq!(left(&site), 9);
}

#[test]
fn a_task_that_keeps_the_permit_keeps_the_slot_after_the_response() {
    let site = site();
    let (hand, handed) = std::sync::mpsc::channel();
    drop(site.ask_of(empty(post("/")), move |asked| {
        let permit = asked.extensions().get::<Permit>().cloned().expect("the layer gives one");
        hand.send(permit).expect("the test waits for it");
        Response::default()
    }));
    let permit = handed.recv().expect("it was asked");
    assert!(is_taken(&site));
    let other = permit.clone();
    drop(permit);
    assert!(is_taken(&site), "its clone holds the slot, too");
    drop(other);
    assert_eq!(left(&site), 9);
}

async fn stuck(_: Asked) -> Result<Response<Full<Bytes>>, Infallible> {
    pending().await
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_future_that_is_polled_after_its_end_stays_pending() {
    let site = site();
    let mut service = site.layer.layer(tower::service_fn(|_: Asked| {
        std::future::ready(Ok::<_, Infallible>(Response::<Full<Bytes>>::default()))
    }));
    let mut serving = pin!(call(&mut service, empty(post("/"))));
    assert!(poll(serving.as_mut()).is_ready());
    assert!(poll(serving).is_pending());
}

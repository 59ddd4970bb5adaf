//! The readiness of the service behind the layer.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use sluicegate_tower::{Limit, Quota};
use tower::{Layer, ServiceExt, limit::ConcurrencyLimit};
use tower_test::mock;

use crate::site::{Asked, Site, call, empty, post};

fn site() -> Site {
    Site::new(|builder| builder.limit(Limit::new("predict", Quota::per_minute(2))))
}

#[test]
fn it_is_ready_when_the_service_is() {
    let site = site();
    let (mut service, mut handle) = mock::spawn_layer::<Asked, Response<Full<Bytes>>, _>(site.layer.clone());
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(service.poll_ready().is_ready());
}

#[test]
fn a_service_that_has_failed_is_an_error_and_not_a_denial() {
    let site = site();
    let (mut service, mut handle) = mock::spawn_layer::<Asked, Response<Full<Bytes>>, _>(site.layer.clone());
    handle.send_error("it is broken");
    let Poll::Ready(Err(error)) = service.poll_ready() else { panic!("it tells its error") };
    assert!(error.to_string().contains("it is broken"));
}

/// A mock panics if it is called without having been ready, as its clone would be.
#[test]
fn the_service_that_was_ready_is_called_and_its_clone_becomes_ready_anew() {
    let site = site();
    let (mock, mut handle) = mock::pair::<Asked, Response<Full<Bytes>>>();
    let mut service = site.layer.layer(mock);
    handle.allow(1);
    let mut serving = pin!(call(&mut service, empty(post("/"))));
    assert!(poll(serving.as_mut()).is_pending());
    assert!(poll(pin!(service.ready())).is_pending(), "its one place is taken");

    let (_, send) = pollster::block_on(handle.next_request()).expect("it is called");
    send.send_response(Response::new(Full::from("done")));
    assert!(matches!(poll(serving), Poll::Ready(Ok(response)) if response.status() == 200));
    handle.allow(1);
    assert!(poll(pin!(service.ready())).is_ready());
}

#[test]
fn a_denied_request_gives_back_the_place_that_it_had_in_the_service() {
    let site = site();
    let inner = ConcurrencyLimit::new(tower::service_fn(never), 1);
    let mut service = site.layer.layer(inner);
    site.ask(empty(post("/")));
    site.ask(empty(post("/")));
    for _ in 0..3 {
        let answer = pollster::block_on(call(&mut service, empty(post("/")))).expect("no service fails");
        assert_eq!(answer.status(), 429);
    }
}

#[test]
fn requests_wait_for_a_service_that_is_full_and_are_not_charged_meanwhile() {
    let site = site();
    let inner = ConcurrencyLimit::new(tower::service_fn(never), 1);
    let mut service = site.layer.layer(inner);
    let first = call(&mut service, empty(post("/")));
    assert!(poll(pin!(service.ready())).is_pending(), "backpressure is passed on");
    // Nothing was polled, so nothing was charged.
    drop(first);
    assert!(poll(pin!(service.ready())).is_ready());
    assert_eq!(crate::site::remaining(&site.ask(empty(post("/")))), 1);
}

async fn never(_: Asked) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    std::future::pending().await
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn services_and_futures_of_the_layer_can_be_sent_to_other_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let site = site();
    let mut service = is_send(site.layer.layer(tower::service_fn(never)));
    let future = is_send(call(&mut service, empty(post("/"))));
    drop(future);
}

//! Books stay exact, wherever requests are dropped.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use proptest::{collection::vec, prelude::*};
use sluicegate_tower::{Cost, Limit, Permit, Quota, Unit};
use tower::Layer;

use crate::site::{Asked, Frames, Site, call, empty, header, post, remaining};

const ITEMS: u64 = 100_000;
const SLOTS: u64 = 4;

/// The point at which a request is dropped.
#[derive(Clone, Copy, Debug)]
enum Dropped {
    BeforeItIsPolled,
    WhileTheServiceWorks,
    WithTheServicesError,
    BeforeItsBody,
    AfterFrames(u8),
    AtItsEnd,
}

/// A request: what it may cost, what the service settles, and when that and the end are.
#[derive(Clone, Copy, Debug)]
struct Plan {
    estimate: u64,
    actual: Option<u64>,
    dropped: Dropped,
    /// It stays open until this many later requests have begun.
    lasts: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    let dropped = prop_oneof![
        Just(Dropped::BeforeItIsPolled),
        Just(Dropped::WhileTheServiceWorks),
        Just(Dropped::WithTheServicesError),
        Just(Dropped::BeforeItsBody),
        (0..3_u8).prop_map(Dropped::AfterFrames),
        Just(Dropped::AtItsEnd),
    ];
    (0..500_u64, prop::option::of(0..1_000_u64), dropped, 0..8_usize)
        .prop_map(|(estimate, actual, dropped, lasts)| Plan { estimate, actual, dropped, lasts })
}

proptest! {
    #[test]
    fn no_account_gains_or_loses_when_requests_are_dropped_anywhere(plans in vec(plan(), 1..40)) {
        let site = Site::new(|builder| {
            let cost = |head: &http::request::Parts| -> u64 {
                head.headers.get("items").and_then(|items| items.to_str().ok()?.parse().ok()).unwrap_or(0)
            };
            builder
                .limit(Limit::new("items", Quota::per_day(ITEMS).of(Unit::Items)))
                .limit(Limit::new("slots", Quota::concurrent(SLOTS)))
                .cost_by(cost)
        });
        let mut open: Vec<(usize, Box<dyn std::any::Any>)> = Vec::new();
        let (mut spent, mut running) = (0, 0_u64);
        for (number, plan) in plans.iter().enumerate() {
            let before = open.len();
            open.retain(|(until, _)| *until > number);
            running -= (before - open.len()) as u64;
            let is_admitted = running < SLOTS || matches!(plan.dropped, Dropped::BeforeItIsPolled);
            let kept = send(&site, *plan);
            prop_assert_eq!(kept.is_some(), is_admitted, "{:?} with {} running", plan, running);
            let Some(kept) = kept else { continue };
            if !matches!(plan.dropped, Dropped::BeforeItIsPolled) {
                spent += plan.actual.unwrap_or(plan.estimate);
            }
            // Nothing holds the others any more.
            if !matches!(plan.dropped, Dropped::BeforeItIsPolled | Dropped::WithTheServicesError) {
                running += 1;
                open.push((number + 1 + plan.lasts, kept));
            }
        }
        open.clear();
        // All slots are free, and one more is not there.
        let mut held = Vec::new();
        for _ in 0..SLOTS {
            let answer = site.ask_of(empty(post("/")), |_| Response::new("held".into()));
            prop_assert_eq!(answer.status(), 200);
            prop_assert_eq!(remaining(&answer), ITEMS - spent);
            held.push(answer);
        }
        let denied = site.ask(empty(post("/")));
        prop_assert_eq!(denied.status(), 429);
        prop_assert!(header(&denied, "ratelimit").is_some_and(|told| told.starts_with("\"slots\";r=0")));
    }
}

/// Sends a request as far as the plan says. Returns what holds it; `None` if it is denied.
fn send(site: &Site, plan: Plan) -> Option<Box<dyn std::any::Any>> {
    let is_served = Rc::new(RefCell::new(false));
    let served = Rc::clone(&is_served);
    let mut service = site.layer.layer(tower::service_fn(move |asked: Asked| {
        *served.borrow_mut() = true;
        let permit = asked.extensions().get::<Permit>().cloned().expect("the layer gives one");
        if let Some(actual) = plan.actual {
            permit.settle_units([(Unit::Items, Cost::new(actual))]);
        }
        drop(permit);
        poll_fn(move |_| match plan.dropped {
            Dropped::WhileTheServiceWorks => Poll::Pending,
            Dropped::WithTheServicesError => Poll::Ready(Err("it is broken")),
            _ => Poll::Ready(Ok(Response::new(Frames(vec![Bytes::from_static(b"frame"); 3].into())))),
        })
    }));
    let request = empty(post("/").header("items", plan.estimate));
    let mut serving = Box::pin(call(&mut service, request));
    let cx = &mut Context::from_waker(Waker::noop());
    if matches!(plan.dropped, Dropped::BeforeItIsPolled) {
        return Some(Box::new(()));
    }
    let polled = serving.as_mut().poll(cx);
    if !*is_served.borrow() {
        return None;
    }
    Some(match polled {
        Poll::Pending => Box::new(serving),
        Poll::Ready(Err(_)) => Box::new(serving),
        Poll::Ready(Ok(response)) => {
            let mut body = response.into_body();
            let frames = match plan.dropped {
                Dropped::AfterFrames(frames) => frames,
                Dropped::AtItsEnd => 4,
                _ => 0,
            };
            for _ in 0..frames {
                let _ = Pin::new(&mut body).poll_frame(cx);
            }
            Box::new(body)
        }
    })
}

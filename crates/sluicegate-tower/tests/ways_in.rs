//! The cases that every way in decides alike, by the engine's gate and by the layer.

use std::{collections::HashMap, convert::Infallible, future::ready, net::Ipv4Addr, path::Path};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header::RETRY_AFTER, request::Parts};
use http_body_util::Full;
use pollster::block_on;
use serde::Deserialize;
use sluicegate::{ManualClock, MemoryStore};
use sluicegate_policy::{ApiKeys, Gate, Outcome, Renderer, RequestId};
use sluicegate_tower::{PeerAddress, Policy, RateLimitLayer, Source};
use tower::{Layer, ServiceExt};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    before: String,
    keys: String,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    policy: String,
    /// Only ways in that see the body of a request can decide it.
    #[serde(rename = "sees_body", default)]
    _sees_body: bool,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    client: String,
    path: String,
    #[serde(default)]
    headers: HashMap<String, String>,
    body: Option<String>,
    status: u16,
    #[serde(default)]
    left: Vec<u64>,
    retry_after: Option<u64>,
}

#[test]
fn the_gate_decides_as_every_way_in() {
    each_case(|policy, folder| {
        let clock = ManualClock::new();
        let store = MemoryStore::builder().clock(clock.clone()).build();
        let gate = Gate::new(policy, store, clock);
        gate.replace_api_keys(ApiKeys::load(&folder.join("keys.toml")).expect("the keys are good"));
        move |head: Parts, body: Bytes| asked(&gate, &head, body)
    });
}

#[test]
fn the_layer_decides_as_every_way_in() {
    each_case(|policy, _| {
        let layer = RateLimitLayer::builder().policy(policy).clock(ManualClock::new()).build();
        let layer = layer.unwrap_or_else(|error| panic!("{error}"));
        move |head: Parts, body: Bytes| {
            let agreeing =
                tower::service_fn(|_| ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))));
            let Ok(answer) =
                block_on(layer.layer(agreeing).oneshot(Request::from_parts(head, Full::from(body))));
            (answer.status(), answer.headers().clone())
        }
    });
}

/// Has each case decided by what `open` makes of its policy.
fn each_case<A: FnMut(Parts, Bytes) -> (StatusCode, HeaderMap)>(open: impl Fn(Policy, &Path) -> A) {
    let suite: Suite = toml::from_str(include_str!("../../../e2e/ways_in.toml")).expect("the suite is one");
    assert!(suite.case.len() > 10, "there are cases");
    for case in suite.case {
        let folder = tempfile::tempdir().expect("there is room");
        let file = folder.path().join("sluicegate.toml");
        std::fs::write(folder.path().join("keys.toml"), &suite.keys).expect("there is room");
        std::fs::write(&file, suite.before.clone() + &case.policy).expect("there is room");
        let policy = Policy::parse(&Source::read(&file).expect("it can be read"));
        let mut ask = open(policy.unwrap_or_else(|error| panic!("{}: {error}", case.name)), folder.path());
        for (number, step) in case.steps.into_iter().enumerate() {
            let expected = (step.status, step.left.clone(), step.retry_after);
            let (head, body) = request(step).into_parts();
            let (status, headers) = ask(head, body);
            let retry_after = headers.get(RETRY_AFTER).map(|after| after.to_str().expect("ASCII").parse());
            let retry_after = retry_after.transpose().expect("seconds");
            assert_eq!(
                (status.as_u16(), left(&headers), retry_after),
                expected,
                "{}: step {number}",
                case.name
            );
        }
    }
}

fn request(step: Step) -> Request<Bytes> {
    let mut request = Request::post(&step.path)
        .extension(PeerAddress(Ipv4Addr::LOCALHOST.into()))
        .header("x-forwarded-for", &step.client);
    if step.body.is_some() {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in &step.headers {
        request = request.header(name, value);
    }
    request.body(Bytes::from(step.body.unwrap_or_default())).expect("a good request")
}

fn asked(gate: &Gate<MemoryStore<ManualClock>>, head: &Parts, body: Bytes) -> (StatusCode, HeaderMap) {
    let renderer = Renderer::new(gate.policy());
    let peer = Ipv4Addr::LOCALHOST.into();
    let outcome = block_on(async {
        let mut visit = gate.enter(head, peer).await?;
        let mut reading = visit.take_reading();
        if let Some(reading) = &mut reading {
            let read = reading.take(body).and_then(|_| reading.end());
            read.map_err(|refusal| visit.refused(refusal))?;
        }
        match gate.decide(&visit, reading.as_deref()).await {
            Outcome::Admitted(pass) => Ok((pass, visit.route())),
            Outcome::Rejected(rejection) => Err(rejection),
        }
    });
    match outcome {
        Ok((pass, route)) => {
            let mut headers = HeaderMap::new();
            renderer.lines(&pass, &renderer.form(head, route)).move_to(&mut headers);
            (StatusCode::OK, headers)
        }
        Err(rejection) => {
            let (answer, _) = renderer.rejected(&rejection, head, &RequestId::of(&head.headers)).into_parts();
            (answer.status, answer.headers)
        }
    }
}

/// The amounts that the `RateLimit` field tells, in its order.
fn left(headers: &HeaderMap) -> Vec<u64> {
    let Some(field) = headers.get("ratelimit") else { return Vec::new() };
    let items = field.to_str().expect("ASCII").split(", ");
    let amount = |item: &str| item.split_once(";r=")?.1.split(';').next()?.parse().ok();
    items.map(|item| amount(item).unwrap_or_else(|| panic!("{item}"))).collect()
}

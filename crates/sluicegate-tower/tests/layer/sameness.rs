//! The layer answers as the gate and its renderer do, which every other way in asks.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Full};
use sluicegate::{ManualClock, MemoryStore};
use sluicegate_policy::{Gate, Outcome, Pass, Renderer, RequestId};
use sluicegate_tower::Permit;

use crate::site::{PEER, Site, policy, post};

#[test]
fn statuses_headers_and_bodies_are_those_of_every_way_in() {
    let site = Site::of(POLICY);
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(clock.clone()).build();
    let gate = Gate::new(policy(POLICY), store, clock);
    // Held to the end, so that no estimate is settled and no slot is free again.
    let (mut passes, permits) = (Vec::new(), Arc::default());
    for _ in 0..4 {
        for request in requests() {
            let (head, body) = request.into_parts();
            let expected = expected(&gate, &head, &body, &mut passes);
            let request = Request::from_parts(head, Full::from(body));
            assert_eq!(answered(&site, request, &permits), expected);
        }
    }
}

fn requests() -> Vec<Request<Bytes>> {
    let of = |path: &str, kind: &str, body: &'static [u8]| {
        let request = post(path)
            .header("x-request-id", "trace-7")
            .header("content-type", kind)
            .header("content-length", body.len());
        request.body(Bytes::from_static(body)).expect("a good request")
    };
    let chat = br#"{"messages":[{"role":"user","content":"hi"}],"max_tokens":400}"#;
    vec![
        of("/predict", "application/json", b"{}"),
        of("/predict", "application/grpc", b""),
        of("/batch", "application/json", br#"{"inputs":[1,2,3]}"#),
        of("/batch", "application/json", b"no JSON"),
        of("/v1/chat/completions", "application/json", chat),
        of("/v1/messages", "application/json", chat),
        of("/v2/models/iris/infer", "application/json", b"{}"),
        of("/premium", "application/json", b"{}"),
        of("/a/../b", "application/json", b"{}"),
        of("/free", "application/json", b"{}"),
    ]
}

type Store = MemoryStore<ManualClock>;

type Told = (StatusCode, HeaderMap, Bytes);

fn expected(gate: &Gate<Store>, head: &Parts, body: &Bytes, passes: &mut Vec<Pass<Store>>) -> Told {
    let renderer = Renderer::new(gate.policy());
    let outcome = pollster::block_on(async {
        let mut visit = gate.enter(head, PEER).await?;
        let mut reading = visit.take_reading();
        if let Some(reading) = &mut reading {
            let read = reading.take(body.clone()).and_then(|_| reading.end());
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
            passes.push(*pass);
            (StatusCode::OK, headers, Bytes::new())
        }
        Err(rejection) => {
            let (head, body) =
                renderer.rejected(&rejection, head, &RequestId::of(&head.headers)).into_parts();
            (head.status, head.headers, body)
        }
    }
}

fn answered(site: &Site, request: Request<Full<Bytes>>, permits: &Arc<Mutex<Vec<Permit>>>) -> Told {
    let permits = Arc::clone(permits);
    let answer = site.ask_of(request, move |asked| {
        let permit = asked.extensions().get().cloned().expect("the layer gives one");
        permits.lock().expect("no test panics holding it").push(permit);
        Response::default()
    });
    let (head, body) = answer.into_parts();
    let body = pollster::block_on(body.collect()).expect("no body fails");
    (head.status, head.headers, body.to_bytes())
}

const POLICY: &str = r#"
[tiers.free]
[tiers.premium]
[identity]
default_tier = "free"
[responses]
headers = ["ietf", "openai"]
[[route]]
path = "/predict"
limits = ["3/minute", "2 concurrent"]
[[route]]
path = "/batch"
meter = { items = "/inputs" }
limits = ["7 items/minute"]
[[route]]
path = "/v1/chat/completions"
meter = "openai"
limits = ["1000 tokens/minute"]
[[route]]
path = "/v1/messages"
meter = "anthropic"
limits = ["1000 tokens/minute"]
[[route]]
path = "/v2/models/{model}/infer"
limits = ["1/hour"]
[[route]]
path = "/premium"
tier = "premium"
limits = ["1/hour"]
"#;

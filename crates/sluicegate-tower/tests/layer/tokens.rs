//! Tokens of models, reserved by the request and settled by its response.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::{BodyExt, Full};
use sluicegate_tower::{Exhausted, Permit};
use tower::{Layer, Service, ServiceExt};

use crate::site::{Asked, Frames, Site, json, remaining, text};

const CHAT: &str = r#"{"messages":[{"role":"user","content":"hi"}],"max_tokens":500}"#;
const STREAM: &str = r#"{"messages":[{"role":"user","content":"hi"}],"max_tokens":500,"stream":true}"#;
const UNBOUND: &str = r#"{"messages":[{"role":"user","content":"hi"}],"stream":true}"#;
const EVENT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n";
const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":7,\"total_tokens\":10}}\n\n";

fn site(more: &str) -> Site {
    Site::of(&format!(
        "[[route]]\npath = \"/v1/chat/completions\"\nmeter = \"openai\"\nlimits = [{{ name = \"tpm\", quota = \"1000 tokens/day\"{more} }}]"
    ))
}

fn ask(site: &Site, body: &'static str, kind: &'static str, answer: &'static str) -> (String, HeaderMap) {
    let asked = Arc::<Mutex<Option<(String, HeaderMap)>>>::default();
    let heard = Arc::clone(&asked);
    let inner = tower::service_fn(move |request: Asked| {
        let heard = Arc::clone(&heard);
        async move {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await;
            let body = String::from_utf8(body.to_bytes().to_vec()).expect("text");
            *heard.lock().expect("no test panics holding it") = Some((body, head.headers));
            let response = Response::builder().header("content-type", kind).body(Full::from(answer));
            Ok::<_, Infallible>(response.expect("valid"))
        }
    });
    let Ok(response) =
        pollster::block_on(site.layer.layer(inner).oneshot(json("/v1/chat/completions", body)));
    assert_eq!(response.status(), 200);
    let told = text(response);
    let (asked, headers) = asked.lock().expect("no test panics holding it").take().expect("it was asked");
    assert_eq!(headers["content-length"], asked.len().to_string(), "the length is that of the body");
    assert_eq!(headers["accept-encoding"], "identity");
    assert!(body.contains("stream") || asked == body, "the body passes as it came");
    (told, headers)
}

/// The tokens that are left, by a request that is charged for nothing.
fn left(site: &Site) -> u64 {
    let body = r#"{"messages":[],"max_tokens":1}"#;
    let answer = site.ask_of(json("/v1/chat/completions", body), |asked| {
        asked.extensions().get::<Permit>().expect("the layer gives one").settle_tokens(Some(0), Some(0));
        Response::default()
    });
    let told = remaining(&answer);
    drop(answer);
    let again = site.ask(json("/v1/chat/completions", body));
    assert_eq!(remaining(&again), told, "the first was charged nothing");
    told
}

#[test]
fn a_response_is_charged_by_the_usage_that_it_reports() {
    let site = site("");
    let before = left(&site);
    let answer = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":7}}"#;
    let (told, _) = ask(&site, CHAT, "application/json", answer);
    assert_eq!(told, answer);
    assert!(before - left(&site) >= 10);
}

#[test]
fn a_stream_is_asked_for_its_usage_and_its_client_does_not_see_that() {
    let site = site("");
    let answer: &'static str = [EVENT, USAGE, "data: [DONE]\n\n"].concat().leak();
    let (told, _) = ask(&site, STREAM, "text/event-stream", answer);
    assert_eq!(told, [EVENT, "data: [DONE]\n\n"].concat());
}

#[test]
fn a_service_that_fails_is_charged_nothing() {
    let site = site("");
    let before = left(&site);
    let inner = tower::service_fn(|_: Asked| std::future::ready(Err::<Response<Full<Bytes>>, _>("broken")));
    let failed = pollster::block_on(site.layer.layer(inner).oneshot(json("/v1/chat/completions", CHAT)));
    assert_eq!(failed.err(), Some("broken"));
    assert_eq!(left(&site), before);
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_tokens_are_spent_is_cut_with_an_error() {
    let site = Site::of(
        "[[route]]\npath = \"/v1/chat/completions\"\nmeter = { tokens = \"openai\", default_output = 10 }\n\
         limits = [{ name = \"otpm\", quota = \"100 output_tokens/day\", on_exhausted = \"cut\" }]",
    );
    let inner = tower::service_fn(|_: Asked| {
        let words = (0..150).map(|_| Bytes::from_static(EVENT.as_bytes()));
        let response = Response::builder().header("content-type", "text/event-stream");
        std::future::ready(Ok::<_, Infallible>(response.body(Frames(words.collect())).expect("valid")))
    });
    let mut service = site.layer.layer(inner);
    let response = service.ready().await.expect("ready").call(json("/v1/chat/completions", UNBOUND)).await;
    let Ok(response) = response;
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let (mut last, mut error) = (Bytes::new(), None);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => last = frame.into_data().unwrap_or_default(),
            Err(failed) => {
                error = Some(failed);
                break;
            }
        }
    }
    assert!(error.is_some_and(|error| error.is::<Exhausted>()));
    assert!(String::from_utf8_lossy(&last).contains("the tokens of the limit otpm are spent"));
    assert_eq!(site.events(), ["a stream is cut: the tokens of the limit otpm are spent"]);
}

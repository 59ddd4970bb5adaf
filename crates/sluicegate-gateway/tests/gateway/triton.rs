//! The example policy for Triton, before an upstream that speaks the generate extension.

use sluicegate_gateway::Gateway;

use crate::{
    support::{Client, Scripted, gateway_of},
    tokens::{STREAM, asking, charged, chunk, soon_charged, whole},
};

const POLICY: &str = include_str!("../../../../examples/policies/triton.toml");
const STREAMED: &str = "/v2/models/{model}/generate_stream";
const PLAIN: &str = "/v2/models/{model}/generate";

#[tokio::test]
async fn a_stream_is_charged_by_the_numbers_in_its_events() {
    let (upstream, gateway) = start().await;
    let body = r#"{"text_input": "hi", "max_tokens": 50, "return_num_output_tokens": true}"#;
    let mut client = asking(&gateway, "/v2/models/gemma/generate_stream", body).await;
    let mut connection = upstream.accept().await;
    let request = connection.request(b"true}").await;
    assert!(request.ends_with(body) && request.contains("accept-encoding: identity\r\n"), "{request}");
    let event = "data: {\"model_name\":\"gemma\",\"num_input_tokens\":3,\"num_output_tokens\":2,\"text_output\":\" a b\"}\n\n";
    let events = event.repeat(4);
    connection.write(&[STREAM, &chunk(&events), "0\r\n\r\n"].concat()).await;
    assert_eq!(client.answer().await.text(), events, "every byte passes");
    assert_eq!(charged(&gateway, STREAMED, "reported").await, (3, 8));
}

#[tokio::test]
async fn a_plain_answer_is_charged_by_its_numbers_or_by_its_text() {
    for (answer, source, output) in [
        (r#"{"text_output": "one two", "num_input_tokens": 3, "num_output_tokens": 9}"#, "reported", 9),
        (r#"{"text_output": "one two"}"#, "counted", 2),
    ] {
        let (upstream, gateway) = start().await;
        let body = r#"{"text_input": "hi", "parameters": {"max_tokens": 50, "stream": false}}"#;
        let mut client = asking(&gateway, "/v2/models/gemma/generate", body).await;
        let mut connection = upstream.accept().await;
        connection.request(b"false}}").await;
        connection.write(&whole("200 OK", answer)).await;
        assert_eq!(client.answer().await.text(), answer);
        assert_eq!(charged(&gateway, PLAIN, source).await.1, output);
    }
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_pays_what_was_produced() {
    let (upstream, gateway) = start().await;
    let body = r#"{"text_input": "hi", "max_tokens": 50}"#;
    let mut client = asking(&gateway, "/v2/models/gemma/generate_stream", body).await;
    let mut connection = upstream.accept().await;
    connection.request(b"50}").await;
    connection.write(STREAM).await;
    client.head().await;
    for _ in 0..3 {
        connection.write(&chunk("data: {\"text_output\":\" word\"}\n\n")).await;
        client.chunk().await;
    }
    drop(client);
    connection.closed().await;
    let (input, output) = soon_charged(&gateway, STREAMED, "counted").await;
    assert!(input > 0 && output == 3, "{input} and {output}");
}

#[tokio::test]
async fn a_maximum_that_is_no_number_is_refused_as_triton_refuses() {
    let (_upstream, gateway) = start().await;
    let mut client = Client::connect(gateway.address()).await;
    let answer =
        client.post("/v2/models/gemma/generate", br#"{"text_input": "hi", "max_tokens": "50"}"#).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains("`/max_tokens` must be a whole number; it is a string"),
        "{}",
        answer.text()
    );
}

/// The gateway with the limits and routes of the example, which expects its server elsewhere.
async fn start() -> (Scripted, Gateway) {
    let upstream = Scripted::start().await;
    let limits = POLICY.find("[defaults]").expect("it has defaults");
    let gateway = gateway_of(&POLICY[limits..], upstream.address, |_| {});
    (upstream, gateway)
}

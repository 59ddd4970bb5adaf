//! Streams that the gateway ends itself.

use http::StatusCode;
use sluicegate_policy::{Dialect, Estimate, MediaType, StreamEnding, UsageReader};

const EVENTS: &str = "text/event-stream; charset=utf-8";

fn head(content_type: &str) -> http::response::Parts {
    http::Response::builder()
        .header("content-type", content_type)
        .body(())
        .expect("a content type")
        .into_parts()
        .0
}

fn ending(status: StatusCode, dialect: Dialect, content_type: &str) -> Option<String> {
    let ending = StreamEnding { status, message: "the limit \"tpm\" is spent" };
    let bytes = ending.in_dialect(dialect, MediaType::of(&head(content_type).headers))?;
    Some(String::from_utf8(bytes.to_vec()).expect("text"))
}

#[test]
fn a_spent_limit_ends_each_stream_in_its_dialect() {
    let message = r#""the limit \"tpm\" is spent""#;
    for (dialect, content_type, expected) in [
        (
            Dialect::OpenAi,
            EVENTS,
            format!(
                "data: {{\"error\":{{\"message\":{message},\"type\":\"rate_limit_error\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}}}\n\n"
            ),
        ),
        (
            Dialect::LlamaCpp,
            EVENTS,
            format!(
                "data: {{\"error\":{{\"code\":429,\"message\":{message},\"type\":\"rate_limit_error\"}}}}\n\n"
            ),
        ),
        (
            Dialect::Anthropic,
            EVENTS,
            format!(
                "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"rate_limit_error\",\"message\":{message}}}}}\n\n"
            ),
        ),
        (Dialect::Ollama, "application/x-ndjson", format!("{{\"error\":{message}}}\n")),
        (
            Dialect::Tgi,
            EVENTS,
            format!("data: {{\"error\":{message},\"error_type\":\"rate_limit_exceeded\"}}\n\n"),
        ),
        (
            Dialect::Gemini,
            EVENTS,
            format!(
                "data: {{\"error\":{{\"code\":429,\"message\":{message},\"status\":\"RESOURCE_EXHAUSTED\"}}}}\n\n"
            ),
        ),
        (
            Dialect::Gemini,
            "application/json",
            format!(
                ",\n{{\"error\":{{\"code\":429,\"message\":{message},\"status\":\"RESOURCE_EXHAUSTED\"}}}}]"
            ),
        ),
        (
            Dialect::Cohere,
            EVENTS,
            format!(
                "event: message-end\ndata: {{\"type\":\"message-end\",\"delta\":{{\"finish_reason\":\"ERROR\",\"error\":{message}}}}}\n\n"
            ),
        ),
        (
            Dialect::Cohere,
            "application/stream+json",
            format!(
                "{{\"is_finished\":true,\"event_type\":\"stream-end\",\"finish_reason\":\"ERROR\",\"error\":{message}}}\n"
            ),
        ),
    ] {
        let written = ending(StatusCode::TOO_MANY_REQUESTS, dialect, content_type);
        assert_eq!(written, Some(expected), "{dialect:?} {content_type}");
    }
}

#[test]
fn a_broken_upstream_is_told_from_a_spent_limit() {
    for (status, anthropic, google) in [
        (StatusCode::GATEWAY_TIMEOUT, "timeout_error", "DEADLINE_EXCEEDED"),
        (StatusCode::BAD_GATEWAY, "api_error", "UNAVAILABLE"),
        (StatusCode::SERVICE_UNAVAILABLE, "api_error", "UNAVAILABLE"),
    ] {
        assert!(ending(status, Dialect::Anthropic, EVENTS).unwrap().contains(anthropic));
        assert!(ending(status, Dialect::Gemini, EVENTS).unwrap().contains(google));
        assert!(!ending(status, Dialect::OpenAi, EVENTS).unwrap().contains("rate_limit"));
    }
}

#[test]
fn a_response_that_is_no_stream_has_no_ending() {
    for dialect in Dialect::ALL {
        for content_type in ["text/plain", "audio/mpeg", ""] {
            assert_eq!(ending(StatusCode::TOO_MANY_REQUESTS, dialect, content_type), None);
        }
    }
    assert_eq!(ending(StatusCode::TOO_MANY_REQUESTS, Dialect::OpenAi, "application/json"), None);
}

#[test]
fn every_ending_leaves_a_stream_that_can_be_read_to_its_end() {
    let element = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#;
    for (dialect, content_type, before) in [
        (Dialect::OpenAi, EVENTS, "data: {\"choices\":[]}\n\n".to_owned()),
        (Dialect::Anthropic, EVENTS, "event: ping\ndata: {}\n\n".to_owned()),
        (Dialect::Ollama, "application/x-ndjson", "{}\n".to_owned()),
        (Dialect::Gemini, "application/json", format!("[{element}")),
    ] {
        let mut reader = UsageReader::new(dialect, &head(content_type), &Estimate::default());
        reader.data(before.as_bytes());
        assert!(reader.is_between_events(), "{dialect:?}");
        let ending = ending(StatusCode::TOO_MANY_REQUESTS, dialect, content_type).unwrap();
        reader.data(&ending.as_bytes()[..ending.len() - 2]);
        assert!(!reader.is_between_events(), "{dialect:?}");
        reader.data(&ending.as_bytes()[ending.len() - 2..]);
        assert!(reader.is_between_events(), "{dialect:?}");
        if dialect == Dialect::Gemini {
            let array: Vec<serde_json::Value> = serde_json::from_str(&(before + &ending)).unwrap();
            assert_eq!(array.len(), 2);
        }
    }
}

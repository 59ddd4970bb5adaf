//! The answers that are ours: rules B1–B4, H15 and H16.

use serde_json::{Value, json};
use sluicegate_policy::{Refusal, RequestId};

use crate::site::{Ask, Reply, Site};

/// B1.
#[test]
fn a_denial_is_a_problem_document_that_names_what_is_spent_and_nothing_else() {
    let reply = spent("/predict");
    assert_eq!(reply.header("content-type").as_deref(), Some("application/problem+json"));
    let body = reply.body();
    assert_eq!(body["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(body["title"], "Quota Exceeded");
    assert_eq!(body["status"], json!(reply.status()));
    assert!(body["detail"].as_str().unwrap().starts_with("Too Many Requests"));
    assert_eq!(body["violated-policies"], json!(["tight"]));
}

/// B2.
#[test]
fn the_same_object_is_an_error_to_the_clients_of_openai_and_anthropic() {
    let body = spent("/v1/chat/completions").body();
    let error = &body["error"];
    assert_eq!(error["type"], "rate_limit_error");
    assert_eq!(error["code"], "rate_limit_exceeded");
    assert_eq!(error["param"], Value::Null);
    assert!(error.as_object().unwrap().contains_key("param"));
    assert_eq!(error["message"], body["detail"]);
    assert_eq!(body["request_id"].as_str().unwrap().len(), 32);
}

/// B3.
#[test]
fn the_error_is_a_string_on_kserves_paths_alone() {
    let body = spent("/v2/models/iris/infer").body();
    assert_eq!(body["error"], body["detail"]);
    assert!(spent("/v2/modelsx").body()["error"].is_object());
}

/// B4.
#[test]
fn a_request_id_is_kept_and_echoed_wherever_clients_look() {
    let site = site("/");
    site.pass(1, &Ask::post("/"));
    for sent in ["trace-7", "trace\"7\"", "trace\\7"] {
        let reply = site.send(&Ask::post("/").header("x-request-id", sent));
        assert_eq!(reply.header("x-request-id").as_deref(), Some(sent));
        assert_eq!(reply.header("request-id").as_deref(), Some(sent));
        assert_eq!(reply.body()["request_id"], sent);
    }

    let made = site.send(&Ask::post("/").header("x-request-id", "not \"one\" word"));
    assert_eq!(made.header("x-request-id"), made.header("request-id"));
    assert_eq!(made.body()["request_id"].as_str(), made.header("request-id").as_deref());
    assert_eq!(made.header("request-id").unwrap().len(), 32);
}

/// H15.
#[test]
fn no_cache_keeps_an_answer_of_ours() {
    assert_eq!(spent("/").header("cache-control").as_deref(), Some("no-store"));
    let refused = Site::new(
        "[tiers.free]\n[tiers.gold]\n[identity]\ndefault_tier = \"free\"\n[[route]]\npath = \"/\"\ntier = \"gold\"\nlimits = []",
    );
    assert_eq!(refused.send(&Ask::post("/")).header("cache-control").as_deref(), Some("no-store"));
}

/// H9, H16, B1, B2, B4.
#[test]
fn each_refusal_has_its_status_and_is_a_problem_document_too() {
    let rows = [
        (Refusal::BadRequest("what is wrong"), 400, "invalid_request_error"),
        (Refusal::UnknownApiKey, 401, "authentication_error"),
        (Refusal::WrongTier { needed: "premium".to_owned() }, 403, "permission_error"),
        (Refusal::ClientStalled, 408, "invalid_request_error"),
        (Refusal::BodyTooLarge { limit: 1_024 }, 413, "invalid_request_error"),
        (Refusal::FieldsTooLate { limit: 1_024 }, 413, "invalid_request_error"),
        (Refusal::TooManyItems { items: 65, most: 64 }, 413, "invalid_request_error"),
        (Refusal::EncodedBody, 415, "invalid_request_error"),
        (Refusal::TooManyHeaders { most: 100 }, 431, "invalid_request_error"),
        (Refusal::NoClientAddress, 500, "api_error"),
        (Refusal::UpstreamDown, 502, "api_error"),
        (Refusal::UpstreamInvalid, 502, "api_error"),
        (Refusal::StoreUnavailable, 503, "api_error"),
        (Refusal::ConnectTimeout, 504, "api_error"),
        (Refusal::UpstreamTimeout, 504, "api_error"),
    ];
    let site = site("/");
    let (head, ()) = http::Request::post("/").body(()).unwrap().into_parts();
    for (refusal, status, kind) in rows {
        let reply = Reply::rejected(&site.gate, site.gate.refused(refusal.clone()), &head);
        assert_eq!(reply.status(), status, "{refusal}");
        let body = reply.body();
        assert_eq!(body["type"], "about:blank", "{refusal}");
        assert_eq!(body["status"], json!(status), "{refusal}");
        assert_eq!(body["detail"], json!(refusal.to_string()), "{refusal}");
        assert_eq!(body["error"]["type"], kind, "{refusal}");
        assert_eq!(body["error"]["code"], refusal.code(), "{refusal}");
        assert_eq!(body.get("violated-policies"), None, "{refusal}");
        assert_eq!(reply.header("content-type").as_deref(), Some("application/problem+json"));
        assert_eq!(reply.retry_after(), (status == 503).then_some(1), "{refusal}");
        assert!(reply.header(RequestId::HEADER.as_str()).is_some(), "{refusal}");
    }
}

fn spent(path: &str) -> Reply {
    let site = site(path);
    site.pass(1, &Ask::post(path));
    site.send(&Ask::post(path))
}

fn site(path: &str) -> Site {
    Site::new(&format!(
        "[[route]]\npath = \"{path}\"\nlimits = [{{ name = \"tight\", quota = \"1/minute\" }}, {{ name = \"wide\", quota = \"9/minute\" }}]"
    ))
}

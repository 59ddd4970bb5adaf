//! Responses to gRPC clients.

use sluicegate_policy::Refusal;

use crate::site::{Ask, Reply, Site};

fn call(kind: &str) -> Ask {
    Ask::post("/inference.GRPCInferenceService/ModelInfer").header("content-type", kind)
}

fn site(quota: &str) -> Site {
    Site::new(&format!(
        "[[route]]\npath = \"/inference.GRPCInferenceService/ModelInfer\"\n\
         limits = [{{ name = \"infer\", quota = \"{quota}\" }}]"
    ))
}

#[test]
fn a_denial_is_a_status_that_says_when_to_call_again() {
    for kind in ["application/grpc", "application/grpc+proto", "Application/gRPC;charset=utf-8"] {
        let site = site("1/minute");
        site.pass(1, &call(kind));
        let reply = site.send(&call(kind));
        assert_eq!(reply.status(), 200, "{kind}");
        assert_eq!(reply.header("content-type").as_deref(), Some("application/grpc"));
        assert_eq!(reply.header("grpc-status").as_deref(), Some("8"));
        let message = "Too Many Requests: the limit infer (1/minute) is spent, try again in 60 s";
        assert_eq!(reply.header("grpc-message").as_deref(), Some(message));
        assert_eq!(reply.header("grpc-retry-pushback-ms").as_deref(), Some("60000"));
        assert_eq!(reply.retry_after(), Some(60));
        assert_eq!(reply.list("ratelimit")[0].0, "infer");
        let Reply::Rejected(_, response) = reply else { panic!("it is denied") };
        assert!(response.body().is_empty());
    }
}

#[test]
fn what_can_never_pass_is_not_to_be_tried_again() {
    let site =
        Site::new("[[route]]\npath = \"/\"\nmeter = { items = \"/inputs\" }\nlimits = [\"1 items/minute\"]");
    let reply = site.send(&Ask::post("/").header("content-type", "application/grpc").batch(2));
    assert_eq!(reply.header("grpc-status").as_deref(), Some("8"));
    assert_eq!(reply.header("grpc-retry-pushback-ms").as_deref(), Some("-1"));
}

#[test]
fn each_refusal_has_its_code() {
    let site = site("1/minute");
    let head = http::Request::post("/").header("content-type", "application/grpc").body(()).unwrap();
    let (head, ()) = head.into_parts();
    for (refusal, code) in [
        (Refusal::BadRequest("what is wrong"), "3"),
        (Refusal::UnknownApiKey, "16"),
        (Refusal::WrongTier { needed: "premium".to_owned() }, "7"),
        (Refusal::ClientStalled, "4"),
        (Refusal::BodyTooLarge { limit: 1_024 }, "8"),
        (Refusal::EncodedBody, "12"),
        (Refusal::NoClientAddress, "2"),
        (Refusal::UpstreamDown, "14"),
        (Refusal::UpstreamInvalid, "14"),
        (Refusal::StoreUnavailable, "14"),
        (Refusal::ConnectTimeout, "4"),
        (Refusal::UpstreamTimeout, "4"),
    ] {
        let Reply::Rejected(_, response) =
            Reply::rejected(&site.gate, site.gate.refused(refusal.clone()), &head)
        else {
            panic!("it is refused")
        };
        assert_eq!(
            (response.status().as_u16(), response.headers()["grpc-status"].to_str().unwrap()),
            (200, code),
            "{refusal}"
        );
        assert_eq!(response.headers()["grpc-message"], refusal.to_string());
        let pushback = response.headers().get("grpc-retry-pushback-ms").map(|it| it.to_str().unwrap());
        let expected = match refusal {
            Refusal::StoreUnavailable => Some("1000"),
            Refusal::UpstreamTimeout => Some("-1"),
            _ => None,
        };
        assert_eq!(pushback, expected, "{refusal}");
    }
}

#[test]
fn other_content_types_are_told_as_everybody_is() {
    for kind in
        ["application/grpc-web", "application/grpcx", "application/json", "text/plain; a=application/grpc"]
    {
        let site = site("1/minute");
        site.pass(1, &call(kind));
        assert_eq!(site.send(&call(kind)).status(), 429, "{kind}");
    }
}

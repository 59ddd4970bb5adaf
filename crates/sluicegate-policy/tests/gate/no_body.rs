//! Requests without a body on a route that meters bodies.

use http::Method;
use sluicegate_policy::{CodeMeter, CodeRoute};

use crate::site::{Ask, Site, quotas};

const POLICY: &str = r#"
    [[route]]
    path   = "/batch"
    meter  = [{ items = "/inputs" }, "bytes"]
    limits = [
      { name = "rpm", quota = "3/minute" },
      { name = "items", quota = "10 items/minute" },
      { name = "bytes", quota = "1000 bytes/minute" },
    ]
"#;

#[test]
fn a_request_that_needs_no_body_costs_itself_and_nothing_of_what_is_metered() {
    for method in [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS, Method::TRACE] {
        for length in [None, Some("0")] {
            let site = Site::new(POLICY);
            let mut ask = Ask::new(&method, "/batch");
            if let Some(length) = length {
                ask = ask.header("content-length", length);
            }
            let reply = site.send(&ask);
            assert_eq!((reply.status(), left(&site)), (200, [1, 9, 988]), "{method} {length:?}");
        }
    }
}

#[test]
fn they_are_limited_as_requests() {
    let site = Site::new(POLICY);
    site.pass(3, &Ask::new(&Method::OPTIONS, "/batch"));
    assert_eq!(site.send(&Ask::new(&Method::OPTIONS, "/batch")).status(), 429);
}

#[test]
fn a_body_that_such_a_request_has_all_the_same_is_metered() {
    let site = Site::new(POLICY);
    let reply = site.send(&Ask::get("/batch").batch(4));
    assert_eq!(reply.status(), 200);
    assert_eq!(left(&site), [1, 5, 1000 - 20 - 12]);
    assert_eq!(site.send(&Ask::get("/batch").body("{}")).status(), 400);
    // It is found to be compressed when it comes, and not before.
    let encoded = Ask::get("/batch").header("content-encoding", "gzip");
    assert_eq!(site.send(&encoded).status(), 200);
    assert_eq!(site.send(&encoded.body("x")).status(), 415);
}

#[test]
fn a_request_that_states_its_items_in_a_body_cannot_leave_it_out() {
    let site = Site::new(POLICY);
    for method in ["POST", "PUT", "PATCH", "QUERY", "PURGE"] {
        let ask = Ask::new(&method.parse().unwrap(), "/batch");
        for ask in [ask.clone(), ask.header("content-length", "0")] {
            let reply = site.send(&ask);
            assert_eq!(reply.status(), 400, "{method}");
            assert_eq!(reply.detail(), "`/inputs` is missing: the request has no body", "{method}");
        }
    }
    assert_eq!(left(&site), [2, 9, 988], "something was charged");
}

#[test]
fn an_empty_upload_is_no_bytes_and_a_key_in_no_body_is_absent() {
    let site = Site::new(
        "[[route]]\npath = \"/\"\nmeter = \"bytes\"\nlimits = [\"10 bytes/minute\", { quota = \"2/minute\", key = \"body:/user\" }]",
    );
    for ask in [Ask::post("/"), Ask::get("/")] {
        assert_eq!(site.send(&ask).remaining(), 10);
    }
    // Both were charged to the client's address.
    assert_eq!(site.send(&Ask::get("/")).status(), 429);
}

#[test]
fn where_one_number_is_the_cost_of_all_a_request_without_a_body_counts_itself() {
    for (texts, left) in [("5/minute", 4), ("5 items/minute; 5/minute", 5)] {
        let meter = CodeMeter::Items("/inputs".parse().unwrap());
        let policy = Site::with_limits("[]").gate.policy().clone();
        let route = CodeRoute { meter, ..CodeRoute::new("/", quotas(texts)) };
        let site = Site::with_limits("[]");
        let gate = site.gate.with_policy(policy.with_route(route).unwrap());
        let reply = Ask::get("/").at(&gate, Some(sluicegate_policy::Hints::default()));
        assert_eq!((reply.status(), reply.remaining()), (200, left), "{texts}");
    }
}

/// Returns what is left of requests, items and bytes after one more batch of one item in 12 bytes.
fn left(site: &Site) -> [i64; 3] {
    let reply = site.send(&Ask::post("/batch").body("{\"inputs\":1}"));
    let list = reply.list("ratelimit");
    ["rpm", "items", "bytes"].map(|name| {
        let (_, parameters) = list.iter().find(|(known, _)| known == name).unwrap();
        parameters[0].1
    })
}

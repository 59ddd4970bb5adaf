//! Bad input: refused, and nothing charged for it.

use crate::site::{Ask, Site, now};

#[test]
fn a_body_that_cannot_be_metered_is_400_and_charges_nothing() {
    let site = site("");
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 14] = [
        b"",
        b"{",
        b"{\"inputs\": [1, 2}",
        b"not json",
        b"{\"inputs\": [1]} trailing",
        b"{\"inputs\": \"\xff\"}",
        b"{\"inputs\": -1}",
        b"{\"inputs\": 1.5}",
        b"{\"inputs\": 9007199254740993}",
        b"{\"inputs\": 1e30}",
        b"{\"inputs\": \"3\"}",
        b"{\"inputs\": [1], \"inputs\": [1, 2]}",
        b"{}",
        deep.as_bytes(),
    ];
    for body in bodies {
        let reply = site.send(&batch().body(body.to_vec()));
        let text = String::from_utf8_lossy(&body[..body.len().min(40)]);
        assert_eq!(reply.status(), 400, "{text}");
        assert!(reply.headers().get("ratelimit").is_none(), "{text}");
        assert_eq!(reply.body()["error"]["type"], "invalid_request_error");
    }
    assert_eq!(site.send(&batch().batch(1)).remaining(), 9, "something was charged");
}

#[test]
fn whatever_a_client_calls_its_request_the_answer_is_json() {
    let site = Site::with_limits("[\"1/day\"]");
    let ask = Ask::post("/").header("x-request-id", "a\"b\\c");
    site.pass(1, &ask);
    assert_eq!(site.send(&ask).body()["request_id"], "a\"b\\c");
}

#[test]
fn a_body_is_asked_for_only_where_a_meter_reads_it() {
    let site = site("");
    let is_read = |path: &str| {
        let (head, ()) = http::Request::post(path).body(()).unwrap().into_parts();
        let peer = "192.0.2.1".parse().unwrap();
        now(site.gate.enter(&head, peer)).unwrap().take_reading().is_some()
    };
    assert!(is_read("/batch"));
    assert!(!is_read("/elsewhere"));
}

#[test]
fn a_compressed_body_that_has_to_be_read_is_415() {
    let site = site("");
    assert_eq!(site.send(&batch().batch(1).header("content-encoding", "gzip")).status(), 415);
    assert_eq!(site.send(&batch().batch(1).header("content-encoding", "identity, br")).status(), 415);
    assert_eq!(site.send(&Ask::post("/elsewhere").header("content-encoding", "gzip")).status(), 200);
    let plain = batch().batch(1).header("content-encoding", "Identity");
    assert_eq!(site.send(&plain).remaining(), 9, "something was charged");
}

#[test]
fn a_path_that_servers_read_differently_is_400() {
    let site = site("");
    for path in ["/public/../batch", "/public/%2e%2e/batch", "/batch%0a"] {
        assert_eq!(site.send(&Ask::post(path).batch(1)).status(), 400, "{path}");
    }
}

#[test]
fn writing_the_path_another_way_escapes_no_limit() {
    let site = Site::new("[[route]]\npath = \"/predict\"\nlimits = [\"1/minute\"]");
    site.pass(1, &Ask::post("/predict"));
    for path in ["/%70redict", "/predict/", "/predict?x=1", "/predict?"] {
        assert_eq!(site.send(&Ask::post(path)).status(), 429, "{path}");
    }
}

/// I1.
#[test]
fn forwarding_headers_of_an_untrusted_peer_neither_escape_a_limit_nor_spend_anothers() {
    let site = Site::new("[[route]]\npath = \"/\"\nlimits = [\"10/minute\"]");
    for request in 0..10 {
        let forged = format!("198.51.100.{request}");
        let ask = Ask::post("/").header("x-forwarded-for", &forged).header("x-real-ip", &forged);
        site.pass(1, &ask.header("forwarded", &format!("for={forged}")));
    }
    assert_eq!(site.send(&Ask::post("/").header("x-forwarded-for", "198.51.100.99")).status(), 429);
    assert_eq!(site.send(&Ask::post("/").from("198.51.100.0")).remaining(), 9, "a victim's quota was spent");
}

/// I1, I2.
#[test]
fn behind_a_trusted_proxy_each_client_has_its_own_account() {
    let site = Site::new(
        "[gateway]\ntrusted_proxies = [\"10.0.0.0/8\"]\n[[route]]\npath = \"/\"\nlimits = [\"1/minute\"]",
    );
    let ask = |client: &str| {
        Ask::post("/").from("10.0.0.7").header("x-forwarded-for", &format!("6.6.6.6, {client}"))
    };
    site.pass(1, &ask("203.0.113.1"));
    site.pass(1, &ask("203.0.113.2"));
    assert_eq!(site.send(&ask("203.0.113.1")).status(), 429);
    assert_eq!(site.send(&Ask::post("/").from("203.0.113.2")).status(), 429, "it is the same client");
}

/// I6.
#[test]
fn an_ipv6_site_shares_one_account() {
    let site = Site::new("[[route]]\npath = \"/\"\nlimits = [\"1/minute\"]");
    site.pass(1, &Ask::post("/").from("2001:db8::1"));
    assert_eq!(site.send(&Ask::post("/").from("2001:db8::ffff:2")).status(), 429);
    assert_eq!(site.send(&Ask::post("/").from("2001:db8:0:1::1")).status(), 200);
}

#[test]
fn a_missing_key_is_replaced_by_the_client_and_never_shared() {
    let site = Site::with_limits(r#"[{ name = "user", quota = "1/minute", key = "header:x-user" }]"#);
    site.pass(1, &Ask::post("/").header("x-user", "alice"));
    site.pass(1, &Ask::post("/"));
    assert_eq!(site.send(&Ask::post("/")).status(), 429, "leaving the header out escaped the limit");
    assert_eq!(site.send(&Ask::post("/").header("x-user", "")).status(), 429, "an empty header did");
    site.pass(1, &Ask::post("/").from("192.0.2.2"));
    assert_eq!(site.send(&Ask::post("/").from("192.0.2.2").header("x-user", "alice")).status(), 429);
}

fn batch() -> Ask {
    Ask::post("/batch")
}

fn site(gateway: &str) -> Site {
    Site::new(&format!(
        r#"
        {gateway}
        [[route]]
        path   = "/batch"
        meter  = {{ items = "/inputs" }}
        limits = ["10/minute", "100 items/minute"]
        "#
    ))
}

//! Access to everything on the admin port but health and metrics.

use std::net::{Ipv4Addr, SocketAddr};

use sluicegate_gateway::Gateway;
use sluicegate_policy::GatewaySettings;

use crate::support::{Client, Upstream, client::Answer, gateway, gateway_with};

const TOKEN: &str = "correct-horse-battery";

/// The status that a gateway without a policy file sends to a client with access to reloads.
const MAY: u16 = 409;

#[tokio::test]
async fn with_a_token_only_who_knows_it_may_ask() {
    let upstream = Upstream::start().await;
    for admin in ["127.0.0.1:0", "0.0.0.0:0"] {
        let gateway = gateway_with(upstream.address, |settings| {
            settings.admin = admin.parse().expect("an address");
            set_token(settings);
        });
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let known = format!("authorization: {scheme} {TOKEN}");
            assert_eq!(ask(&gateway, &known).await.status, MAY, "{scheme} at {admin}");
        }
        // Whoever knows it may be a page or come by any name.
        let page =
            format!("host: admin.example\r\norigin: http://a.example\r\nauthorization: Bearer {TOKEN}");
        assert_eq!(ask_with_host(&gateway, &page).await.status, MAY);
        for unknown in ["", "authorization: Basic Y29ycmVjdA==", &format!("authorization: {TOKEN}")] {
            let refused = ask(&gateway, unknown).await;
            assert_eq!((refused.status, problem(&refused)), (401, true), "{unknown}");
            assert_eq!(refused.header("www-authenticate"), Some("bearer realm=\"sluicegate\""), "{unknown}");
        }
        for wrong in ["", "wrong", &TOKEN[1..], &format!("{TOKEN}!"), &TOKEN.to_uppercase()] {
            let refused = ask(&gateway, &format!("authorization: Bearer {wrong}")).await;
            assert_eq!((refused.status, problem(&refused)), (401, true), "{wrong}");
            assert!(!refused.text().contains(TOKEN), "{}", refused.text());
        }
    }
}

#[tokio::test]
async fn without_a_token_an_admin_port_that_others_can_reach_answers_none() {
    let upstream = Upstream::start().await;
    let everywhere = "0.0.0.0:0".parse().expect("an address");
    let gateway = gateway_with(upstream.address, |settings| settings.admin = everywhere);
    let refused = ask(&gateway, "").await;
    assert_eq!((refused.status, problem(&refused)), (403, true));
    for way in ["SIGHUP", "gateway.admin_token", "127.0.0.1:9090"] {
        assert!(refused.text().contains(way), "{}", refused.text());
    }
}

#[tokio::test]
async fn without_a_token_no_web_page_may_ask() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    for program in [
        "host: localhost",
        "host: LOCALHOST:9090",
        "host: 127.0.0.1:9090",
        "host: [::1]:9090",
        "host: 127.0.0.1\r\norigin: http://127.0.0.1\r\nsec-fetch-site: same-origin",
        "host: 127.0.0.1\r\nsec-fetch-site: none",
    ] {
        assert_eq!(ask_with_host(&gateway, program).await.status, MAY, "{program}");
    }
    for page in [
        // A name that its owner lets lead to this machine.
        "host: rebound.example:9090",
        "host: localhost.example",
        "host: 127.0.0.1.example",
        "host: rebound.example\r\norigin: http://rebound.example\r\nsec-fetch-site: same-origin",
        "host:",
        // Another site, or another port of this machine.
        "host: localhost\r\norigin: http://a.example",
        "host: localhost:9090\r\norigin: http://localhost:3000",
        "host: localhost\r\norigin: null",
        "host: localhost\r\nsec-fetch-site: cross-site",
        "host: localhost\r\nsec-fetch-site: same-site",
    ] {
        let refused = ask_with_host(&gateway, page).await;
        assert_eq!((refused.status, problem(&refused)), (403, true), "{page}");
    }
    let mut client = Client::connect(gateway.admin_address()).await;
    client.write("POST http://rebound.example/config/reload HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 403);
}

#[tokio::test]
async fn a_page_resets_accounts_only_if_it_is_the_gateways_own_and_knows_the_token() {
    const OWN: &str = "host: admin.example\r\norigin: http://admin.example\r\nsec-fetch-site: same-origin";
    let upstream = Upstream::start().await;
    let with_token = gateway_with(upstream.address, set_token);
    let known = format!("authorization: Bearer {TOKEN}");
    for (headers, status) in [
        (format!("{OWN}\r\n{known}"), 200),
        // Behind a proxy that speaks TLS.
        (format!("host: admin.example\r\norigin: https://admin.example\r\n{known}"), 200),
        (format!("host: admin.example\r\n{known}"), 200),
        (OWN.to_owned(), 401),
        (format!("{OWN}\r\nauthorization: Bearer wrong"), 401),
        (format!("host: admin.example\r\norigin: http://other.example\r\n{known}"), 403),
        (format!("host: admin.example\r\norigin: http://admin.example:8080\r\n{known}"), 403),
        (format!("host: admin.example\r\norigin: null\r\n{known}"), 403),
        (format!("host: admin.example\r\nsec-fetch-site: cross-site\r\n{known}"), 403),
        (format!("host: admin.example\r\nsec-fetch-site: same-site\r\n{known}"), 403),
    ] {
        assert_eq!(reset(&with_token, &headers).await, status, "{headers}");
    }
    let without = gateway(upstream.address);
    let page = "host: localhost\r\norigin: http://localhost\r\nsec-fetch-site: same-origin";
    assert_eq!(reset(&without, page).await, 403, "this page may only look");
    assert_eq!(reset(&without, "host: localhost").await, 200, "a program on this machine");
}

#[tokio::test]
async fn the_dashboard_runs_its_own_scripts_only_and_no_page_may_contain_it() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, set_token);
    let mut client = Client::connect(loopback(&gateway)).await;
    let page = client.get("/dashboard").await;
    let names = page.text().split('"').filter_map(|text| text.strip_prefix("dashboard/"));
    let files: Vec<_> = names.map(|name| format!("/dashboard/{name}")).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for path in files.iter().map(String::as_str).chain(["/dashboard", "/dashboard/panels.js"]) {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let policy = answer.header("content-security-policy").expect("a policy");
        for directive in
            ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(directive), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    }
    let answer = client.get("/dashboard/../admin.rs").await;
    assert_eq!((answer.status, problem(&answer)), (404, true));
}

#[tokio::test]
async fn health_and_metrics_are_for_everybody_who_can_connect() {
    let upstream = Upstream::start().await;
    let everywhere = "0.0.0.0:0".parse().expect("an address");
    let open = gateway_with(upstream.address, |settings| settings.admin = everywhere);
    let with_token = gateway_with(upstream.address, set_token);
    for gateway in [open, with_token] {
        let mut client = Client::connect(loopback(&gateway)).await;
        for path in ["/livez", "/readyz", "/metrics"] {
            client.write(format!("GET {path} HTTP/1.1\r\nhost: gateway.pod\r\norigin: null\r\n\r\n")).await;
            assert_eq!(client.answer().await.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_document_too() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.admin_address()).await;
    for path in ["/", "/limit", "/metrics/", "/config"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, problem(&answer)), (404, true), "{path}");
    }
    let answer = client.post("/livez", b"").await;
    assert_eq!((answer.status, problem(&answer), answer.header("allow")), (405, true, Some("get,head")));
    let answer = client.get("/config/reload").await;
    assert_eq!((answer.status, problem(&answer), answer.header("allow")), (405, true, Some("post")));
}

fn set_token(settings: &mut GatewaySettings) {
    settings.admin_token = Some(TOKEN.into());
}

async fn ask(gateway: &Gateway, header: &str) -> Answer {
    ask_with_host(gateway, format!("host: localhost\r\n{header}").trim_end()).await
}

async fn ask_with_host(gateway: &Gateway, headers: &str) -> Answer {
    let mut client = Client::connect(loopback(gateway)).await;
    client.write(format!("POST /config/reload HTTP/1.1\r\n{headers}\r\ncontent-length: 0\r\n\r\n")).await;
    client.answer().await
}

/// Resets the accounts of one caller, and returns the status.
async fn reset(gateway: &Gateway, headers: &str) -> u16 {
    let mut client = Client::connect(loopback(gateway)).await;
    client.write(format!("DELETE /limits?key=client_ip%3D192.0.2.7 HTTP/1.1\r\n{headers}\r\n\r\n")).await;
    client.answer().await.status
}

fn loopback(gateway: &Gateway) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, gateway.admin_address().port()).into()
}

/// Returns `true` if the response is a problem document with its own status.
fn problem(answer: &Answer) -> bool {
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    answer.header("content-type") == Some("application/problem+json") && problem["status"] == answer.status
}

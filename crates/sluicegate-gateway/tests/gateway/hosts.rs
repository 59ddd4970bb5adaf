//! The host that a request names: what is none is refused, in every version and place, and goes no further.

use http::Request;

use crate::support::{
    Client, Upstream, gateway, gateway_with,
    http2::{Client2, empty},
};
use sluicegate_policy::{ForwardedHeader, GatewaySettings};

const NO_HOSTS: [&str; 16] = [
    "a b", "a/b", "a?b", "a#b", "[::1", "[::1]x", "[]", "u@a", "u:p@a", "a:x", "a:1:2", ":80", "a\\b",
    "a\"b", "a%zz", "http://a",
];

#[tokio::test]
async fn a_host_that_is_none_is_400_and_reaches_nobody() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    for version in ["1.0\r\nconnection: keep-alive", "1.1"] {
        for host in NO_HOSTS {
            client.write(format!("GET /seen HTTP/{version}\r\nhost: {host}\r\n\r\n")).await;
            let answer = client.answer().await;
            assert_eq!(answer.status, 400, "{host}");
            assert!(answer.text().contains("must name a host"), "{}", answer.text());
        }
    }
    client.write(b"GET /seen HTTP/1.1\r\nhost: b\xc3\xbccher\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 400, "names of hosts are ASCII");
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_host_with_a_port_or_without_passes_as_it_is() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = Client::connect(gateway.address()).await;
    for host in ["", "a", "A.b-c_d:8080", "a:", "10.0.0.7:1", "[2001:db8::1]", "[::1]:8080", "b%C3%BCcher"] {
        client.write(format!("GET /seen HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert_eq!(client.answer().await.status, 200, "{host}");
        let head = upstream.seen();
        assert!(head.contains(&format!("\nhost: {host}\n")), "{head}");
        assert!(head.contains(&format!("\nx-forwarded-host: {host}\n")), "{head}");
    }
}

#[tokio::test]
async fn beside_an_absolute_target_both_names_are_looked_at() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    for (target, host) in [
        ("http://a/seen", "a b"),
        ("http://a/seen", "u@a"),
        ("http://a:x/seen", "a"),
        ("http://u@a/seen", "a"),
        ("http://a~b:1x/seen", "a"),
    ] {
        let mut client = Client::connect(gateway.address()).await;
        client.write(format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await;
        assert_eq!(client.answer().await.status, 400, "{target} {host}");
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn by_http_2_the_authority_and_the_host_are_looked_at() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let client = Client2::connect(gateway.address()).await;
    let ask = async |authority: &str, host: Option<&str>| {
        let mut request = Request::get(format!("http://{authority}/seen"));
        if let Some(host) = host {
            request = request.header("host", host);
        }
        client.ask(request.body(empty()).expect("valid")).await.status.as_u16()
    };
    for authority in ["u@a", "a:1x", "a!b:x"] {
        // The library refuses some by itself, and then it resets the stream.
        let request = Request::get(format!("http://{authority}/seen")).body(empty());
        if let Ok(request) = request
            && let Ok(answer) = client.send(request).await
        {
            assert_eq!(answer.status(), 400, "{authority}");
        }
    }
    for host in ["a b", "u@a", "other"] {
        assert_eq!(ask("a", Some(host)).await, 400, "{host}");
    }
    assert_eq!(upstream.requests(), 0);
    assert_eq!(ask("a:8080", None).await, 200);
    assert_eq!(ask("A", Some("a")).await, 200);
    assert_eq!(ask("[::1]:80", Some("[::1]:80")).await, 200);
}

#[tokio::test]
async fn a_forwarded_host_that_is_none_gives_way_to_the_requests_own() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, trust_loopback);
    let mut client = Client::connect(gateway.address()).await;
    for (told, forwarded) in [
        ("public.example", "public.example"),
        ("public.example:8443, inner", "public.example:8443, inner"),
        ("a b", "own"),
        ("public.example, u@a", "own"),
    ] {
        client.write(format!("GET /seen HTTP/1.1\r\nhost: own\r\nx-forwarded-host: {told}\r\n\r\n")).await;
        assert_eq!(client.answer().await.status, 200, "{told}");
        let head = upstream.seen();
        assert!(head.contains(&format!("\nx-forwarded-host: {forwarded}\n")), "{told}: {head}");
    }
}

#[tokio::test]
async fn the_forwarded_header_names_the_host_in_quotes() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| {
        settings.forwarded_header = ForwardedHeader::Forwarded;
    });
    let mut client = Client::connect(gateway.address()).await;
    for host in ["a;proto=https", "[::1]:80", "a,for=b"] {
        client.write(format!("GET /seen HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert_eq!(client.answer().await.status, 200, "{host}");
        let head = upstream.seen();
        let line = format!("\nforwarded: for=127.0.0.1;host=\"{host}\";proto=http\n");
        assert!(head.contains(&line), "{head}");
    }
    client.write("GET /seen HTTP/1.1\r\nhost: a\";for=6.6.6.6;by=\"\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 400, "nothing can end the quotes");
}

fn trust_loopback(settings: &mut GatewaySettings) {
    settings.trusted_proxies = vec![std::net::IpAddr::from([127, 0, 0, 1]).into()];
}

//! Clients that connect by TLS.

use std::{fs, time::Duration};

use bytes::Bytes;
use sluicegate_gateway::{Gateway, StartError};
use sluicegate_policy::{Policy, Source, TlsSettings};
use tokio::io::AsyncReadExt;

use crate::support::{Client, Upstream, batch, gateway_with, http2::Client2, noise, soon, tls::Authority};

#[tokio::test]
async fn the_protocol_is_negotiated_and_the_upstream_is_told_of_https() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("test");
    let gateway = gateway_with(upstream.address, |settings| settings.tls = Some(authority.settings()));
    for alpn in [&[][..], &["http/1.1"], &["h3", "http/1.1"]] {
        let mut client = Client::over(authority.connect(gateway.address(), alpn).await);
        assert_eq!(client.get("/seen").await.status, 200);
        let head = upstream.seen();
        assert!(head.contains("via: 1.1 sluicegate\n"), "{head}");
        assert!(head.contains("x-forwarded-proto: https\n"), "{head}");
    }
    for alpn in [&["h2"][..], &["h2", "http/1.1"], &["http/1.1", "h2"]] {
        let client = Client2::over(authority.connect(gateway.address(), alpn).await).await;
        assert_eq!(client.get("/seen").await.status, 200);
        let head = upstream.seen();
        assert!(head.contains("via: 2.0 sluicegate\n"), "{head}");
        assert!(head.contains("x-forwarded-proto: https\n"), "{head}");
    }
    let other = authority.try_connect(gateway.address(), &["spdy"], None).await;
    assert!(other.is_err(), "nothing that both speak");
}

#[tokio::test]
async fn bodies_pass_byte_for_byte_by_tls() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("test");
    let gateway = gateway_with(upstream.address, |settings| settings.tls = Some(authority.settings()));
    let mut one = Client::over(authority.connect(gateway.address(), &[]).await);
    let two = Client2::over(authority.connect(gateway.address(), &["h2"]).await).await;
    for size in [1, 16_384, 70_000, 1_000_000] {
        let body = noise(size);
        for path in ["/echo", "/read/echo"] {
            assert!(one.post(path, &body).await.body == body, "{path} {size}");
            assert!(two.post(path, &body).await.body == body, "{path} {size} by HTTP/2");
        }
    }
}

#[tokio::test]
async fn each_event_of_a_stream_arrives_as_soon_as_it_is_sent_by_tls() {
    let mut upstream = Upstream::start().await;
    let authority = Authority::new("test");
    let gateway = gateway_with(upstream.address, |settings| settings.tls = Some(authority.settings()));
    let mut client = Client::over(authority.connect(gateway.address(), &[]).await);
    client.write("GET /stream HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let mut stream = upstream.stream().await;
    client.head().await;
    for number in 0..20 {
        let event = format!("data: {number}\n\n");
        stream.send_data(Bytes::from(event.clone())).await.expect("the gateway reads");
        assert_eq!(client.chunk().await, Some(event.into_bytes()));
    }
}

#[tokio::test]
async fn a_client_that_sends_everything_before_reading_gets_its_413_by_tls() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("test");
    let gateway = gateway_with(upstream.address, |settings| settings.tls = Some(authority.settings()));
    let mut client = Client::over(authority.connect(gateway.address(), &[]).await);
    assert_eq!(client.post("/held/echo", &batch(20_000_000)).await.status, 413);
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_handshake_is_closed() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("test");
    let gateway = gateway_with(upstream.address, |settings| {
        settings.tls = Some(authority.settings());
        settings.header_timeout = Duration::from_millis(50);
    });
    for begun in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00"] {
        let mut client = Client::connect(gateway.address()).await;
        client.write(begun).await;
        client.closed_cleanly().await;
    }
    let mut idle = authority.connect(gateway.address(), &[]).await;
    // No request comes after the handshake, either.
    let _ = soon(idle.read_to_end(&mut Vec::new())).await;
}

#[tokio::test]
async fn where_clients_must_show_a_certificate_nobody_else_is_served() {
    let upstream = Upstream::start().await;
    let (authority, clients, strangers) =
        (Authority::new("servers"), Authority::new("clients"), Authority::new("strangers"));
    let gateway = gateway_with(upstream.address, |settings| {
        settings.tls = Some(TlsSettings { client_ca: Some(clients.root()), ..authority.settings() });
    });
    for (shown, served) in [(Some(clients.sign()), true), (Some(strangers.sign()), false), (None, false)] {
        // With TLS 1.3, a client learns that it was refused when it reads.
        let status = match authority.try_connect(gateway.address(), &[], shown).await {
            Ok(stream) => Client::over(stream).try_get("/seen").await,
            Err(_) => None,
        };
        assert_eq!(status, served.then_some(200));
    }
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("test");
    let gateway = gateway_with(upstream.address, |settings| settings.tls = Some(authority.settings()));
    let mut old = Client::over(authority.connect(gateway.address(), &[]).await);
    let new = authority.sign();
    authority.write(&new);
    soon(async {
        loop {
            let stream = authority.connect(gateway.address(), &[]).await;
            let shown = stream.get_ref().1.peer_certificates().expect("a server shows one");
            if shown[0] == new.certificate {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(old.get("/seen").await.status, 200);
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_at_start() {
    let (authority, other) = (Authority::new("test"), Authority::new("other"));
    let good = authority.settings();
    let absent = authority.file("absent.pem");
    let garbage = authority.file("garbage.pem");
    fs::write(&garbage, "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").expect("ours");
    let damaged = authority.file("damaged.pem");
    fs::write(&damaged, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").expect("ours");
    let cases = [
        (TlsSettings { certificate: absent.clone(), ..good.clone() }, &absent, "there is no such file"),
        (TlsSettings { key: absent.clone(), ..good.clone() }, &absent, "there is no such file"),
        (TlsSettings { certificate: garbage.clone(), ..good.clone() }, &garbage, "it is not PEM"),
        (
            TlsSettings { certificate: damaged.clone(), ..good.clone() },
            &damaged,
            "its certificate is not valid: ",
        ),
        (
            TlsSettings { certificate: good.key.clone(), ..good.clone() },
            &good.key,
            "it holds no certificate in PEM",
        ),
        (
            TlsSettings { key: good.certificate.clone(), ..good.clone() },
            &good.certificate,
            "it holds no private key",
        ),
        (
            TlsSettings { key: other.settings().key, ..good.clone() },
            &other.file("gateway.key"),
            "it is not the key",
        ),
        (
            TlsSettings { client_ca: Some(good.key.clone()), ..good.clone() },
            &good.key,
            "it holds no certificate",
        ),
        (
            TlsSettings { client_ca: Some(damaged.clone()), ..good.clone() },
            &damaged,
            "its certificate is not valid: ",
        ),
    ];
    for (settings, file, problem) in cases {
        let source =
            Source::new("test.toml", b"gateway.upstream = 'http://127.0.0.1:1'").expect("it is small");
        let mut policy = Policy::parse(&source).expect("it is valid");
        policy.gateway.tls = Some(settings);
        let error = Gateway::start(policy).await.map(drop).expect_err("it cannot start");
        assert!(matches!(error, StartError::Tls(_)));
        let beginning = format!("cannot use {} for TLS: {problem}", file.display());
        assert!(error.to_string().starts_with(&beginning), "{error}\n{beginning}");
    }
}

#[tokio::test]
async fn http_in_clear_on_the_port_of_tls_is_400_in_clear() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("test");
    let gateway = gateway_with(upstream.address, |settings| settings.tls = Some(authority.settings()));
    let body = "x".repeat(200_000);
    for request in [
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        "g".to_owned(),
        format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 200000\r\n\r\n{body}"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        let mut client = Client::connect(gateway.address()).await;
        client.write(&request).await;
        let answer = client.answer().await;
        let shown = &request[..request.len().min(20)];
        assert_eq!((answer.status, answer.header("connection")), (400, Some("close")), "{shown}");
        assert!(answer.text().contains("This port speaks TLS: use https"), "{shown}: {}", answer.text());
        assert!(client.closed_cleanly().await, "{shown}");
    }
    for request in ["\r\nGET / HTTP/1.1\r\n\r\n", "\0\0\0\0\0"] {
        let mut client = Client::connect(gateway.address()).await;
        client.write(request).await;
        assert!(!client.rest().await.starts_with(b"HTTP"), "what is neither gets an alert, or nothing");
    }
    assert_eq!(upstream.requests(), 0);
    let mut client = Client::over(authority.connect(gateway.address(), &[]).await);
    assert_eq!(client.get("/seen").await.status, 200);
}

#[tokio::test]
async fn tls_on_the_port_in_clear_is_400_and_closed() {
    let upstream = Upstream::start().await;
    let authority = Authority::new("test");
    let gateway = gateway_with(upstream.address, |_| {});
    assert!(authority.try_connect(gateway.address(), &[], None).await.is_err());
    let mut client = Client::connect(gateway.address()).await;
    client.write(b"\x16\x03\x01\x02\x00\x01\x00").await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("This port speaks HTTP in clear: use http"), "{}", answer.text());
    assert!(client.closed_cleanly().await);
    assert_eq!(upstream.requests(), 0);
}

//! Several upstreams: who gets which request, and who gets it instead.

use std::time::Duration;

use crate::support::{
    Client, Nobody, Silent, Upstream, gateway_before, gateway_with, in_flight_is_zero, soon, until,
};

#[tokio::test]
async fn an_upstream_is_told_the_host_that_its_settings_name() {
    for (upstream, line) in [
        (Upstream::start().await, "host: api.example.com\n"),
        (Upstream::start_http2(100).await, "GET http://api.example.com/seen\n"),
    ] {
        let gone = Nobody::new();
        let gateway = gateway_with(upstream.address, |settings| {
            let told: sluicegate_policy::Upstream = upstream.url().parse().expect("a URL");
            let gone = format!("http://{}", gone.address).parse().expect("a URL");
            settings.upstreams = vec![told.with_host("api.example.com".to_owned()), gone];
        });
        let mut client = Client::connect(gateway.address()).await;
        for _ in 0..4 {
            assert_eq!(client.get("/seen").await.status, 200);
            let head = upstream.seen();
            assert!(head.contains(line) && head.contains("x-forwarded-host: localhost\n"), "{head}");
        }
    }
}

#[tokio::test]
async fn shares_follow_the_weights_over_one_connection_each() {
    let (one, three) = (Upstream::start().await, Upstream::start().await);
    let gateway = gateway_before(&[(one.address, 1), (three.address, 3)], |_| {});
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..400 {
        assert_eq!(client.get("/seen").await.status, 200);
    }
    // 100 is expected, with a deviation of 9.
    assert!((50..150).contains(&one.requests()), "{} of 400", one.requests());
    assert_eq!(one.requests() + three.requests(), 400);
    assert_eq!((one.connections(), three.connections()), (1, 1));
}

#[tokio::test]
async fn an_upstream_with_more_in_flight_gets_nothing_until_the_others_have_as_much() {
    let (busy, idle) = (Upstream::start().await, Upstream::start().await);
    let gateway = gateway_before(&[(busy.address, 1), (idle.address, 1)], |_| {});
    let mut waiting = Vec::new();
    while busy.running() == 0 {
        let mut client = Client::connect(gateway.address()).await;
        let before = busy.running() + idle.running();
        client.write("GET /hang HTTP/1.1\r\nhost: a\r\n\r\n").await;
        until(|| busy.running() + idle.running() > before).await;
        waiting.push(client);
    }
    assert!(waiting.len() <= 2, "the second goes where nothing runs");
    let mut client = Client::connect(gateway.address()).await;
    // Now one is at `busy`, and at most one at `idle`.
    for _ in 0..100 {
        client.write("GET /hang HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let expected = waiting.len() + 1;
        until(|| busy.running() + idle.running() == expected).await;
        assert!(busy.running().abs_diff(idle.running()) <= 1, "{} and {}", busy.running(), idle.running());
        waiting.push(std::mem::replace(&mut client, Client::connect(gateway.address()).await));
    }
    drop(waiting);
    until(|| busy.running() == 0 && idle.running() == 0).await;
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn what_one_upstream_does_not_take_goes_to_another() {
    let (nobody, upstream) = (Nobody::new(), Upstream::start().await);
    let gateway = gateway_before(&[(nobody.address, 1), (upstream.address, 1)], |_| {});
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..20 {
        assert_eq!(client.get("/seen").await.status, 200);
        assert_eq!(client.post("/echo", b"streamed").await.text(), "streamed");
        assert_eq!(client.post("/held/echo", b"{\"inputs\": 1}").await.text(), "{\"inputs\": 1}");
    }
    assert_eq!(upstream.requests(), 60);
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn a_request_is_offered_to_as_many_as_the_settings_say() {
    let (nobody, nowhere, upstream) = (Nobody::new(), Nobody::new(), Upstream::start().await);
    // Who is drawn first is hardly ever the third.
    let all = [(nobody.address, 1000), (nowhere.address, 1000), (upstream.address, 1)];
    let gateway = gateway_before(&all, |settings| {
        settings.retries = 1;
        settings.ejection.failures = None;
    });
    let mut client = Client::connect(gateway.address()).await;
    let mut refused = 0;
    for _ in 0..20 {
        refused += usize::from(client.get("/seen").await.status == 502);
    }
    assert!(refused > 10, "{refused} of 20");
    let gateway = gateway_before(&all, |settings| settings.retries = 2);
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..20 {
        assert_eq!(client.get("/seen").await.status, 200);
    }
}

#[tokio::test]
async fn an_upstream_that_has_stopped_loses_no_request_that_it_had_not_got() {
    let (stays, mut stops) = (Upstream::start().await, Upstream::start().await);
    let gateway = gateway_before(&[(stays.address, 1), (stops.address, 1)], |settings| {
        settings.ejection.time = Duration::from_millis(20);
    });
    let mut client = Client::connect(gateway.address()).await;
    while stops.requests() == 0 || stays.requests() == 0 {
        assert_eq!(client.get("/seen").await.status, 200);
    }
    stops.stop().await;
    until(|| stops.open() == 0).await;
    for _ in 0..50 {
        assert_eq!(client.post("/echo", b"body").await.text(), "body");
    }
    let before = stops.requests();
    stops.start_again().await;
    soon(async {
        while stops.requests() == before {
            assert_eq!(client.get("/seen").await.status, 200);
        }
    })
    .await;
}

#[tokio::test]
async fn without_an_upstream_that_takes_it_a_request_is_502() {
    let (nobody, nowhere) = (Nobody::new(), Nobody::new());
    let gateway = gateway_before(&[(nobody.address, 1), (nowhere.address, 1)], |_| {});
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.get("/seen").await.status, 502);
    assert_eq!(client.post("/echo", b"body").await.status, 502, "the connection still serves");
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_502_or_somebody_else() {
    let upstream = Upstream::start().await;
    let name: sluicegate_policy::Upstream = "http://no-such-host.invalid:80".parse().expect("a URL");
    let gateway = gateway_with(upstream.address, |settings| settings.upstreams = vec![name.clone()]);
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.get("/seen").await.status, 502);
    let gateway = gateway_with(upstream.address, |settings| settings.upstreams.push(name));
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..10 {
        assert_eq!(client.get("/seen").await.status, 200);
    }
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn an_upstream_that_never_accepts_leaves_time_for_another() {
    let (silent, upstream) = (Silent::start().await, Upstream::start().await);
    let gateway = gateway_before(&[(silent.address, 1), (upstream.address, 1)], |settings| {
        settings.connect_timeout = Duration::from_millis(400);
    });
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..6 {
        assert_eq!(client.get("/seen").await.status, 200);
    }
    let gateway = gateway_with(silent.address, |settings| {
        settings.connect_timeout = Duration::from_millis(100);
    });
    let mut client = Client::connect(gateway.address()).await;
    assert_eq!(client.get("/seen").await.status, 504);
    in_flight_is_zero(&gateway).await;
}

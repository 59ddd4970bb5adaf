//! Upstreams that fail: who finds out, what becomes of their requests, and how they come back.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use sluicegate_gateway::Gateway;
use sluicegate_policy::{EjectionSettings, GatewaySettings, HealthSettings};

use tokio::task::JoinSet;

use crate::support::{
    Client, Scripted, Silent, Upstream, gateway_before, gateway_with, in_flight_is_zero, metrics, sockets_to,
    soon, until,
};

/// Three failures put an upstream out, for a moment or for ever.
fn ejecting(time: Duration) -> impl Fn(&mut GatewaySettings) {
    move |settings| {
        settings.ejection =
            EjectionSettings { failures: NonZeroU32::new(3), time, max_time: time, answers: false };
    }
}

/// Two bad checks put an upstream down, and two good ones back at once.
fn checking(settings: &mut GatewaySettings) {
    settings.health = Some(HealthSettings {
        interval: MOMENT,
        timeout: 5 * MOMENT,
        unhealthy: NonZeroU32::MIN.saturating_add(1),
        ..HealthSettings::new("/health".to_owned())
    });
    settings.slow_start = Duration::ZERO;
}

/// Reads a metric of an upstream.
async fn figure(gateway: &Gateway, name: &str, url: &str) -> u64 {
    let text = metrics(gateway).await;
    let start = format!("sluicegate_{name}{{upstream=\"{url}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&start));
    value.unwrap_or_else(|| panic!("no {start}in\n{text}")).parse().expect("a number")
}

/// Waits until the metrics say whether an upstream is healthy.
async fn healthy(gateway: &Gateway, url: &str, expected: u64) {
    soon(async { while figure(gateway, "upstream_healthy", url).await != expected {} }).await;
}

#[tokio::test]
async fn an_upstream_that_refuses_is_asked_no_more_than_it_takes_to_find_out() {
    let (stays, mut stops) = (Upstream::start().await, Upstream::start().await);
    stops.stop().await;
    let gateway = gateway_before(&[(stays.address, 1), (stops.address, 1)], ejecting(AGES));
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..100 {
        assert_eq!(client.get("/seen").await.status, 200);
    }
    assert_eq!(figure(&gateway, "upstream_failed_attempts_total", &stops.url()).await, 3);
    assert_eq!(figure(&gateway, "upstream_healthy", &stops.url()).await, 0);
    assert_eq!(figure(&gateway, "upstream_healthy", &stays.url()).await, 1);
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn what_one_worker_finds_out_all_of_them_know() {
    let (stays, mut stops) = (Upstream::start().await, Upstream::start().await);
    stops.stop().await;
    let gateway = gateway_before(&[(stays.address, 1), (stops.address, 1)], |settings| {
        ejecting(AGES)(settings);
        settings.threads = NonZeroUsize::new(4);
    });
    for _ in 0..60 {
        let mut client = Client::connect(gateway.address()).await;
        assert_eq!(client.get("/seen").await.status, 200);
    }
    assert_eq!(stays.connections(), 4, "every worker had some");
    assert_eq!(figure(&gateway, "upstream_failed_attempts_total", &stops.url()).await, 3);
}

#[tokio::test]
async fn an_upstream_that_was_out_comes_back_after_one_request_has_tried_it() {
    let (stays, mut stops) = (Upstream::start().await, Upstream::start().await);
    stops.stop().await;
    let gateway = gateway_before(&[(stays.address, 1), (stops.address, 1)], ejecting(MOMENT));
    let mut client = Client::connect(gateway.address()).await;
    while figure(&gateway, "upstream_healthy", &stops.url()).await == 1 {
        assert_eq!(client.get("/seen").await.status, 200);
    }
    stops.start_again().await;
    soon(async {
        while figure(&gateway, "upstream_healthy", &stops.url()).await == 0 {
            assert_eq!(client.get("/seen").await.status, 200);
        }
    })
    .await;
    assert_eq!(stops.requests(), 1, "one request tried it");
}

#[tokio::test]
async fn when_all_are_out_all_are_tried() {
    let (mut one, mut two) = (Upstream::start().await, Upstream::start().await);
    one.stop().await;
    two.stop().await;
    let gateway = gateway_before(&[(one.address, 1), (two.address, 1)], ejecting(AGES));
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..10 {
        assert_eq!(client.get("/seen").await.status, 502);
    }
    for upstream in [&one, &two] {
        assert_eq!(figure(&gateway, "upstream_healthy", &upstream.url()).await, 0);
    }
    two.start_again().await;
    for _ in 0..10 {
        assert_eq!(client.get("/seen").await.status, 200);
    }
    assert_eq!(figure(&gateway, "upstream_healthy", &two.url()).await, 1);
}

#[tokio::test]
async fn what_was_sent_is_never_sent_again() {
    let (one, two) = (Upstream::start().await, Upstream::start().await);
    let mut sent = 0;
    for (path, status, timeout) in [
        ("/break", 502, AGES),
        ("/read/break", 502, AGES),
        ("/hang", 504, MOMENT),
        ("/read/hang", 504, MOMENT),
    ] {
        let gateway = gateway_before(&[(one.address, 1), (two.address, 1)], |settings| {
            settings.response_timeout = timeout;
        });
        let mut client = Client::connect(gateway.address()).await;
        for _ in 0..10 {
            // The first leaves a connection that the second goes over.
            assert_eq!(client.get("/nothing").await.status, 204);
            assert_eq!(client.post(path, b"body").await.status, status, "{path}");
            assert_eq!(client.get(path).await.status, status, "{path}");
            sent += 3;
        }
        in_flight_is_zero(&gateway).await;
    }
    assert_eq!(one.requests() + two.requests(), sent);
    until(|| one.running() + two.running() == 0).await;
}

#[tokio::test]
async fn connections_that_break_put_an_upstream_out() {
    let (fails, upstream) = (Scripted::start().await, Upstream::start().await);
    let gateway = gateway_before(&[(fails.address, 1), (upstream.address, 1)], ejecting(AGES));
    let mut client = Client::connect(gateway.address()).await;
    let mut broken = 0;
    while broken < 3 {
        client.write("GET /seen HTTP/1.1\r\nhost: a\r\n\r\n").await;
        tokio::select! {
            mut connection = fails.accept() => {
                connection.request(b"\r\n\r\n").await;
                match broken {
                    0 => connection.half_close().await,
                    1 => connection.reset(),
                    _ => drop(connection),
                }
                broken += 1;
                assert_eq!(client.answer().await.status, 502);
            }
            answer = client.answer() => assert_eq!(answer.status, 200),
        }
    }
    for _ in 0..50 {
        assert_eq!(client.get("/seen").await.status, 200);
    }
    in_flight_is_zero(&gateway).await;
}

#[tokio::test]
async fn answers_of_a_broken_server_put_it_out_if_the_settings_say_so() {
    for answers in [false, true] {
        let (well, unwell) = (Upstream::start().await, Upstream::start().await);
        well.become_ready();
        let gateway = gateway_before(&[(well.address, 1), (unwell.address, 1)], |settings| {
            ejecting(AGES)(settings);
            settings.ejection.answers = answers;
        });
        let mut client = Client::connect(gateway.address()).await;
        let mut unwell_answers = 0;
        for _ in 0..60 {
            unwell_answers += u32::from(client.get("/health").await.status == 503);
        }
        if answers {
            assert_eq!(unwell_answers, 3);
        } else {
            assert!(unwell_answers > 10, "{unwell_answers} of 60");
        }
    }
}

#[tokio::test]
async fn health_checks_put_an_upstream_down_and_bring_it_back() {
    let (stays, leaves) = (Upstream::start().await, Upstream::start().await);
    stays.become_ready();
    leaves.become_ready();
    let gateway = gateway_before(&[(stays.address, 1), (leaves.address, 1)], checking);
    healthy(&gateway, &leaves.url(), 1).await;
    leaves.become_unwell();
    healthy(&gateway, &leaves.url(), 0).await;
    let mut client = Client::connect(gateway.address()).await;
    for _ in 0..50 {
        assert_eq!(client.get("/port").await.text(), stays.port());
    }
    leaves.become_ready();
    healthy(&gateway, &leaves.url(), 1).await;
    soon(async { while client.get("/port").await.text() != leaves.port() {} }).await;
}

#[tokio::test]
async fn an_upstream_that_is_back_begins_with_a_small_share_and_the_others_keep_theirs() {
    let (one, two, back) = (Upstream::start().await, Upstream::start().await, Upstream::start().await);
    one.become_ready();
    two.become_ready();
    let all = [(one.address, 1), (two.address, 1), (back.address, 1)];
    let gateway = gateway_before(&all, |settings| {
        checking(settings);
        settings.slow_start = AGES;
    });
    healthy(&gateway, &back.url(), 0).await;
    back.become_ready();
    healthy(&gateway, &back.url(), 1).await;
    let mut client = Client::connect(gateway.address()).await;
    let mut shares = [0, 0, 0];
    for _ in 0..600 {
        let answer = client.get("/port").await;
        for (share, upstream) in shares.iter_mut().zip([&one, &two, &back]) {
            *share += u32::from(answer.text() == upstream.port());
        }
    }
    // A twentieth of a share is 15 of 600, and 293 remain for each of the others.
    let [one, two, back] = shares;
    assert!((1..60).contains(&back), "{shares:?}");
    assert!(one.abs_diff(two) < 150, "{shares:?}");
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_its_checks_is_down_and_alone_still_asked() {
    let (silent, hangs) = (Silent::start().await, Upstream::start().await);
    let gateway = gateway_before(&[(silent.address, 1), (hangs.address, 1)], |settings| {
        checking(settings);
        settings.health =
            settings.health.take().map(|health| HealthSettings { path: "/hang".to_owned(), ..health });
    });
    healthy(&gateway, &format!("http://{}", silent.address), 0).await;
    healthy(&gateway, &hangs.url(), 0).await;
    until(|| hangs.open() <= 1).await;
    let mut client = Client::connect(gateway.address()).await;
    // Both are down, so both are asked; who does not accept leaves time for the other.
    assert_eq!(client.get("/seen").await.status, 200);
}

#[tokio::test]
async fn an_early_answer_that_hangs_while_the_body_is_unread_is_let_go_in_time() {
    for rest in ["", "half of the answer"] {
        let upstream = Scripted::start().await;
        let gateway = gateway_with(upstream.address, |settings| settings.idle_timeout = 5 * MOMENT);
        let mut client = Client::connect(gateway.address()).await;
        client.write("POST /slot/a HTTP/1.1\r\nhost: a\r\ncontent-length: 8000000\r\n\r\n").await;
        let mut connection = upstream.accept().await;
        connection.request(b"\r\n\r\n").await;
        connection
            .write(&format!("HTTP/1.1 413 Content Too Large\r\ncontent-length: 100\r\n\r\n{rest}"))
            .await;
        assert_eq!(client.head().await.status, 413);
        // Neither side closes: the deadline does, towards both.
        connection.closed().await;
        client.closed_cleanly().await;
        in_flight_is_zero(&gateway).await;
        let mut client = Client::connect(gateway.address()).await;
        client.write("GET /slot/a HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut connection = upstream.accept().await;
        connection.request(b"\r\n\r\n").await;
        connection.write("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 204, "the slot is free again");
    }
}

#[tokio::test]
async fn an_answer_that_is_reset_half_way_is_cut_and_leaves_nothing() {
    let upstream = Scripted::start().await;
    let gateway = gateway_with(upstream.address, |_| {});
    for _ in 0..50 {
        let mut client = Client::connect(gateway.address()).await;
        client.write("GET /slot/a HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut connection = upstream.accept().await;
        connection.request(b"\r\n\r\n").await;
        connection.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
        assert_eq!(client.head().await.status, 200, "the slot of the one before is free");
        connection.reset();
        assert!(client.rest().await.len() <= 4);
        in_flight_is_zero(&gateway).await;
    }
}

#[tokio::test]
async fn after_every_kind_of_failure_at_once_nothing_is_left() {
    let (stays, mut leaves) = (Upstream::start().await, Upstream::start().await);
    let gateway = gateway_before(&[(stays.address, 1), (leaves.address, 2)], |settings| {
        ejecting(MOMENT)(settings);
        settings.response_timeout = MOMENT;
        settings.idle_timeout = MOMENT;
        settings.keep_alive = MOMENT;
    });
    let address = gateway.address();
    let mut clients = JoinSet::new();
    for number in 0..8 {
        clients.spawn(async move {
            for round in 0..60 {
                let path = [
                    "/seen",
                    "/hang",
                    "/break",
                    "/early",
                    "/stream",
                    "/slot/hang",
                    "/slot/break",
                    "/read/early",
                ][(number + round) % 8];
                let mut client = Client::connect(address).await;
                let length = if round % 2 == 0 { 4 } else { 400_000 };
                client
                    .write(format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n"))
                    .await;
                client.write(vec![b'x'; if round % 3 == 0 { length / 2 } else { length }]).await;
                // Every fifth leaves at once; the others until something has come, or the connection is cut.
                if round % 5 != 0 {
                    client.some().await;
                }
            }
        });
    }
    let comes_and_goes = async {
        while clients.join_next().await.transpose().expect("no client panics").is_some() {
            leaves.stop().await;
            until(|| leaves.open() == 0).await;
            leaves.start_again().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), comes_and_goes).await.expect("every request ends");
    // The upstreams do not notice: they do not read what they hang on.
    until(|| sockets_to(stays.address) + sockets_to(leaves.address) == 0).await;
    in_flight_is_zero(&gateway).await;
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/slot/seen").await.status, 200, "the slot is free");
}

/// Long enough for loopback, short enough to wait for.
const MOMENT: Duration = Duration::from_millis(20);

/// Longer than any test.
const AGES: Duration = Duration::from_secs(3_600);

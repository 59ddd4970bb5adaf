//! Reloads: a good policy is at work from then on, a bad one changes nothing, and balances stay.

use std::{fs, net::SocketAddr, path::PathBuf};

use bytes::Bytes;
use serde_json::{Value, json};
use sluicegate_gateway::{Gateway, Origin, ReloadError};
use sluicegate_policy::Overrides;
use tempfile::TempDir;

use crate::support::{Client, Upstream, client::Answer, gateway, soon, until};

#[tokio::test]
async fn a_new_policy_is_at_work_for_open_connections_and_all_workers() {
    let upstream = Upstream::start().await;
    let served = Served::start(&upstream, "").await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = Client::connect(served.address()).await;
        assert_eq!(client.get("/predict").await.status, 200);
        clients.push(client);
    }
    served.write(&limited("name = \"all\", quota = \"3/day\", key = \"global\""));
    let answer = served.post("/config/reload").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let expected = json!({
        "reloaded": true,
        "needs_restart": [],
        "added_limits": ["all"],
        "removed_limits": [],
    });
    assert_eq!(serde_json::from_str::<Value>(answer.text()).expect("JSON"), expected);
    let mut statuses = Vec::new();
    for client in &mut clients {
        statuses.push(client.get("/predict").await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429, 429, 429, 429]);
}

#[tokio::test]
async fn a_bad_policy_is_told_in_full_and_the_old_one_stays() {
    let upstream = Upstream::start().await;
    let served = Served::start(&upstream, &limited("name = \"all\", quota = \"2/day\"")).await;
    let mut client = Client::connect(served.address()).await;
    assert_eq!(client.get("/predict").await.status, 200);

    served.write("[[route]]\npath = \"/predict\"\nlimits = [\"10/minite\",\n\"1/dey\"]\n");
    let answer = served.post("/config/reload").await;
    assert_eq!((answer.status, answer.header("content-type")), (422, Some("application/problem+json")));
    let problem: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let detail = problem["detail"].as_str().expect("a text");
    assert!(detail.contains("sluicegate.toml:3:") && detail.contains("sluicegate.toml:4:"), "{detail}");
    assert_eq!(problem["status"], 422);

    assert_eq!([client.get("/predict").await.status, client.get("/predict").await.status], [200, 429]);
    let metrics = served.get("/metrics").await;
    assert!(metrics.text().contains("sluicegate_config_reloads_total{result=\"error\"} 1\n"));
    assert!(metrics.text().contains("sluicegate_config_last_reload_successful 0\n"));

    served.write(&limited("name = \"all\", quota = \"2/day\""));
    assert_eq!(served.post("/config/reload").await.status, 200);
    let metrics = served.get("/metrics").await;
    assert!(metrics.text().contains("sluicegate_config_reloads_total{result=\"ok\"} 1\n"));
    assert!(metrics.text().contains("sluicegate_config_last_reload_successful 1\n"));
}

#[tokio::test]
async fn what_was_spent_stays_spent_when_a_quota_grows_or_shrinks() {
    let upstream = Upstream::start().await;
    let limit =
        |quota: &str| limited(&format!("name = \"all\", quota = \"{quota}\", algorithm = \"fixed-window\""));
    let served = Served::start(&upstream, &limit("3/day")).await;
    let mut client = Client::connect(served.address()).await;
    for _ in 0..2 {
        assert_eq!(client.get("/predict").await.status, 200);
    }
    served.write(&limit("5/day"));
    served.gateway.reload().await.expect("it is valid");
    for status in [200, 200, 200, 429] {
        assert_eq!(client.get("/predict").await.status, status, "two of the five were spent before");
    }
    served.write(&limit("4/day"));
    served.gateway.reload().await.expect("it is valid");
    assert_eq!(client.get("/predict").await.status, 429);
    served.write(&limit("6/day"));
    served.gateway.reload().await.expect("it is valid");
    for status in [200, 429] {
        assert_eq!(client.get("/predict").await.status, status, "five of the six were spent before");
    }
}

#[tokio::test]
async fn an_empty_bucket_is_empty_in_a_larger_quota_too() {
    let upstream = Upstream::start().await;
    let served = Served::start(&upstream, &limited("name = \"all\", quota = \"3/day\"")).await;
    let mut client = Client::connect(served.address()).await;
    for status in [200, 200, 200, 429] {
        assert_eq!(client.get("/predict").await.status, status);
    }
    served.write(&limited("name = \"all\", quota = \"300/day\""));
    served.gateway.reload().await.expect("it is valid");
    assert_eq!(client.get("/predict").await.status, 429, "a reload mints nothing");
}

#[tokio::test]
async fn a_request_keeps_the_policy_that_it_began_with_and_its_slot() {
    let mut upstream = Upstream::start().await;
    let slots = |route: &str, amount: u32| {
        format!(
            "[[route]]\npath = \"/{route}\"\nlimits = [{{ name = \"slots\", quota = \"{amount} concurrent\", key = \"global\" }}]\n"
        )
    };
    let served = Served::start(&upstream, &slots("stream", 1)).await;
    let mut streaming = Client::connect(served.address()).await;
    streaming.write("GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut stream = upstream.stream().await;
    assert_eq!(streaming.head().await.status, 200);

    served.write(&slots("seen", 2));
    served.gateway.reload().await.expect("it is valid");
    let in_flight = "sluicegate_in_flight_requests{route=\"/stream\"}";
    assert!(served.get("/metrics").await.text().contains(&format!("{in_flight} 1\n")));
    // One of the two slots is held by the stream, which began when there was one.
    let mut client = Client::connect(served.address()).await;
    assert_eq!(client.get("/seen").await.status, 200);
    stream.send_data(Bytes::from_static(b"on")).await.expect("the gateway reads");
    assert_eq!(streaming.chunk().await.as_deref(), Some(&b"on"[..]));

    served.write(&slots("seen", 1));
    served.gateway.reload().await.expect("it is valid");
    assert_eq!(client.get("/seen").await.status, 429);
    drop(stream);
    assert_eq!(streaming.chunk().await, None);
    soon(async { while client.get("/seen").await.status != 200 {} }).await;
    soon(async { while served.get("/metrics").await.text().contains(in_flight) {} }).await;
}

#[tokio::test]
async fn another_upstream_is_asked_at_once_and_the_old_connections_end() {
    let (before, after) = (Upstream::start().await, Upstream::start().await);
    let settings = |upstream: &Upstream, extra: &str| {
        format!("[gateway]\nupstream = \"http://{}\"\n{extra}", upstream.address)
    };
    let served = Served::start_at(&settings(&before, ""), Overrides::default()).await;
    let mut client = Client::connect(served.address()).await;
    assert_eq!(client.get("/seen").await.status, 200);
    assert_eq!(before.open(), 1);

    served.gateway.reload().await.expect("it is valid");
    assert_eq!(client.get("/seen").await.status, 200);
    assert_eq!(before.connections(), 1, "a reload alone costs no connection");

    served.write(&settings(&after, ""));
    served.gateway.reload().await.expect("it is valid");
    assert_eq!(client.get("/seen").await.status, 200);
    assert_eq!((before.requests(), after.requests()), (2, 1));
    until(|| before.open() == 0).await;

    served.write(&settings(&after, "response_timeout = \"50ms\"\n"));
    served.gateway.reload().await.expect("it is valid");
    assert_eq!(client.get("/hang").await.status, 504);
}

#[tokio::test]
async fn settings_that_take_a_restart_stay_and_are_named() {
    let upstream = Upstream::start().await;
    let served = Served::start(&upstream, "").await;
    served.write("[gateway]\nthreads = 7\nlog = \"pretty\"\n[store]\nmax_keys = 7\noutage = \"deny\"\n");
    let reloaded = served.gateway.reload().await.expect("it is valid");
    assert_eq!(reloaded.needs_restart, ["gateway.threads", "gateway.log", "store.max_keys"]);
    assert_eq!(Client::connect(served.address()).await.get("/seen").await.status, 200);

    served.write("[store]\nurl = \"redis://127.0.0.1:1\"\n");
    let refused = served.gateway.reload().await;
    assert!(matches!(refused, Err(ReloadError::StoreKind { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_warm_up_goes_on_over_a_reload_and_none_begins_for_a_running_upstream() {
    let upstream = Upstream::start().await;
    let warmup = |quota: &str| {
        let limits = limited(&format!("name = \"all\", quota = \"{quota}\", algorithm = \"fixed-window\""));
        format!("[warmup]\nscale = 0.5\nready = \"/health\"\nramp = \"0s\"\n{limits}")
    };
    let served = Served::start(&upstream, &warmup("4/day")).await;
    let mut client = Client::connect(served.address()).await;
    for status in [200, 200, 429] {
        assert_eq!(client.get("/predict").await.status, status);
    }
    served.write(&warmup("6/day"));
    served.gateway.reload().await.expect("it is valid");
    for status in [200, 429] {
        assert_eq!(client.get("/predict").await.status, status, "it is still cold");
    }
    upstream.become_ready();
    soon(async { while client.get("/predict").await.status != 200 {} }).await;
    served.write(&warmup("8/day"));
    served.gateway.reload().await.expect("it is valid");
    for status in [200; 4] {
        assert_eq!(client.get("/predict").await.status, status, "it is still warm");
    }

    let upstream = Upstream::start().await;
    let served = Served::start(&upstream, "").await;
    served.write(&warmup("4/day"));
    assert_eq!(served.gateway.reload().await.expect("it is valid").needs_restart, ["warmup"]);
    let mut client = Client::connect(served.address()).await;
    for status in [200, 200, 200, 200, 429] {
        assert_eq!(client.get("/predict").await.status, status);
    }
}

#[tokio::test]
async fn a_changed_file_is_read_by_itself_and_a_bad_one_once() {
    let upstream = Upstream::start().await;
    let served = Served::start(&upstream, "").await;
    served.write(&limited("name = \"all\", quota = \"1/day\""));
    soon(async {
        while !served.get("/metrics").await.text().contains("reloads_total{result=\"ok\"} 1\n") {}
    })
    .await;
    let mut client = Client::connect(served.address()).await;
    // It is counted a moment before the workers have it.
    soon(async { while client.get("/predict").await.status != 429 {} }).await;
    served.write("[[route]");
    soon(async {
        while !served.get("/metrics").await.text().contains("reloads_total{result=\"error\"} 1\n") {}
    })
    .await;
    assert!(served.get("/metrics").await.text().contains("reloads_total{result=\"ok\"} 1\n"));
}

#[tokio::test]
async fn api_keys_are_read_with_the_policy_that_names_them() {
    let upstream = Upstream::start().await;
    let served = Served::start(&upstream, "").await;
    let mut client = Client::connect(served.address()).await;
    let with_key = "GET /seen HTTP/1.1\r\nhost: a\r\nx-api-key: sg_00000000_guess\r\n\r\n";
    client.write(with_key).await;
    assert_eq!(client.answer().await.status, 200, "the policy knows no keys");

    served.write("[identity]\napi_keys = \"keys.toml\"\n");
    let refused = served.gateway.reload().await;
    assert!(matches!(refused, Err(ReloadError::ApiKeys(_))), "there is no such file: {refused:?}");
    fs::write(served.file.with_file_name("keys.toml"), "").expect("the folder is there");
    served.gateway.reload().await.expect("it is valid");
    client.write(with_key).await;
    assert_eq!(client.answer().await.status, 401);
}

#[tokio::test]
async fn a_thousand_reloads_leave_the_series_as_they_were() {
    let upstream = Upstream::start().await;
    let policy = limited("name = \"all\", quota = \"1000000/day\"");
    let served = Served::start(&upstream, &policy).await;
    let mut client = Client::connect(served.address()).await;
    assert_eq!(client.get("/predict").await.status, 200);
    let before = served.get("/metrics").await.text().lines().count();
    for _ in 0..1_000 {
        served.gateway.reload().await.expect("it is valid");
    }
    assert_eq!(client.get("/predict").await.status, 200);
    let metrics = served.get("/metrics").await;
    assert_eq!(metrics.text().lines().count(), before);
    let allowed = "sluicegate_requests_total{route=\"/predict\",tier=\"default\",decision=\"allow\"} 2\n";
    assert!(metrics.text().contains(allowed), "{}", metrics.text());
    assert!(metrics.text().contains("sluicegate_config_reloads_total{result=\"ok\"} 1000\n"));
}

#[tokio::test]
async fn series_of_what_is_gone_are_let_go_when_its_last_request_has_ended() {
    let mut upstream = Upstream::start().await;
    let policy = |path: &str, limit: &str| {
        format!("[[route]]\npath = \"{path}\"\nlimits = [{{ name = \"{limit}\", quota = \"9/day\" }}]\n")
    };
    let served = Served::start(&upstream, &policy("/stream", "old")).await;
    let mut client = Client::connect(served.address()).await;
    client.write("GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let stream = upstream.stream().await;
    assert_eq!(client.head().await.status, 200);

    served.write(&policy("/predict", "new"));
    served.gateway.reload().await.expect("it is valid");
    let text = served.get("/metrics").await.text().to_owned();
    for series in [
        "in_flight_requests{route=\"/stream\"} 1",
        "{limit=\"old\",",
        "{limit=\"new\",",
        "{route=\"/predict\"",
    ] {
        assert!(text.contains(series), "{series} in {text}");
    }
    drop(stream);
    assert_eq!(client.chunk().await, None);
    soon(async { while served.get("/metrics").await.text().contains("/stream") {} }).await;
    let text = served.get("/metrics").await.text().to_owned();
    assert!(!text.contains("\"old\"") && text.contains("{limit=\"new\","), "{text}");

    let mut admin = Client::connect(served.gateway.admin_address()).await;
    admin.write("GET /metrics HTTP/1.1\r\nhost: a\r\naccept: application/json\r\n\r\n").await;
    let summary: Value = serde_json::from_slice(&admin.answer().await.body).expect("JSON");
    let endpoints =
        json!({ "/predict": { "total": 0, "limited": 0 }, "unmatched": { "total": 0, "limited": 0 } });
    assert_eq!(summary, json!({ "total_requests": 1, "limited_requests": 0, "endpoints": endpoints }));
}

#[tokio::test]
async fn a_policy_that_a_program_gave_cannot_be_read_again() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    assert!(matches!(gateway.reload().await, Err(ReloadError::NoOrigin)));
    let mut admin = Client::connect(gateway.admin_address()).await;
    assert_eq!(admin.post("/config/reload", b"").await.status, 409);
    assert_eq!(admin.get("/config/reload").await.status, 405);
}

#[tokio::test]
async fn a_reload_changes_who_may_ask_the_admin_port() {
    let upstream = Upstream::start().await;
    let served = Served::start(&upstream, "").await;
    served.write("[gateway]\nadmin_token = \"correct-horse-battery\"\n");
    assert_eq!(served.post("/config/reload").await.status, 200);
    assert_eq!(served.post("/config/reload").await.status, 401);
}

/// A gateway, of a worker for each core, whose policy is in a file.
struct Served {
    gateway: Gateway,
    file: PathBuf,
    _folder: TempDir,
}

impl Served {
    async fn start(upstream: &Upstream, text: &str) -> Self {
        let url = format!("http://{}", upstream.address);
        Self::start_at(text, Overrides::default().flag("--upstream", "gateway.upstream", &url)).await
    }

    async fn start_at(text: &str, overrides: Overrides) -> Self {
        let folder = TempDir::new().expect("there is room");
        let file = folder.path().join("sluicegate.toml");
        fs::write(&file, text).expect("the folder is there");
        let overrides = overrides.flag("--listen", "gateway.listen", "127.0.0.1:0").flag(
            "--admin",
            "gateway.admin",
            "127.0.0.1:0",
        );
        let mut origin = Origin::new(Some(file.clone()), overrides);
        let policy = origin.read().expect("it is valid");
        let gateway = Gateway::start_from(origin, policy).await.expect("loopback has free ports");
        Self { gateway, file, _folder: folder }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    fn write(&self, text: &str) {
        fs::write(&self.file, text).expect("the folder is there");
    }

    async fn get(&self, path: &str) -> Answer {
        Client::connect(self.gateway.admin_address()).await.get(path).await
    }

    async fn post(&self, path: &str) -> Answer {
        Client::connect(self.gateway.admin_address()).await.post(path, b"").await
    }
}

/// A policy of one route, `/predict`, with one limit.
fn limited(limit: &str) -> String {
    format!("[[route]]\npath = \"/predict\"\nlimits = [{{ {limit} }}]\n")
}

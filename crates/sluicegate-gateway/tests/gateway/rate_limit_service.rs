//! Envoy's rate limit service over gRPC: what is charged for descriptors, and what Envoy is told.

use bytes::Bytes;
use http::Request;
use sluicegate_gateway::Gateway;
use sluicegate_policy::{Policy, Source, TlsSettings};

use crate::support::{
    at_once,
    envoy::{Call, DAY, Duration, Envoy, OK, OVER_LIMIT, Status, call},
    h2_client::Line,
    metric,
    tls::Authority,
};

#[tokio::test]
async fn a_descriptor_is_charged_what_the_call_says() {
    let gateway = gateway(USERS);
    let envoy = Envoy::of(&gateway).await;
    let ask = |hits, own: Option<u64>| {
        let mut call = call("ml", &[&[("user", "ann")]]);
        call.hits_addend = hits;
        call.descriptors[0].hits_addend = own;
        call
    };
    for (hits, own, left) in [(0, None, 99), (3, None, 96), (3, Some(10), 86), (3, Some(0), 86)] {
        let answer = envoy.ask(&ask(hits, own)).await.answer();
        assert_eq!((answer.overall_code, answer.statuses.len()), (OK, 1));
        let status = &answer.statuses[0];
        assert_eq!((status.code, status.limit_remaining), (OK, left), "{hits} {own:?}");
        let limit = status.current_limit.as_ref().expect("the policy has one");
        assert_eq!((limit.requests_per_unit, limit.unit, limit.name.as_str()), (100, DAY, "tpd"));
        let charged = own.unwrap_or(u64::from(hits).max(1));
        let told = (charged > 0).then(|| charged.to_string());
        assert_eq!(answer.header("sluicegate-charged-tpd"), told.as_deref());
        assert!(answer.header("ratelimit").is_some_and(|told| told.starts_with("\"tpd\";r=")));
    }
    let other = call("ml", &[&[("user", "bob")]]);
    assert_eq!(envoy.ask(&other).await.answer().statuses[0].limit_remaining, 99);
}

#[tokio::test]
async fn a_denial_is_an_answer_that_tells_the_client_when_to_come_back() {
    let gateway = gateway(USERS);
    let envoy = Envoy::of(&gateway).await;
    let mut all = call("ml", &[&[("user", "ann")]]);
    all.hits_addend = 100;
    assert_eq!(envoy.ask(&all).await.answer().overall_code, OK);
    for hits in [1, 0] {
        let mut call = call("ml", &[&[("user", "ann")]]);
        call.descriptors[0].hits_addend = Some(hits);
        let answer = envoy.ask(&call).await.answer();
        assert_eq!((answer.overall_code, answer.statuses[0].code), (OVER_LIMIT, OVER_LIMIT), "{hits} hits");
        assert_eq!(answer.statuses[0].limit_remaining, 0);
        // 86,400 s for 100 tokens: one comes back in 864 s, and no test runs for one of them.
        assert_eq!(answer.statuses[0].duration_until_reset, Some(Duration { seconds: 864, nanos: 0 }));
        assert_eq!(answer.header("retry-after"), Some("864"));
        assert_eq!(answer.header("grpc-retry-pushback-ms"), Some("864000"));
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("ratelimit").is_some_and(|told| told.starts_with("\"tpd\";r=0")));
        assert_eq!(answer.header("sluicegate-charged-tpd"), None);
        assert!(answer.body().contains("quota-exceeded"), "{}", answer.body());
    }
    let denied = "sluicegate_requests_total{route=\"ml: user\",tier=\"default\",decision=\"deny\"}";
    assert_eq!(metric(&gateway, denied).await, 2);
}

#[tokio::test]
async fn a_call_is_charged_as_a_whole_or_not_at_all() {
    let gateway = gateway(
        "[[route]]\ndescriptor = { domain = 'ml', entries = ['user'] }\nlimits = ['3/day']\n\
         [[route]]\ndescriptor = { domain = 'ml', entries = ['model=big'] }\nlimits = [{ name = 'gpu', quota = '2/hour' }]\n",
    );
    let envoy = Envoy::of(&gateway).await;
    let both = call("ml", &[&[("user", "ann")], &[("other", "x")], &[("model", "big")]]);
    for left in [1, 0] {
        let answer = envoy.ask(&both).await.answer();
        assert_eq!((answer.overall_code, answer.statuses[2].limit_remaining), (OK, left));
        assert_eq!(answer.statuses[1], Status { code: OK, ..Status::default() }, "it is not limited");
    }
    for _ in 0..3 {
        let answer = envoy.ask(&both).await.answer();
        assert_eq!(answer.overall_code, OVER_LIMIT);
        let codes: Vec<_> = answer.statuses.iter().map(|status| status.code).collect();
        assert_eq!((codes, answer.statuses[0].limit_remaining), (vec![OK, OK, OVER_LIMIT], 1));
        assert!(answer.body().contains("gpu"), "{}", answer.body());
    }
    let answer = envoy.ask(&call("ml", &[&[("user", "ann")]])).await.answer();
    assert_eq!((answer.overall_code, answer.statuses[0].limit_remaining), (OK, 0));
}

#[tokio::test]
async fn what_no_route_is_for_is_not_limited_and_what_is_no_call_is_an_error() {
    let gateway = gateway(USERS);
    let envoy = Envoy::of(&gateway).await;
    for unlimited in [call("other", &[&[("user", "ann")]]), call("ml", &[&[("user", "ann"), ("more", "x")]])]
    {
        let answer = envoy.ask(&unlimited).await.answer();
        assert_eq!((answer.overall_code, &answer.statuses[0].current_limit), (OK, &None));
        assert_eq!(answer.headers.len(), 0);
    }
    for (wrong, told) in [
        (call("", &[&[("user", "ann")]]), "domain"),
        (call("ml", &[]), "0 descriptors"),
        (call("ml", &[&[("user", "ann")][..]; 65]), "65 descriptors"),
    ] {
        let (status, message) = envoy.ask(&wrong).await.error();
        assert_eq!(status, "3");
        assert!(message.contains(told), "{message}");
    }
    // No message, half of one, one that is too long, and one that says so.
    for (bytes, status) in [
        (&b"\0\0\0\0\x02\xff\xff"[..], "13"),
        (b"\0\0\0\0\x09\x0a", "13"),
        (b"\0\0\x02\0\0", "11"),
        (b"", "13"),
    ] {
        let (code, message) = envoy.send(Bytes::copy_from_slice(bytes)).await.error();
        assert_eq!(code, status, "{bytes:?}: {message}");
    }
    assert_eq!(envoy.ask(&call("ml", &[&[("user", "ann")]])).await.answer().overall_code, OK);
}

#[tokio::test]
async fn clients_of_grpc_are_told_one_plain_line() {
    let gateway = gateway(
        "[[route]]\ndescriptor = { domain = 'ml', entries = ['content-type'] }\nlimits = [{ name = 'calls', quota = '1/day', key = 'global' }]\n",
    );
    let envoy = Envoy::of(&gateway).await;
    let call = call("ml", &[&[("content-type", "application/grpc")]]);
    assert_eq!(envoy.ask(&call).await.answer().overall_code, OK);
    let answer = envoy.ask(&call).await.answer();
    let line = "Too Many Requests: the limit calls (1/day) is spent, try again in 86400 s";
    assert_eq!((answer.overall_code, answer.body()), (OVER_LIMIT, line));
    let pushback: u64 = answer.header("grpc-retry-pushback-ms").expect("it is told").parse().unwrap();
    assert!((86_300_000..=86_400_000).contains(&pushback), "{pushback}");
    assert_eq!((answer.header("grpc-status"), answer.header("grpc-message")), (None, None));
}

#[tokio::test]
async fn descriptors_share_accounts_with_requests_of_the_same_key() {
    let gateway = gateway(
        "[limits.tenants]\nquota = '3/day'\nkey = 'header:x-tenant'\n\
         [[route]]\npath = '/predict'\nlimits = ['tenants']\n\
         [[route]]\ndescriptor = { domain = 'ml', entries = ['x-tenant'] }\nlimits = ['tenants']\nweight = 2\n",
    );
    let envoy = Envoy::of(&gateway).await;
    let asked = call("ml", &[&[("x-tenant", "acme")]]);
    assert_eq!(envoy.ask(&asked).await.answer().statuses[0].limit_remaining, 1);
    let request = Request::post("http://a/ext-authz/predict").header("x-forwarded-for", "192.0.2.1");
    let request = request.header("x-tenant", "acme").body(()).expect("valid");
    let response = envoy.line.send(request, true).await.response().await;
    assert_eq!(response.headers()["ratelimit"], "\"tenants\";r=0;t=28800");
    assert_eq!(envoy.ask(&asked).await.answer().overall_code, OVER_LIMIT);
}

#[tokio::test]
async fn what_the_store_cannot_decide_is_denied_where_the_policy_says_so() {
    for (outage, overall) in [("deny", OVER_LIMIT), ("allow", OK)] {
        let store = format!("[store]\nurl = \"redis://127.0.0.1:1\"\noutage = \"{outage}\"\n");
        let policy = policy(&[USERS, &store].concat());
        let gateway = Gateway::start(policy).await.expect("it starts in an outage");
        let envoy = Envoy::of(&gateway).await;
        let answer = envoy.ask(&call("ml", &[&[("user", "ann")]])).await.answer();
        assert_eq!(answer.overall_code, overall, "{outage}");
        if overall == OVER_LIMIT {
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert_eq!(answer.header("content-type"), Some("text/plain"));
        }
    }
}

#[tokio::test]
async fn usage_is_always_charged_and_refunds_never_fill_beyond_full() {
    let gateway = gateway(&[USERS, USED].concat());
    let envoy = Envoy::of(&gateway).await;
    let left = async |entries: &[(&str, &str)], hits, is_negative_hits| {
        let mut call = call("ml", &[entries]);
        call.descriptors[0].hits_addend = Some(hits);
        call.descriptors[0].is_negative_hits = is_negative_hits;
        assert_eq!(envoy.ask(&call).await.answer().overall_code, OK, "{hits} {is_negative_hits}");
        let mut peek = self::call("ml", &[&[("user", "ann")]]);
        peek.descriptors[0].hits_addend = Some(0);
        envoy.ask(&peek).await.answer()
    };
    let used = [("user", "ann"), ("tokens", "used")];
    for (entries, hits, refund, remaining) in [
        (&used[..], 40, false, 60),
        (&used[..1], 10, true, 70),
        (&used[..1], 1000, true, 100),
        (&used, 1, false, 99),
        (&used, 1, true, 100),
    ] {
        let status = left(entries, hits, refund).await.statuses.remove(0);
        assert_eq!((status.code, status.limit_remaining), (OK, remaining), "{hits} {refund}");
    }
    // 150 tokens too many: one is there when 151 have come back.
    let answer = left(&used, 250, false).await;
    assert_eq!((answer.overall_code, answer.header("retry-after")), (OVER_LIMIT, Some("130464")));
    let answer = left(&used, 150, true).await;
    assert_eq!((answer.overall_code, answer.header("retry-after")), (OVER_LIMIT, Some("864")));
    assert_eq!(left(&used, 1, true).await.statuses[0].limit_remaining, 1);
}

#[tokio::test]
async fn a_stream_ends_with_its_estimate_given_back_and_its_usage_charged() {
    let gateway = gateway(&[USERS, USED].concat());
    let envoy = Envoy::of(&gateway).await;
    let mut estimate = call("ml", &[&[("user", "ann")]]);
    estimate.hits_addend = 90;
    let charged = envoy.ask(&estimate).await.answer();
    let mut ended = call("ml", &[&[("user", "ann")], &[("user", "ann"), ("tokens", "used")]]);
    ended.descriptors[0].hits_addend =
        charged.header("sluicegate-charged-tpd").map(|hits| hits.parse().unwrap());
    ended.descriptors[0].is_negative_hits = true;
    ended.descriptors[1].hits_addend = Some(30);
    let answer = envoy.ask(&ended).await.answer();
    assert_eq!((answer.overall_code, answer.statuses.len()), (OK, 2));
    assert_eq!(answer.statuses[1].limit_remaining, 70);
    estimate.hits_addend = 70;
    assert_eq!(envoy.ask(&estimate).await.answer().statuses[0].limit_remaining, 0);
}

#[tokio::test]
async fn a_refund_in_a_call_that_is_denied_gives_nothing_back_and_usage_is_charged() {
    let gateway = gateway(&[USERS, USED].concat());
    let envoy = Envoy::of(&gateway).await;
    let mut call =
        call("ml", &[&[("user", "ann")], &[("user", "bob")], &[("user", "cy"), ("tokens", "used")]]);
    let hits = |call: &mut Call, hits: [u64; 3]| {
        call.descriptors.iter_mut().zip(hits).for_each(|(asked, hits)| asked.hits_addend = Some(hits));
    };
    hits(&mut call, [100, 50, 10]);
    assert_eq!(envoy.ask(&call).await.answer().overall_code, OK);
    call.descriptors[1].is_negative_hits = true;
    hits(&mut call, [1, 50, 10]);
    assert_eq!(envoy.ask(&call).await.answer().overall_code, OVER_LIMIT);
    let mut look = self::call("ml", &[&[("user", "bob")], &[("user", "cy")]]);
    look.descriptors.iter_mut().for_each(|asked| asked.hits_addend = Some(0));
    let statuses = envoy.ask(&look).await.answer().statuses;
    assert_eq!([statuses[0].limit_remaining, statuses[1].limit_remaining], [50, 80]);
}

#[tokio::test]
async fn usage_that_cannot_be_charged_is_an_error() {
    let store = "[store]\nurl = \"redis://127.0.0.1:1\"\noutage = \"deny\"\n";
    let gateway =
        Gateway::start(policy(&[USERS, USED, store].concat())).await.expect("it starts in an outage");
    let envoy = Envoy::of(&gateway).await;
    let mut call = call("ml", &[&[("user", "ann"), ("tokens", "used")]]);
    assert_eq!(envoy.ask(&call).await.error().0, "14");
    call.descriptors[0].is_negative_hits = true;
    assert_eq!(envoy.ask(&call).await.error().0, "14");
}

#[tokio::test]
async fn callers_without_the_token_are_unauthenticated() {
    let gateway =
        gateway(&[USERS, "[decisions]\nlisten = \"127.0.0.1:0\"\ntoken = \"0123456789abcdef\"\n"].concat());
    let mut envoy = Envoy::of(&gateway).await;
    let asked = call("ml", &[&[("user", "ann")]]);
    for token in ["", "0123456789abcdeg"] {
        envoy.token = token.to_owned();
        let (status, message) = envoy.ask(&asked).await.error();
        assert_eq!(status, "16");
        assert!(message.contains("Sluicegate-Token"), "{message}");
    }
    envoy.token = "0123456789abcdef".to_owned();
    assert_eq!(envoy.ask(&asked).await.answer().statuses[0].limit_remaining, 99);
}

#[tokio::test]
async fn envoy_may_ask_by_tls() {
    let authority = Authority::new("servers");
    let mut policy = policy(USERS);
    policy.decisions.as_mut().expect("it has them").tls =
        Some(TlsSettings { client_ca: None, ..authority.settings() });
    let gateway = at_once(Gateway::start(policy)).expect("loopback has free ports");
    let address = gateway.decisions_address().expect("the policy has one");
    let stream = authority.try_connect(address, &["h2"], None).await.expect("it speaks TLS");
    let envoy = Envoy { line: Line::over(stream).await, token: String::new() };
    assert_eq!(envoy.ask(&call("ml", &[&[("user", "ann")]])).await.answer().overall_code, OK);
}

fn gateway(more: &str) -> Gateway {
    at_once(Gateway::start(policy(more))).expect("loopback has free ports")
}

fn policy(more: &str) -> Policy {
    let decisions = if more.contains("[decisions]") { "" } else { "[decisions]\nlisten = \"127.0.0.1:0\"\n" };
    let text = ["[gateway]\nadmin = \"127.0.0.1:0\"\nthreads = 1\n", decisions, more].concat();
    Policy::parse(&Source::new("test.toml", text.as_bytes()).expect("it is small")).expect("it is valid")
}

const USERS: &str = "[[route]]\ndescriptor = { domain = 'ml', entries = ['user'] }\n\
                     limits = ['tpd']\n[limits.tpd]\nquota = '100 tokens/day'\nkey = 'entry:user'\n";

const USED: &str = "[[route]]\ndescriptor = { domain = 'ml', entries = ['user', 'tokens=used'] }\n\
                    charge = 'actual'\nlimits = ['tpd']\n";

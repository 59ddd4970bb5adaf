//! Redis in each arrangement that a policy's URL can name, by the settings that go with it.

use std::time::Duration;

use http::{HeaderMap, Method};
use sluicegate::{Charge, Cost, Limiter, OutageMode, Resilient, Store};
use sluicegate_policy::{Policy, RequestAttributes, Source, StoreSettings};
use sluicegate_stores::AnyStore;
use sluicegate_test_servers::{RedisCluster, RedisSentinel, RedisServer};

#[tokio::test]
async fn one_sentinel_cluster_tls_and_socket_are_named_by_their_urls_alone() {
    let (plain, socket) =
        (RedisServer::start(), RedisServer::builder().unix_socket().password("hunter2").start());
    let (sentinel, cluster) = (RedisSentinel::start(), RedisCluster::start());
    let secure = RedisServer::speaks_tls().then(|| RedisServer::builder().tls().start());
    let servers = [
        (plain.url(), None),
        (plain.url().replace("redis://", "valkey://"), None),
        (socket.url(), None),
        (sentinel.url(), None),
        (cluster.url(), None),
    ];
    for (url, ca) in
        servers.into_iter().chain(secure.as_ref().map(|secure| (secure.url(), Some(secure.ca()))))
    {
        let (one, other) = (open(&url, ca.clone()), open(&url, ca.clone()));
        one.check().await.unwrap_or_else(|error| panic!("{url}: {error}"));
        let charge = [Charge::new(url.as_str(), "1/day".parse().expect("a quota"))];
        assert!(one.take(&charge).await.expect("it answers").is_allowed(), "{url}");
        assert!(!other.take(&charge).await.expect("it answers").is_allowed(), "{url}");
    }
    if let Some(secure) = secure {
        let error = open(&secure.url(), None).check().await.expect_err("nobody else vouches for it");
        assert!(error.is_misconfiguration(), "{error}");
    }
}

#[tokio::test]
async fn limits_by_a_tenant_and_its_keys_are_taken_in_one_step_of_a_cluster() {
    let text = "[tiers.free]\n[[route]]\npath = '/'\nlimits = [\n\
                { name = 'rpm', quota = '10/minute', key = 'api_key' },\n\
                { name = 'models', quota = '10/minute', key = ['api_key', 'method'] },\n\
                { name = 'spend', quota = '10/day', key = 'tenant' },\n\
                { name = 'elsewhere', quota = '10/day', key = 'global' },\n]";
    let source = Source::new("p.toml", text.as_bytes()).expect("it is small");
    let policy = Policy::parse(&source).unwrap_or_else(|error| panic!("{error}"));
    let headers = HeaderMap::new();
    let anonymous = RequestAttributes {
        key_hint: None,
        client: "192.0.2.7",
        api_key: None,
        tenant: None,
        tier: "free",
        route: "/",
        path: "/",
        parameters: &[],
        method: &Method::POST,
        headers: &headers,
        query: None,
        body: None,
    };
    let tier = policy.tiers.default_tier();
    let charges = |tenant: &str| -> Vec<Charge> {
        let attributes = RequestAttributes { api_key: Some("k1"), tenant: Some(tenant), ..anonymous };
        policy.limits.iter().map(|limit| limit.charge(tier, None, Cost::ONE, &attributes)).collect()
    };
    let cluster = RedisCluster::start();
    let limiter = Limiter::new(open(&cluster.url(), None));
    limiter.store().check().await.expect("the cluster answers");
    for tenant in ["acme", "bolt", "crux"] {
        let charges = charges(tenant);
        for (charges, steps) in [(&charges[..3], 1), (&charges[..], 2)] {
            let before = limiter.store().statistics().round_trips;
            assert!(limiter.take(charges).await.expect("it answers").denial().is_none());
            assert_eq!(limiter.store().statistics().round_trips - before, steps, "{tenant}");
        }
    }
}

#[tokio::test]
async fn a_decision_waits_as_long_as_the_settings_say() {
    let redis = RedisServer::start();
    let url = redis.url().parse().expect("a URL");
    let settings = StoreSettings { url, timeout: Duration::from_millis(123), ..StoreSettings::default() };
    let store = AnyStore::open(&settings, |_| ()).expect("good settings");
    store.check().await.expect("it answers");
    redis.pause();
    let charge = [Charge::new("alice", "1/day".parse().expect("a quota"))];
    let error = store.take_or(&charge, |_| OutageMode::Deny).await.expect_err("it stands still");
    assert!(error.to_string().contains("did not answer within 123ms"), "{error}");
    redis.resume();
}

fn open(url: &str, ca: Option<std::path::PathBuf>) -> AnyStore {
    let url = url.parse().unwrap_or_else(|error| panic!("{error}"));
    let settings = StoreSettings { url, ca, timeout: Duration::from_secs(1), ..StoreSettings::default() };
    AnyStore::open(&settings, |_| ()).unwrap_or_else(|error| panic!("{error}"))
}

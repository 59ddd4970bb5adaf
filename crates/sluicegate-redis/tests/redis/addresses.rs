//! URLs, right and wrong.

use sluicegate_redis::RedisStore;

#[test]
fn every_arrangement_has_a_url() {
    for url in [
        "redis://localhost",
        "redis://cache.internal:6380/3",
        "redis://:p%40ss@[::1]:6379",
        "REDISS://user:password@cache",
        "valkey://cache",
        "valkeys://cache",
        "redis+unix:///run/redis/redis.sock?db=2&username=u&password=p",
        "redis+sentinel://:password@one,two:26380,[::1]:1/primary/4",
        "rediss+sentinel://one/primary",
        "redis+cluster://user:password@one:7000,two:7001",
        "redis+cluster://one,two/3",
        "rediss+cluster://one",
        "valkey+cluster://one",
    ] {
        let builder = RedisStore::builder(url);
        assert!(builder.is_ok(), "{url}: {builder:?}");
    }
}

#[test]
fn a_wrong_url_is_told_what_is_wrong_and_shows_no_password() {
    for (url, wrong) in [
        ("cache:6379", "no scheme"),
        ("http://:hunter2@cache", "scheme is unknown"),
        ("rediss+unix:///run/redis.sock", "no TLS over a socket"),
        ("redis://:hunter2@", "names no host"),
        ("redis://:hunter2@cache:port", "port"),
        ("redis://:hunter2@cache:99999", "port"),
        ("redis://:hunter2@cache/db", "database"),
        ("redis://:hunter2@cache/-1", "database"),
        ("redis://:hunter2@one,two", "redis+sentinel:// or redis+cluster://"),
        ("redis://cache?password=hunter2", "only redis+unix://"),
        ("redis+sentinel://:hunter2@one", "name that the sentinels know"),
        ("redis+cluster://:hunter2@one/first", "database"),
        ("redis+unix://run/redis.sock", "begins with a slash"),
        ("redis+unix:///redis.sock?secret=hunter2", "parameters"),
        ("redis://:%ff@cache", "percent-encoded"),
    ] {
        let error = RedisStore::builder(url).expect_err(url);
        let text = error.to_string();
        assert!(error.is_misconfiguration(), "{url}: {text}");
        assert!(text.contains(wrong), "{url}: {text}");
        assert!(text.contains("redis://[USER:PASSWORD@]HOST"), "{url}: {text}");
        assert!(!text.contains("hunter2"), "{url}: {text}");
    }
}

#[test]
fn nothing_that_can_be_printed_shows_the_password() {
    let builder = RedisStore::builder("redis://user:hunter2@cache").unwrap();
    assert!(!format!("{builder:?}").contains("hunter2"));
}

//! `[store]`, and what limits say of it.

use std::{path::Path, time::Duration};

use sluicegate::OutageMode;
use sluicegate_policy::{ChunkSettings, Overrides, Policy, Source, StoreKeys, StoreKind, StoreSettings};

fn parse(text: &str) -> Result<Policy, String> {
    resolve(text, &[])
}

fn resolve(text: &str, variables: &[(&str, &str)]) -> Result<Policy, String> {
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let overrides = Overrides::default().variables(owned);
    let policy = Source::new("dir/p.toml", text.as_bytes()).and_then(|it| Policy::parse(&it.with(overrides)));
    policy.map_err(|error| error.to_string())
}

/// Each mistake, and all that is said about it.
fn said(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let error = parse(text).err().unwrap_or_else(|| "fine".to_owned());
        assert_eq!(error, format!("dir/p.toml:{expected}"), "\n--- of ---\n{text}");
    }
}

#[test]
fn every_setting_is_read_and_what_is_not_given_has_its_default() {
    assert_eq!(parse("").unwrap().store, StoreSettings::default());
    let text = "[store]\nurl = 'rediss://:hunter2hunter2@cache'\nprefix = 'my.app-1_x'\nkeys = 'readable'\n\
                secret = 'sixteen bytes at'\ntimeout = '50ms'\nlease = '3s'\nca = 'ca.pem'\noutage = 'deny'\n\
                replicas = 4\nmax_keys = 7\nremember_denials = false\nchunks = { share = 0.05, life = '500ms' }";
    let store = parse(text).unwrap().store;
    assert_eq!((store.url.kind(), store.url.reveal()), (StoreKind::Redis, "rediss://:hunter2hunter2@cache"));
    assert_eq!((store.prefix.as_str(), store.keys), ("my.app-1_x", StoreKeys::Readable));
    assert_eq!(store.secret.unwrap().reveal(), "sixteen bytes at");
    assert_eq!((store.timeout, store.lease), (Duration::from_millis(50), Duration::from_secs(3)));
    assert_eq!(store.ca.as_deref(), Some(Path::new("dir/ca.pem")));
    assert_eq!((store.outage, store.replicas.get(), store.max_keys), (OutageMode::Deny, 4, 7));
    assert!(!store.remember_denials);
    let chunks = store.chunks.unwrap();
    assert_eq!((chunks.share.millionths(), chunks.life), (50_000, Duration::from_millis(500)));
    assert_eq!(parse("[store.chunks]").unwrap().store.chunks, Some(ChunkSettings::default()));
}

#[test]
fn chunks_are_small_parts_that_do_not_last() {
    said(&[
        (
            "[store]\nchunks = { share = 0.6 }",
            "2:20: an instance cannot hold 0.6 of a quota\n  help: give a number from 0.001 to 0.5, such as 0.1",
        ),
        (
            "[store]\nchunks = { share = 0 }",
            "2:20: an instance cannot hold 0 of a quota\n  help: give a number from 0.001 to 0.5, such as 0.1",
        ),
        (
            "[store.chunks]\nlife = '99ms'",
            "2:8: a chunk cannot last 99ms\n  help: give a duration from \"100ms\" to \"60s\", such as \"1s\"",
        ),
        (
            "[store.chunks]\nsize = 3",
            "2:1: unknown field `size`\n  help: the fields here are `life`, `share`",
        ),
    ]);
}

#[test]
fn a_wrong_url_is_told_what_would_be_right_and_not_repeated() {
    said(&[
        (
            "[store]\nurl = 'redsi://:hunter2@cache'",
            "2:7: unknown store `redsi://`\n  help: did you mean `redis://`?",
        ),
        (
            "[store]\nurl = 'redis+clutser://a'",
            "2:7: unknown store `redis+clutser://`\n  help: did you mean `redis+cluster://`?",
        ),
        (
            "[store]\nurl = 'memcache://a'",
            "2:7: unknown store `memcache://`\n  help: did you mean `memcached://`?",
        ),
        (
            "[store]\nurl = 'memory://a'",
            "2:7: nothing stands behind memory://\n  help: write it as \"memory://\"",
        ),
    ]);
    for text in
        ["", "redis", "cache:6379", ":hunter2@cache", "me:hunter2@redis://cache", "http://hunter2@cache"]
    {
        let error = parse(&format!("[store]\nurl = '{text}'")).unwrap_err();
        assert!(error.contains("help: the stores are memory://, redis://"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn settings_that_would_not_work_are_told_what_would() {
    said(&[
        (
            "[store]\nprefix = 'a:b'",
            "2:10: `a:b` is not a valid prefix of keys\n  help: use 1 to 64 letters, digits, `.`, `_` and `-`",
        ),
        (
            "[store]\nprefix = ''",
            "2:10: `` is not a valid prefix of keys\n  help: use 1 to 64 letters, digits, `.`, `_` and `-`",
        ),
        ("[store]\nkeys = 'readible'", "2:8: unknown word `readible`\n  help: did you mean `readable`?"),
        (
            "[store]\nsecret = 'hunter2'",
            "2:10: a secret of 7 bytes can be guessed\n  help: give at least 16, such as what `openssl rand -hex 16` prints",
        ),
        (
            "[store]\ntimeout = '0'",
            "2:11: a decision cannot wait 0ns for the store\n  help: give a duration from \"1ms\" to \"1s\", such as \"100ms\"",
        ),
        (
            "[store]\ntimeout = '1s1ms'",
            "2:11: a decision cannot wait 1.001s for the store\n  help: give a duration from \"1ms\" to \"1s\", such as \"100ms\"",
        ),
        (
            "[store]\nlease = '2s'",
            "2:9: a lease of 2s ends when the store is slow for a moment\n  help: give at least \"3s\", such as \"30s\"",
        ),
        ("[store]\noutage = 'allwo'", "2:10: unknown word `allwo`\n  help: did you mean `allow`?"),
        (
            "[store]\noutage = 'open'",
            "2:10: unknown word `open`\n  help: the words here are local, allow, deny",
        ),
        (
            "[store]\nreplicas = 0",
            "2:12: `replicas` cannot be 0\n  help: give the number of instances that share the store, from 1 to 1000000",
        ),
        ("[store]\nca = ''", "2:6: no file\n  help: write it as \"ca.pem\", or leave `ca` out"),
        (
            "[limits.a]\nquota = '1/s'\noutage = 'fail'",
            "3:10: unknown word `fail`\n  help: the words here are local, allow, deny",
        ),
    ]);
}

#[test]
fn roots_for_tls_where_there_is_none_are_a_mistake() {
    said(&[
        (
            "[store]\nurl = 'redis://a'\nca = 'a.pem'",
            "3:6: roots for TLS, and redis:// has none\n  help: write the store's url with rediss://, or leave `ca` out",
        ),
        (
            "[store]\nurl = 'valkey+cluster://a'\nca = 'a.pem'",
            "3:6: roots for TLS, and valkey+cluster:// has none\n  \
             help: write the store's url with valkeys+cluster://, or leave `ca` out",
        ),
        (
            "[store]\nurl = 'redis+unix:///a'\nca = 'a.pem'",
            "3:6: roots for TLS, and redis+unix:// has none\n  help: leave `ca` out",
        ),
        (
            "[store]\nurl = 'memcached://a'\nca = 'a.pem'",
            "3:6: roots for TLS, and memcached:// has none\n  help: leave `ca` out",
        ),
    ]);
}

#[test]
fn a_file_that_is_meant_for_a_remote_store_can_be_tried_in_memory() {
    let text = "[store]\nurl = 'rediss://cache'\nprefix = 'p'\nlease = '9s'\nca = 'a.pem'\noutage = 'allow'\n\
                [limits.a]\nquota = '9007199254740992 per 10 years'";
    let policy = resolve(text, &[("SLUICEGATE_STORE__URL", "memory://")]).unwrap();
    assert_eq!(policy.store.url.kind(), StoreKind::Memory);
}

#[test]
fn memcached_refuses_what_needs_leases_where_it_is_written() {
    let help = "Memcached keeps no leases, which a concurrent limit needs\n  help: use Redis for this limit";
    let store = "[store]\nurl = 'memcached://a'\n";
    said(&[
        (&format!("{store}[limits.gpu]\nquota = '8 concurrent'"), &format!("4:9: {help}")),
        (&format!("{store}[defaults]\nlimits = ['1/s', '2 concurrent']"), &format!("4:18: {help}")),
        (
            &format!("{store}[[route]]\npath = '/'\nlimits = [{{ name = 'n', quota = '2 concurrent' }}]"),
            &format!("5:33: {help}"),
        ),
        (
            &format!("{store}[tiers.a]\nscale = 2\n[limits.gpu]\nquota = '8 concurrent'"),
            &format!("6:9: {help}"),
        ),
    ]);
}

#[test]
fn redis_refuses_amounts_beyond_its_numbers_where_they_are_written() {
    let store = "[store]\nurl = 'redis://a'\n";
    let help = "help: give a smaller quota, in a shorter window";
    assert!(parse(&format!("{store}[limits.a]\nquota = '9007199254740991 per 10 years'")).is_ok());
    said(&[
        (
            &format!("{store}[limits.a]\nquota = '9007199254740992 per 10 years'"),
            &format!("4:9: Redis counts to 9007199254740991, not to 9007199254740992\n  {help}"),
        ),
        (
            &format!("{store}[tiers.a]\nscale = 2\n[limits.a]\nquota = '5000000000000000 per 10 years'"),
            &format!("6:9: Redis counts to 9007199254740991, not to 10000000000000000\n  {help}"),
        ),
        (
            &format!(
                "{store}[tiers.a.limits]\na = '9007199254740993 per 10 years'\n[limits.a]\nquota = '5 per year'"
            ),
            &format!("4:5: Redis counts to 9007199254740991, not to 9007199254740993\n  {help}"),
        ),
    ]);
}

#[test]
fn a_limit_does_in_an_outage_what_it_says_and_else_what_the_store_says() {
    let text = "[store]\nurl = 'redis://a'\noutage = 'deny'\n[identity]\napi_keys = 'keys.toml'\n\
                [limits.shared]\nquota = '1/s'\noutage = 'allow'\n\
                [[route]]\npath = '/'\nlimits = ['shared', '2/s', { quota = '3/s', outage = 'local' }]";
    let policy = parse(text).unwrap();
    let outage = |name: &str| policy.limits.iter().find(|limit| limit.name() == name).unwrap().outage();
    assert_eq!(outage("shared"), OutageMode::Allow);
    assert_eq!(outage("root_2_per_second"), OutageMode::Deny);
    assert_eq!(outage("root_3_per_second"), OutageMode::Local);
    assert_eq!(outage("unknown_api_keys"), OutageMode::Deny);
}

#[test]
fn variables_set_what_should_not_be_in_a_file() {
    let variables = [
        ("SLUICEGATE_STORE__URL", "rediss://:hunter2@cache"),
        ("SLUICEGATE_STORE__SECRET", "1234567890123456"),
        ("SLUICEGATE_STORE__REMEMBER_DENIALS", "false"),
        ("SLUICEGATE_STORE__REPLICAS", "3"),
        ("SLUICEGATE_STORE__CA", "ca.pem"),
        ("SLUICEGATE_LIMITS__A__OUTAGE", "allow"),
    ];
    let policy = resolve("[store]\nurl = 'memory://'\n[limits.a]\nquota = '1/s'", &variables).unwrap();
    assert_eq!(policy.store.url.reveal(), "rediss://:hunter2@cache");
    assert_eq!(policy.store.secret.as_ref().unwrap().reveal(), "1234567890123456");
    assert_eq!(policy.store.replicas.get(), 3);
    assert_eq!(policy.store.ca.as_deref(), Some(Path::new("ca.pem")));
    assert_eq!(policy.limits[0].outage(), OutageMode::Allow);
    assert!(!policy.store.remember_denials);

    let error = resolve("", &[("SLUICEGATE_STORE__URL", "redsi://:hunter2@cache")]).unwrap_err();
    assert_eq!(error, "SLUICEGATE_STORE__URL: unknown store `redsi://`\n  help: did you mean `redis://`?");
}

#[test]
fn passwords_and_secrets_are_in_no_debug_text_and_no_error() {
    let text = "[store]\nurl = 'redis://me:hunter2@cache'\nsecret = 'hunter2hunter2hunter2'\n\
                [gateway]\nadmin_token = 'hunter2hunter2hunter2'";
    let source = Source::new("p.toml", text.as_bytes()).unwrap();
    let given = Overrides::default().flag("--store", "store.url", "redis://:hunter2@other");
    let file = sluicegate_policy::file::File::parse(&source).unwrap();
    let policy = Policy::parse(&source).unwrap();
    let source = source.with(given.clone());
    for shown in [format!("{policy:?}"), format!("{file:?}"), format!("{source:?}"), format!("{given:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert!(format!("{policy:?}").contains("redis://me:***@cache"));
    for wrong in ["secret = 7777777", "secret = [7777777]", "url = 7777777", "url = { a = 7777777 }"] {
        let error = parse(&format!("[store]\n{wrong}")).unwrap_err();
        assert!(error.contains("must be a string") && !error.contains("7777777"), "{error}");
    }
    let numbers = [("SLUICEGATE_GATEWAY__ADMIN_TOKEN", "7777777777777777")];
    let policy = resolve("", &numbers).unwrap();
    assert_eq!(policy.gateway.admin_token.unwrap().reveal(), "7777777777777777");
    let error = parse("[gateway]\nadmin_token = 7777777777777777").unwrap_err();
    assert!(error.contains("must be a string") && !error.contains("7777777"), "{error}");
}

//! Variables and flags over the file.

use std::{path::PathBuf, time::Duration};

use sluicegate_policy::{Overrides, Policy, Scale, Source};

fn resolve(text: &str, variables: &[(&str, &str)]) -> Result<Policy, String> {
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let overrides = Overrides::default().variables(owned);
    let source = Source::new("dir/p.toml", text.as_bytes());
    source.and_then(|it| Policy::parse(&it.with(overrides))).map_err(|error| error.to_string())
}

#[test]
fn a_variable_wins_over_the_file_and_over_nothing() {
    let text = "[gateway]\nlisten = '127.0.0.1:1'\n[store]\nmax_keys = 5";
    let policy = resolve(
        text,
        &[
            ("SLUICEGATE_GATEWAY__LISTEN", "127.0.0.1:2"),
            ("SLUICEGATE_GATEWAY__UPSTREAM", "http://model:8000"),
            ("SLUICEGATE_GATEWAY__IDLE_TIMEOUT", "1m"),
            ("SLUICEGATE_GATEWAY__MAX_BODY", "2048"),
            ("SLUICEGATE_STORE__MAX_KEYS", "6"),
            ("SLUICEGATE_WARMUP__SCALE", "0.5"),
            ("SLUICEGATE_WARMUP__READY", "/health"),
            ("SLUICEGATE_DEFAULTS__LIMITS", "10/minute; 100/hour"),
        ],
    )
    .unwrap();
    assert_eq!(policy.gateway.listen.port(), 2);
    assert_eq!(policy.gateway.upstreams[0].to_string(), "http://model:8000");
    assert_eq!(policy.gateway.idle_timeout, Duration::from_secs(60));
    assert_eq!(policy.gateway.max_body, 2_048);
    assert_eq!(policy.store.max_keys, 6);
    assert_eq!(policy.warmup.unwrap().scale(sluicegate::Timestamp::EPOCH), Scale::of(0.5));
    assert_eq!(policy.limits.len(), 2);
}

#[test]
fn a_value_that_looks_like_a_number_is_a_text_where_the_field_wants_one() {
    let policy = resolve("", &[("SLUICEGATE_IDENTITY__API_KEYS", "2024")]).unwrap();
    assert_eq!(policy.identity.api_keys, Some(PathBuf::from("2024")));
}

#[test]
fn a_list_is_written_with_commas_or_as_toml() {
    let policy = resolve("", &[("SLUICEGATE_GATEWAY__UPSTREAM", "http://a,http://b:8000")]).unwrap();
    let upstreams: Vec<_> = policy.gateway.upstreams.iter().map(ToString::to_string).collect();
    assert_eq!(upstreams, ["http://a", "http://b:8000"]);
    for value in ["10.0.0.0/8, 192.0.2.1", "['10.0.0.0/8', '192.0.2.1']"] {
        let policy = resolve("", &[("SLUICEGATE_GATEWAY__TRUSTED_PROXIES", value)]).unwrap();
        let proxies: Vec<_> = policy.gateway.trusted_proxies.iter().map(ToString::to_string).collect();
        assert_eq!(proxies, ["10.0.0.0/8", "192.0.2.1/32"], "{value}");
    }
}

#[test]
fn names_in_variables_are_the_files_whatever_their_case() {
    let text = "[limits.My-GPU]\nquota = '8 concurrent'\n[tiers.Free]";
    let variables =
        [("SLUICEGATE_LIMITS__MY_GPU__QUOTA", "9 concurrent"), ("SLUICEGATE_TIERS__FREE__SCALE", "2")];
    let policy = resolve(text, &variables).unwrap();
    assert_eq!(policy.limits[0].quota(policy.tiers.default_tier()).amount(), 18);
    assert_eq!(policy.limits[0].name(), "My-GPU");
}

#[test]
fn tls_is_given_in_full_by_variables() {
    let variables = [
        ("SLUICEGATE_GATEWAY__TLS__CERTIFICATE", "/run/gateway.pem"),
        ("SLUICEGATE_GATEWAY__TLS__KEY", "gateway.key"),
    ];
    let tls = resolve("", &variables).unwrap().gateway.tls.unwrap();
    assert_eq!(tls.certificate.to_str(), Some("/run/gateway.pem"));
    assert_eq!(tls.key.to_str(), Some("gateway.key"), "as the shell means it");
    assert_eq!(tls.client_ca, None);
}

#[test]
fn what_is_wrong_with_a_variable_names_the_variable() {
    for (variable, value, said) in [
        (
            "SLUICEGATE_GATEWAY__LISTEN",
            "x",
            "`x` is not an address and a port\n  help: write it as \"0.0.0.0:8080\", \"127.0.0.1:8080\" or \"[::]:8080\"",
        ),
        ("SLUICEGATE_STORE__MAX_KEYS", "many", "must be a whole number, not the string \"many\""),
        (
            "SLUICEGATE_STORE__MAX_KEY",
            "1",
            "unknown field `max_key`\n  help: did you mean `SLUICEGATE_STORE__MAX_KEYS`?",
        ),
        (
            "SLUICEGATE_STOER__URL",
            "1",
            "unknown table `stoer`\n  help: did you mean `SLUICEGATE_STORE__URL`?",
        ),
        (
            "SLUICEGATE_STORE_URL",
            "1",
            "a table and its field are joined by two underscores\n  help: did you mean `SLUICEGATE_STORE__URL`?",
        ),
        (
            "SLUICEGATE_DEFAULTS__LIMITS",
            "10/minut",
            "unknown period `minut`; use second, minute, hour, day, week, month or year",
        ),
        (
            "SLUICEGATE_GATEWAY__TRUSTED_PROXIES",
            "['::/200']",
            "`::/200` is neither a network nor an address\n  help: write it as \"10.0.0.0/8\", \"192.0.2.1\", \"fd00::/8\", or \"unix\" for peers on a Unix socket",
        ),
        ("SLUICEGATE_LIMITS__GPU", "x", "a table cannot be given in a variable; give its fields, one by one"),
        ("SLUICEGATE_STORE__URL__X", "x", "`url` is not a table in the file"),
    ] {
        let error = resolve("[store]\nurl = 'memory://'", &[(variable, value)]).unwrap_err();
        assert_eq!(error, format!("{variable}: {said}"));
    }
}

#[test]
fn variables_of_others_are_left_alone() {
    let others = [
        ("SLUICEGATE_CONFIG", "p.toml"),
        ("SLUICEGATE_LOG", "debug"),
        // Kubernetes sets these beside a service called sluicegate.
        ("SLUICEGATE_SERVICE_HOST", "10.0.0.1"),
        ("SLUICEGATE_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("SLUICEGATE", "x"),
        ("OTHER__X", "y"),
    ];
    resolve("", &others).unwrap();
}

#[test]
fn a_flag_wins_over_a_variable_and_needs_no_file() {
    let overrides = Overrides::default()
        .variables([("SLUICEGATE_GATEWAY__LISTEN".to_owned(), "127.0.0.1:2".to_owned())])
        .flag("--listen", "gateway.listen", "127.0.0.1:3")
        .flag("--limit", "defaults.limits", "10/minute");
    let policy = Policy::parse(&Source::empty().with(overrides)).unwrap();
    assert_eq!(policy.gateway.listen.port(), 3);
    let unmatched = policy.routes.get(policy.routes.unmatched());
    assert_eq!(policy.limit(unmatched.limits()[0]).name(), "default_10_per_minute");

    let wrong = Overrides::default().flag("--limit", "defaults.limits", "ten/minute");
    let error = Policy::parse(&Source::empty().with(wrong)).unwrap_err().to_string();
    assert!(error.starts_with("--limit: "), "{error}");
}

#[test]
fn a_relative_path_is_meant_from_where_it_is_written() {
    let written = resolve("[identity]\napi_keys = 'keys.toml'", &[]).unwrap();
    assert_eq!(written.identity.api_keys, Some(PathBuf::from("dir/keys.toml")));
    let absolute = resolve("[identity]\napi_keys = '/etc/keys.toml'", &[]).unwrap();
    assert_eq!(absolute.identity.api_keys, Some(PathBuf::from("/etc/keys.toml")));
    let given = resolve("", &[("SLUICEGATE_IDENTITY__API_KEYS", "keys.toml")]).unwrap();
    assert_eq!(given.identity.api_keys, Some(PathBuf::from("keys.toml")));
}

#[test]
fn the_variables_of_opentelemetry_give_what_the_table_leaves_out() {
    let read = |file: &str, more: &[(&str, &str)]| {
        let standard = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example/otlp/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20secret, X-Scope=7"),
            ("OTEL_SERVICE_NAME", ""),
        ];
        let variables: Vec<_> = standard.iter().chain(more).copied().collect();
        resolve(file, &variables).map(|policy| policy.telemetry)
    };
    assert_eq!(read("", &[]).unwrap(), None, "the table alone turns telemetry on");
    let telemetry = read("[telemetry]", &[]).unwrap().expect("there is a table");
    assert_eq!(telemetry.endpoint.to_string(), "https://collector.example/otlp");
    assert_eq!(telemetry.service_name, "sluicegate");
    let headers: Vec<_> = telemetry
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().expect("it is text")))
        .collect();
    assert_eq!(headers, [("api-key", "a secret"), ("x-scope", "7")]);
    assert!(!format!("{telemetry:?}").contains("secret"));
    for (file, more) in [
        ("[telemetry]\nendpoint = 'http://mine:1'", &[][..]),
        ("", &[("SLUICEGATE_TELEMETRY__ENDPOINT", "http://mine:1")]),
    ] {
        let endpoint = read(file, more).unwrap().expect("there is a table").endpoint;
        assert_eq!(endpoint.to_string(), "http://mine:1");
    }
    let wrong = resolve("[telemetry]", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector")]).unwrap_err();
    assert!(wrong.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: `endpoint` is not the URL"), "{wrong}");
}

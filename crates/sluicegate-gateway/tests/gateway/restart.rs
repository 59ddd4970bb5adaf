//! Every setting, changed by a reload: it is at work from then on, or stays and is named.

use std::{fs, path::Path};

use serde_json::{Map, Value};
use sluicegate_gateway::{Gateway, Origin};
use sluicegate_policy::Overrides;
use tempfile::TempDir;

use crate::support::Client;

#[tokio::test]
async fn a_reload_changes_each_setting_or_names_it_as_one_that_takes_a_restart() {
    let folder = TempDir::new().expect("there is room");
    let file = folder.path().join("sluicegate.toml");
    let roots = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it can be signed");
    fs::write(folder.path().join("roots.pem"), roots.cert.pem()).expect("the folder is there");
    write(&file, "", "");
    let mut origin = Origin::new(Some(file.clone()), Overrides::default());
    let policy = origin.read().expect("it is valid");
    let gateway = Gateway::start_from(origin, policy).await.expect("loopback has free ports");
    let policy = policy_of(&gateway).await;
    for (table, settings) in [("gateway", GATEWAY), ("store", STORE)] {
        let before = policy[table].as_object().expect("a table");
        for name in before.keys() {
            let is_known = settings.iter().any(|(known, ..)| known == name);
            assert!(is_known, "say in restart.rs and here whether a reload changes {table}.{name}");
        }
        for (name, change, reloads) in settings {
            let (in_gateway, in_store) = if table == "gateway" { (*change, "") } else { ("", *change) };
            write(&file, in_gateway, in_store);
            let reloaded = gateway.reload().await.expect("it is valid");
            let (named, changed): (Vec<_>, Vec<_>) =
                if *reloads { (vec![], vec![*name]) } else { (vec![format!("{table}.{name}")], vec![]) };
            assert_eq!(reloaded.needs_restart, named, "{change}");
            let after = policy_of(&gateway).await;
            assert_eq!(differences(before, &after[table]), changed, "{change}");
        }
        write(&file, "", "");
        gateway.reload().await.expect("it is valid");
    }
}

/// The names of settings whose values differ.
fn differences<'t>(before: &'t Map<String, Value>, after: &Value) -> Vec<&'t str> {
    before
        .iter()
        .filter(|(name, value)| after[name.as_str()] != **value)
        .map(|(name, _)| name.as_str())
        .collect()
}

/// The policy that is at work.
async fn policy_of(gateway: &Gateway) -> Value {
    let mut admin = Client::connect(gateway.admin_address()).await;
    admin
        .write(
            "GET /policy HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer correct-horse-battery\r\n\r\n",
        )
        .await;
    let answer: Value = serde_json::from_slice(&admin.answer().await.body).expect("JSON");
    answer["policy"].clone()
}

fn write(file: &Path, in_gateway: &str, in_store: &str) {
    // A setting that is given twice is an error: what is changed is left out here.
    let base = |lines: &[&str], change: &str| -> String {
        let given = change.split([' ', '.']).next().unwrap_or_default();
        let kept = lines.iter().filter(|line| line.split(' ').next() != Some(given));
        kept.map(|line| format!("{line}\n")).chain([format!("{change}\n")]).collect()
    };
    let gateway = base(
        &[
            "listen = \"127.0.0.1:0\"",
            "admin = \"127.0.0.1:0\"",
            "upstream = \"http://127.0.0.1:1\"",
            "trusted_proxies = \"10.0.0.1\"",
        ],
        in_gateway,
    );
    let store = base(&["url = \"rediss://127.0.0.1:1\""], in_store);
    fs::write(file, format!("[gateway]\n{gateway}[store]\n{store}")).expect("the folder is there");
}

/// The settings of `[gateway]`: a change of each, and whether a reload makes it.
const GATEWAY: &[(&str, &str, bool)] = &[
    ("listen", "listen = \"127.0.0.1:1\"", false),
    ("reuse_port", "reuse_port = true", false),
    ("tls", "tls = { certificate = \"a.pem\", key = \"b.pem\" }", false),
    ("admin", "admin = \"127.0.0.1:2\"", false),
    ("threads", "threads = 7", false),
    ("log", "log = \"pretty\"", false),
    ("upstream", "upstream = \"http://127.0.0.1:2\"", true),
    ("rewrite_redirects", "rewrite_redirects = false", true),
    ("upstream_ca", "upstream_ca = \"roots.pem\"", true),
    ("admin_token", "admin_token = \"correct-horse-battery\"", true),
    ("trusted_proxies", "trusted_proxies = \"10.0.0.2\"", true),
    ("proxy_protocol", "proxy_protocol = true", true),
    ("forwarded_header", "forwarded_header = \"forwarded\"", true),
    ("max_body", "max_body = \"2MiB\"", true),
    ("max_head", "max_head = \"16KiB\"", true),
    ("max_headers", "max_headers = 50", true),
    ("max_response_head", "max_response_head = \"32KiB\"", true),
    ("max_response_headers", "max_response_headers = 500", true),
    ("interim_responses", "interim_responses = false", true),
    ("http2_max_streams", "http2_max_streams = 7", true),
    ("http2_max_resets", "http2_max_resets = 7", true),
    ("max_connections", "max_connections = 777", true),
    ("max_connections_per_ip", "max_connections_per_ip = 77", true),
    ("connect_timeout", "connect_timeout = \"7s\"", true),
    ("retries", "retries = 7", true),
    ("health", "health = { path = \"/health\", interval = \"300s\" }", true),
    ("ejection", "ejection = { failures = 7 }", true),
    ("slow_start", "slow_start = \"7s\"", true),
    ("response_timeout", "response_timeout = \"7s\"", true),
    ("idle_timeout", "idle_timeout = \"7s\"", true),
    ("header_timeout", "header_timeout = \"7s\"", true),
    ("client_keep_alive", "client_keep_alive = \"7s\"", true),
    ("keep_alive", "keep_alive = \"7s\"", true),
    ("drain_timeout", "drain_timeout = \"7s\"", true),
    ("drain_idle_timeout", "drain_idle_timeout = \"7s\"", true),
    ("log_keys", "log_keys = \"plain\"", true),
];

/// Those of `[store]`.
const STORE: &[(&str, &str, bool)] = &[
    ("url", "url = \"rediss://127.0.0.1:2\"", false),
    ("prefix", "prefix = \"other\"", false),
    ("keys", "keys = \"readable\"", false),
    ("secret", "secret = \"0123456789abcdef\"", false),
    ("timeout", "timeout = \"77ms\"", false),
    ("lease", "lease = \"7s\"", false),
    ("ca", "ca = \"roots.pem\"", false),
    ("replicas", "replicas = 7", false),
    ("max_keys", "max_keys = 7777", false),
    ("remember_denials", "remember_denials = false", false),
    ("chunks", "chunks = { share = 0.07 }", false),
    ("outage", "outage = \"deny\"", true),
];

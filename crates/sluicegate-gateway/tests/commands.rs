//! The `sluicegate` command, as a shell runs it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use sluicegate_test_servers::RedisServer;
use tempfile::TempDir;

#[test]
fn help_teaches_with_examples_for_every_command() {
    let folder = TempDir::new().unwrap();
    for command in [&["--help"][..], &["serve", "--help"], &["check", "--help"], &["key", "--help"]] {
        let help = succeeds(run(folder.path(), command));
        assert!(help.contains("Examples:") && help.contains("sluicegate"), "{command:?}: {help}");
    }
    assert!(succeeds(run(folder.path(), &["schema", "--help"])).contains("\"$schema\""));
}

#[test]
fn check_shows_what_a_policy_means() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
    let summary = succeeds(run(folder.path(), &["check", "policy.toml"]));
    for part in [
        "policy.toml is a good policy.",
        "upstream   http://127.0.0.1:8000",
        "tiers      free × 1 (default), premium × 5",
        "warm-up    × 0.2 until /health answers 200",
        "api keys   keys.toml: not there",
        "POST /predict\n  predict-10-per-minute  10/minute per client_ip; premium: 50/minute\n",
        "/premium/predict, for premium only, each costs 2\n  gpu  64 concurrent for all together\n",
        "every other request\n  no limits\n",
    ] {
        assert!(summary.contains(part), "{part:?} is not in:\n{summary}");
    }
}

#[test]
fn check_shows_the_store_and_not_its_password() {
    let folder = TempDir::new().unwrap();
    let text = "[store]\nurl = \"rediss://limiter:hunter2@cache\"\nreplicas = 3\n[[route]]\npath = \"/p\"\n\
                limits = [\"1/s\", { name = \"own\", quota = \"2/s\", outage = \"deny\" }]";
    fs::write(folder.path().join("policy.toml"), text).unwrap();
    let summary = succeeds(run(folder.path(), &["check", "policy.toml"]));
    for part in [
        "store      rediss://limiter:***@cache, waited for 10ms at most\noutage     local, 1/3 of the quota\n",
        "  own             2/second per client_ip, in an outage: deny\n",
    ] {
        assert!(summary.contains(part), "{part:?} is not in:\n{summary}");
    }
}

#[test]
fn check_finds_what_is_wrong_with_the_url_of_a_store() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("policy.toml"), "").unwrap();
    for url in ["redis://:hunter2@", "redis+sentinel://:hunter2@cache", "redis://:hunter2@cache:port"] {
        let mut check = sluicegate(folder.path(), &["check", "policy.toml"]);
        let error = fails(check.env("SLUICEGATE_STORE__URL", url).output().unwrap());
        assert!(error.starts_with("the store cannot be used: "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn check_reads_the_files_of_tls_and_says_where_the_policy_names_a_wrong_one() {
    let folder = TempDir::new().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let policy = "[gateway]\nupstream = 'https://localhost'\nupstream_ca = 'roots.pem'\n\
                  tls = { certificate = 'a.pem', key = 'a.key' }\n";
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("policy.toml", policy);
    write("a.pem", &made.cert.pem());
    write("a.key", &made.signing_key.serialize_pem());
    write("roots.pem", &made.cert.pem());
    let check = || run(folder.path(), &["check", "policy.toml"]);
    assert!(succeeds(check()).contains("is a good policy"));

    write("a.key", &other.signing_key.serialize_pem());
    write("roots.pem", "");
    let expected = "policy.toml:4:38: cannot use a.key for TLS: it is not the key of the certificate in a.pem\n\
                    policy.toml:3:15: cannot use roots.pem for TLS: it holds no certificate in PEM";
    assert_eq!(fails(check()).trim_end(), expected);
    fs::remove_file(folder.path().join("a.pem")).unwrap();
    assert!(fails(check()).contains("policy.toml:4:23: cannot use a.pem for TLS: there is no such file"));
    let mut elsewhere = sluicegate(folder.path(), &["check", "policy.toml"]);
    let error = fails(elsewhere.env("SLUICEGATE_GATEWAY__TLS__CERTIFICATE", "b.pem").output().unwrap());
    assert!(error.contains("SLUICEGATE_GATEWAY__TLS__CERTIFICATE: cannot use b.pem for TLS"), "{error}");
}

#[test]
fn check_asks_the_store_where_it_is_told_to() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("policy.toml"), "").unwrap();
    let check = |url: &str| {
        let mut check = sluicegate(folder.path(), &["check", "--connect", "policy.toml"]);
        check.env("SLUICEGATE_STORE__URL", url).output().unwrap()
    };
    assert!(succeeds(check("memory://")).contains("The store answers."));
    let redis = RedisServer::builder().password("hunter2").start();
    assert!(succeeds(check(&redis.url())).contains("The store answers."));
    let wrong = redis.url().replace("hunter2", "hunter3");
    let error = fails(check(&wrong));
    assert!(error.starts_with("the store cannot be used: ") && !error.contains("hunter"), "{error}");
    redis.kill();
    let error = fails(check(&redis.url()));
    assert!(error.starts_with("the store does not answer: ") && !error.contains("hunter"), "{error}");
}

#[test]
fn check_names_the_place_of_every_error_and_what_would_be_right() {
    let folder = TempDir::new().unwrap();
    let check = |policy: &str| {
        fs::write(folder.path().join("policy.toml"), policy).unwrap();
        fails(run(folder.path(), &["check", "policy.toml"]))
    };
    let errors =
        check("[gateway]\nupstrem = \"http://127.0.0.1:8000\"\n[[route]]\npath = \"/p\"\nlimit = []\n");
    assert_eq!(
        errors,
        "policy.toml:2:1: unknown field `upstrem`\n  help: did you mean `upstream`?\n\
         policy.toml:5:1: unknown field `limit`\n  help: did you mean `limits`?\n"
    );
    let errors =
        check("[[route]]\npath = \"/p\"\nlimits = [\"10/minit\", \"gpuu\"]\n[limits.gpu]\nquota = \"1/s\"\n");
    assert!(errors.contains("policy.toml:3:15: unknown period `minit`"), "{errors}");
    assert!(
        errors.contains("policy.toml:3:23: no limit is called `gpuu`\n  help: did you mean `gpu`?"),
        "{errors}"
    );
}

#[test]
fn check_fails_on_a_file_of_keys_that_the_gateway_could_not_read() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("sluicegate.toml"), POLICY).unwrap();
    fs::write(folder.path().join("keys.toml"), "[[key]]\nid = 7\n").unwrap();
    let error = fails(run(folder.path(), &["check"]));
    assert!(error.starts_with("keys.toml:2:6:"), "{error}");
}

#[test]
fn a_wrong_setting_in_the_environment_is_named_by_its_variable() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("sluicegate.toml"), POLICY).unwrap();
    let mut check = sluicegate(folder.path(), &["check"]);
    let error = fails(check.env("SLUICEGATE_STORE__MAX_KEYS", "none").output().unwrap());
    assert!(error.starts_with("SLUICEGATE_STORE__MAX_KEYS: "), "{error}");
}

#[test]
fn schema_prints_a_json_schema_of_the_policy() {
    let folder = TempDir::new().unwrap();
    let schema: Value = serde_json::from_str(&succeeds(run(folder.path(), &["schema"]))).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["properties"]["route"].is_object());
}

#[test]
fn a_key_is_shown_once_then_listed_then_revoked() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("sluicegate.toml"), POLICY).unwrap();
    let made = succeeds(run(folder.path(), &["key", "new", "--tenant", "acme", "--tier", "premium"]));
    let key = made.trim();
    let id = key.strip_prefix("sg_").unwrap().split('_').next().unwrap();
    assert!(!fs::read_to_string(folder.path().join("keys.toml")).unwrap().contains(key));

    let list = succeeds(run(folder.path(), &["key", "list"]));
    let line = list.lines().find(|line| line.starts_with(id)).unwrap();
    assert!(line.contains("acme") && line.contains("premium") && line.ends_with('Z'), "{list}");
    assert!(!list.contains(key));

    succeeds(run(folder.path(), &["key", "revoke", id, "--file", "keys.toml"]));
    let list = succeeds(run(folder.path(), &["key", "list"]));
    assert_eq!(list.lines().find(|line| line.starts_with(id)).unwrap().matches('Z').count(), 2, "{list}");
    assert!(fails(run(folder.path(), &["key", "revoke", id])).contains("was revoked"));
    assert!(fails(run(folder.path(), &["key", "revoke", "nosuchid"])).contains("no key `nosuchid`"));
}

#[test]
fn a_key_for_a_tier_that_the_policy_lacks_is_not_made() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("sluicegate.toml"), POLICY).unwrap();
    let error = fails(run(folder.path(), &["key", "new", "--tenant", "acme", "--tier", "gold"]));
    assert!(error.contains("no tier `gold`") && error.contains("free, premium"), "{error}");
    assert!(!folder.path().join("keys.toml").exists());
}

#[test]
fn keys_need_a_file_to_be_in() {
    let folder = TempDir::new().unwrap();
    let error = fails(run(folder.path(), &["key", "new", "--tenant", "acme"]));
    assert!(error.contains("no file of keys") && error.contains("--file"), "{error}");
}

#[test]
fn serving_without_a_policy_says_how_to_give_one() {
    let folder = TempDir::new().unwrap();
    let error = fails(run(folder.path(), &[]));
    assert!(error.contains("no policy") && error.contains("--upstream"), "{error}");
    let error = fails(run(folder.path(), &["serve", "--config", "missing.toml"]));
    assert!(error.starts_with("missing.toml: cannot be read"), "{error}");
    let error = fails(run(folder.path(), &["--upstream", "http://127.0.0.1:1", "--limit", "10/minit"]));
    assert!(error.starts_with("--limit: "), "{error}");
}

#[test]
fn a_wrong_flag_is_told_from_a_wrong_policy_by_the_exit_code() {
    let folder = TempDir::new().unwrap();
    assert_eq!(run(folder.path(), &["serve", "--limits", "10/minute"]).status.code(), Some(2));
}

fn sluicegate(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.current_dir(folder).args(arguments).env_remove("SLUICEGATE_CONFIG").env_remove("SLUICEGATE_LOG");
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    sluicegate(folder, arguments).output().unwrap()
}

/// What a successful command printed.
fn succeeds(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a command that failed had to say, on standard error only.
fn fails(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

const POLICY: &str = r#"
[gateway]
upstream = "http://127.0.0.1:8000"

[identity]
api_keys = "keys.toml"
default_tier = "free"

[tiers.free]
[tiers.premium]
scale = 5

[warmup]
ready = "/health"

[limits.gpu]
quota = "64 concurrent"
key = "global"

[[route]]
path = "/predict"
methods = ["POST"]
limits = ["10/minute"]

[[route]]
path = "/premium/predict"
tier = "premium"
weight = 2
limits = ["gpu"]
"#;

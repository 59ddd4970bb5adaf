//! The `sluicegate` command, as a shell runs it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod completions;
mod explain;
mod init;
mod man;
mod top;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

#[test]
fn help_teaches_with_examples_for_every_command() {
    let folder = TempDir::new().unwrap();
    for command in [
        &["--help"][..],
        &["serve", "--help"],
        &["init", "--help"],
        &["check", "--help"],
        &["explain", "--help"],
        &["key", "--help"],
    ] {
        let help = succeeds(run(folder.path(), command));
        assert!(help.contains("Examples:") && help.contains("sluicegate"), "{command:?}: {help}");
    }
    assert!(succeeds(run(folder.path(), &["schema", "--help"])).contains("\"$schema\""));
}

#[test]
fn it_says_its_name_and_version() {
    let folder = TempDir::new().unwrap();
    let version = format!("sluicegate {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(succeeds(run(folder.path(), &["--version"])), version);
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
    assert!(error.contains("`sluicegate init`"), "{error}");
    for command in [&["serve", "--config", "missing.toml"][..], &["check", "missing.toml"]] {
        let error = fails(run(folder.path(), command));
        assert!(error.starts_with("missing.toml: cannot be read"), "{error}");
        assert!(error.contains("`sluicegate init`"), "{error}");
    }
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

/// Returns the output of a successful command.
fn succeeds(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the message of a failed command, which is on standard error only.
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

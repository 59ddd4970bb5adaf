//! `sluicegate explain`, as a shell runs it.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use sluicegate_test_servers::RedisServer;
use tempfile::TempDir;

use crate::{fails, run, sluicegate, succeeds};

const POLICY: &str = r#"
[identity]
api_keys = "keys.toml"
default_tier = "free"

[tiers.free]
[tiers.premium]

[[route]]
path = "/v1/chat/completions"
meter = "openai"
limits = [{ name = "rpm", quota = "6/minute", key = "api_key" }, { name = "tpm", quota = "1000 tokens/minute" }]

[[route]]
path = "/predict"
meter = { items = "/inputs", max = 4 }
limits = [{ name = "items", quota = "3 items/minute" }]

[[route]]
path = "/premium"
tier = "premium"

[[route]]
path = "/by-header"
limits = [{ quota = "9/minute", key = ["header:authorization", "query:key", "cookie:id", "method"] }]
"#;

const CHAT: &str = r#"{"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 50}"#;
const JSON: [&str; 2] = ["-H", "content-type: application/json"];

#[test]
fn explain_shows_who_pays_what_and_what_is_answered_and_spends_nothing() {
    let (folder, key) = folder();
    fs::write(folder.path().join("body.json"), CHAT).unwrap();
    let header = format!("Authorization: Bearer {key}");
    let arguments = ["--request", "POST /v1/chat/completions", "-H", &header, "-d", "@body.json"];
    let explain = || succeeds(explain(folder.path(), &[&arguments[..], &JSON].concat()));
    let told = explain();
    for part in [
        "route      /v1/chat/completions\n",
        "caller     127.0.0.1, tenant acme, API key ",
        "tier free\n",
        " of input and 50 of output are reserved\n",
        "  rpm  6/minute            costs 1, 5 left\n       account rpm:free|tenant=acme|api_key=",
        "account tpm:free|client_ip=127.0.0.1\n",
        "Admitted. To the upstream's response, the gateway adds\n",
        "  ratelimit: \"rpm\";r=5;t=50, \"tpm\";r=",
    ] {
        assert!(told.contains(part), "{part:?} is not in:\n{told}");
    }
    assert_eq!(explain(), told);
    assert!(!told.contains(&key), "{told}");
}

#[test]
fn programs_get_the_same_as_json() {
    let (folder, key) = folder();
    let header = format!("x-api-key: {key}");
    let arguments =
        ["--json", "--from", "192.0.2.7", "-r", "/v1/chat/completions", "-H", &header, "-d", CHAT];
    let told = json(explain(folder.path(), &[&arguments[..], &JSON].concat()));
    assert_eq!(
        (&told["outcome"], &told["client_ip"], &told["tier"]),
        (&json!("admitted"), &json!("192.0.2.7"), &json!("free"))
    );
    assert_eq!(
        (&told["request"], &told["tokens"]["output"]),
        (&json!("POST /v1/chat/completions"), &json!(50))
    );
    let cost = told["tokens"]["input"].as_u64().unwrap() + 50;
    assert_eq!(
        (&told["limits"][1]["cost"], &told["limits"][1]["remaining"], &told["limits"][1]["account"]),
        (&json!(cost), &json!(1000 - cost), &json!("tpm:free|client_ip=192.0.2.7"))
    );
    assert_eq!((&told["response"]["status"], &told["response"]["body"]), (&Value::Null, &Value::Null));
}

/// Each request, the outcome, and the status.
#[test]
fn what_does_not_pass_is_told_with_the_response_that_it_would_get() {
    let (folder, _) = folder();
    for (request, more, outcome, status) in [
        ("POST /predict", &["-d", r#"{"inputs": [1, 2, 3, 4]}"#][..], "denied", 429),
        ("POST /predict", &["-d", r#"{"inputs": [1, 2, 3, 4, 5]}"#], "refused", 413),
        ("POST /predict", &["-d", "nothing"], "refused", 400),
        ("/premium", &[], "refused", 403),
        ("/premium", &["-H", "x-api-key: sg_wrong"], "refused", 401),
        ("/a/../premium", &[], "refused", 400),
    ] {
        let told = json(explain(folder.path(), &[&["--json", "-r", request], more, &JSON].concat()));
        assert_eq!(
            (&told["outcome"], &told["response"]["status"]),
            (&json!(outcome), &json!(status)),
            "{request}: {told}"
        );
        assert_eq!(told["response"]["body"]["status"], status, "{told}");
    }
    let told = json(explain(folder.path(), &["--json", "-r", "/nowhere"]));
    assert_eq!((&told["route"], &told["outcome"]), (&json!("unmatched"), &json!("admitted")));
}

#[test]
fn a_descriptor_is_explained_and_its_values_are_not_shown() {
    let folder = TempDir::new().unwrap();
    let policy = "[decisions]\nlisten = '127.0.0.1:0'\n[[route]]\nweight = 3\n\
                  descriptor = { domain = 'ml', entries = ['kind=chat', 'user'] }\nlimits = ['9/minute']\n";
    fs::write(folder.path().join("sluicegate.toml"), policy).unwrap();
    let told = |asked| json(explain(folder.path(), &["--json", "-r", asked]));
    let limited = told("ml: kind=chat, user=ann");
    assert_eq!(
        (&limited["request"], &limited["route"]),
        (&json!("ml: kind, user"), &json!("ml: kind=chat, user"))
    );
    assert_eq!((&limited["outcome"], &limited["limits"][0]["remaining"]), (&json!("admitted"), &json!(6)));
    let account = &limited["limits"][0]["account"];
    assert_eq!(account, "ml_kind_chat_user_9_per_minute|entry:user=***");
    let unlimited = told("ml: kind=code, user=ann");
    assert_eq!(
        (&unlimited["route"], &unlimited["limits"]),
        (&json!("none, so the descriptor is not limited"), &json!([]))
    );
    let wrong = fails(explain(folder.path(), &["-r", "ml: kind=chat, user"]));
    assert!(wrong.contains("`user` is not an entry of a descriptor: write it as \"user=ann\""), "{wrong}");
}

/// A form by default, files without their line breaks, several pieces in one.
#[test]
fn headers_and_data_mean_what_they_mean_to_curl() {
    let (folder, _) = folder();
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    file("body.json", "{\"inputs\":\r\n [1, 2]}\n");
    file("headers.txt", "content-type: application/json\r\n\r\nx-empty;\n");
    let cost = |arguments: &[&str]| {
        let told = json(explain(folder.path(), &[&["--json", "-r", "/predict"], arguments].concat()));
        told["limits"][0]["cost"].clone()
    };
    assert_eq!(cost(&["-H", "@headers.txt", "-d", "@body.json"]), 2);
    assert_eq!(
        cost(&["-H", "Content-Type:application/json", "-d", "{\"a\":1", "-d", "@body.json"]),
        Value::Null
    );

    let mut piped = command(
        folder.path(),
        &["--json", "-r", "POST http://gateway/predict", "-H", "@headers.txt", "-d", "@-"],
    );
    let mut piped = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(b"{\"inputs\": [1, 2, 3]}").unwrap();
    assert_eq!(json(piped.wait_with_output().unwrap())["limits"][0]["cost"], 3);

    let form = json(explain(folder.path(), &["--json", "-r", "/predict", "-d", "inputs=1"]));
    assert_eq!((&form["request"], &form["outcome"]), (&json!("POST /predict"), &json!("refused")), "{form}");
}

#[test]
fn no_secret_of_a_request_is_ever_shown() {
    let (folder, key) = folder();
    let hidden = ["hunter2", &key];
    let [bearer, api_key, cookie] =
        ["Authorization: Bearer hunter2", "x-api-key: hunter2", "cookie: id=hunter2"];
    for arguments in [
        &["-r", "/by-header?key=hunter2", "-H", cookie, "-H", &format!("authorization: Bearer {key}")][..],
        &["-r", "/by-header?key=hunter2", "-H", cookie],
        &["-r", "/premium", "-H", bearer],
        &["-r", "/premium", "-H", api_key, "-H", cookie],
        &["-r", "/premium", "-H", "hunter2"],
        &["-r", "/premium", "-H", "x-api-key: hunter2\u{7f}"],
    ] {
        for format in [&[][..], &["--json"]] {
            let output = explain(folder.path(), &[arguments, format].concat());
            let shown = [output.stdout, output.stderr].concat();
            let shown = String::from_utf8(shown).unwrap();
            assert!(!hidden.iter().any(|secret| shown.contains(secret)), "{shown}");
        }
    }
}

#[test]
fn balances_come_from_the_store_if_it_is_asked_for_and_stay() {
    let folder = TempDir::new().unwrap();
    let redis = RedisServer::start();
    let policy = format!(
        "[store]\nurl = \"{}\"\n[defaults]\nlimits = [{{ name = \"day\", quota = \"2/day\" }}]",
        redis.url()
    );
    fs::write(folder.path().join("sluicegate.toml"), policy).unwrap();
    let arguments = ["--connect", "--json", "-r", "/"];
    for _ in 0..3 {
        assert_eq!(json(explain(folder.path(), &arguments))["limits"][0]["remaining"], 1);
    }
    redis.kill();
    assert!(fails(explain(folder.path(), &arguments)).starts_with("the store does not answer: "));
    succeeds(explain(folder.path(), &["-r", "/"]));

    fs::write(folder.path().join("sluicegate.toml"), "").unwrap();
    assert!(fails(explain(folder.path(), &arguments)).contains("admin port"));
}

#[test]
fn what_is_no_request_is_an_error_that_says_how_to_write_one() {
    let (folder, _) = folder();
    for (arguments, expected) in [
        (&["-r", "POST /a b"][..], "write it as \"POST /predict\""),
        (&["-r", "predict"], "begins with `/`"),
        (&["-r", "PO(T /predict"], "`PO(T` is not a method"),
        (&["-r", "/", "-H", "nothing"], "is no header: write it as \"name: value\""),
        (&["-r", "/", "-H", "@missing.txt"], "missing.txt: cannot be read"),
        (&["-r", "/", "-d", "@missing.json"], "missing.json: cannot be read"),
        (&["-r", "/", "--config", "missing.toml"], "missing.toml: cannot be read"),
    ] {
        let error = fails(explain(folder.path(), arguments));
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(run(folder.path(), &["explain"]).status.code(), Some(2));
}

/// A folder with the policy, and an API key of a tenant.
fn folder() -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("sluicegate.toml"), POLICY).unwrap();
    let key = succeeds(run(folder.path(), &["key", "new", "--tenant", "acme"]));
    (folder, key.trim().to_owned())
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    sluicegate(folder, &[&["explain"], arguments].concat())
}

fn explain(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn json(output: Output) -> Value {
    serde_json::from_str(&succeeds(output)).unwrap()
}

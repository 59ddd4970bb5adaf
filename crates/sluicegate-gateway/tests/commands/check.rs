//! `sluicegate check`, as a shell runs it.

use std::fs;

use serde_json::{Value, json};
use sluicegate_test_servers::RedisServer;
use tempfile::TempDir;

use crate::{POLICY, fails, run, sluicegate, succeeds};

#[test]
fn check_shows_what_a_policy_means() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
    succeeds(run(folder.path(), &["key", "new", "--tenant", "acme", "--config", "policy.toml"]));
    let summary = succeeds(run(folder.path(), &["check", "policy.toml"]));
    for part in [
        "policy.toml is a good policy, with 1 warning.",
        "upstream   http://127.0.0.1:8000",
        "tiers      free × 1 (default), premium × 5",
        "warm-up    × 0.2 until /health answers with 2xx, then every limit grows to the whole",
        "api keys   keys.toml: 1 valid of 1",
        "POST /predict\n  predict_10_per_minute  10/minute per client_ip; premium: 50/minute\n",
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
        "store      rediss://limiter:***@cache, waited for 100ms at most\noutage     local, 1/3 of the quota\n",
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
        assert!(error.starts_with("SLUICEGATE_STORE__URL: the store cannot be used: "), "{error}");
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
    fs::remove_file(folder.path().join("a.key")).unwrap();
    let error = fails(check());
    for (place, file) in [("4:23", "a.pem"), ("4:38", "a.key")] {
        let expected = format!("policy.toml:{place}: cannot use {file} for TLS: there is no such file");
        assert!(error.contains(&expected), "{error}");
    }
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
    assert!(
        error.starts_with("SLUICEGATE_STORE__URL: the store cannot be used: ") && !error.contains("hunter"),
        "{error}"
    );
    redis.kill();
    let error = fails(check(&redis.url()));
    assert!(
        error.starts_with("SLUICEGATE_STORE__URL: the store does not answer: ") && !error.contains("hunter"),
        "{error}"
    );
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

/// Each policy and all that is wrong with what it names. A gateway does not start with any of them either.
#[test]
fn check_refuses_what_could_not_be_served() {
    let upstream =
        "[gateway]\nlisten = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\nupstream = 'http://127.0.0.1:1'\n";
    for (policy, expected) in [
        (
            format!("{upstream}[identity]\napi_keys = 'keys.toml'"),
            "policy.toml:6:12: there is no file keys.toml\n  \
             help: `sluicegate key new --tenant NAME` makes the file, with a first key",
        ),
        (
            format!("{upstream}[identity]\napi_keys = '.'"),
            "policy.toml:6:12: . cannot be read: Is a directory (os error 21)",
        ),
        (
            format!("{upstream}[store]\nurl = 'rediss://127.0.0.1:1'\nca = 'roots.pem'"),
            "policy.toml:7:6: the store cannot be used: cannot read store.ca, roots.pem: \
             No such file or directory (os error 2)",
        ),
        (
            format!("{upstream}[store]\nurl = 'redis+sentinel://127.0.0.1'"),
            "policy.toml:6:7: the store cannot be used: the URL of the store is wrong: it lacks the name that the \
             sentinels know: redis+sentinel://HOST/NAME; ",
        ),
        (
            "[gateway]\nlisten = '0.0.0.0:9090'\nupstream = 'http://127.0.0.1:1'".to_owned(),
            "policy.toml:2:10: `listen`, 0.0.0.0:9090, and `admin`, 127.0.0.1:9090, cannot both have this port\n  \
             help: give `listen` another port, or `admin`, which is not in the file, such as \"127.0.0.1:9091\"",
        ),
        (
            "[gateway]\nadmin = '[::]:8080'\nupstream = 'http://127.0.0.1:1'".to_owned(),
            "policy.toml:2:9: `listen`, 0.0.0.0:8080, and `admin`, [::]:8080, cannot both have this port\n  \
             help: give it a port of its own, such as \"127.0.0.1:9090\"",
        ),
    ] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("policy.toml"), &policy).unwrap();
        let error = fails(run(folder.path(), &["check", "policy.toml"]));
        assert!(error.starts_with(expected), "{error}");
        fails(run(folder.path(), &["serve", "--config", "policy.toml"]));
    }
}

#[test]
fn check_finds_all_of_that_at_once() {
    let folder = TempDir::new().unwrap();
    let policy = "[gateway]\nupstream = 'http://127.0.0.1:1'\ntls = { certificate = 'a.pem', key = 'a.key' }\n\
                  [identity]\napi_keys = 'keys.toml'\n\
                  [store]\nurl = 'rediss://127.0.0.1:1'\nca = 'roots.pem'\n";
    fs::write(folder.path().join("policy.toml"), policy).unwrap();
    let error = fails(run(folder.path(), &["check", "policy.toml"]));
    for place in ["3:23", "3:38", "5:12", "8:6"] {
        assert!(error.contains(&format!("policy.toml:{place}: ")), "{error}");
    }
}

#[test]
fn check_asks_this_machine_for_its_addresses_where_it_is_told_to() {
    let folder = TempDir::new().unwrap();
    let policy = "[gateway]\nlisten = '192.0.2.1:8080'\nadmin = '[2001:db8::1]:9090'\n";
    fs::write(folder.path().join("policy.toml"), policy).unwrap();
    succeeds(run(folder.path(), &["check", "policy.toml"]));
    let error = fails(run(folder.path(), &["check", "--connect", "policy.toml"]));
    assert!(
        error.contains("policy.toml:2:10: this machine has no address 192.0.2.1\n  help: give"),
        "{error}"
    );
    // Without IPv6 it is an error of another kind.
    assert!(error.contains("policy.toml:3:9: "), "{error}");
}

#[test]
fn a_warning_has_a_place_and_a_remedy_and_leaves_the_exit_code_alone() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("policy.toml"), LIMITS_NOTHING).unwrap();
    let checked = run(folder.path(), &["check", "policy.toml"]);
    assert_eq!(
        String::from_utf8_lossy(&checked.stderr),
        "policy.toml:1:9: warning: no route names this limit, so it limits nothing\n  \
         help: add \"gpu\" to the `limits` of a route, or leave it out\n\
         policy.toml:4:8: warning: `:id` is not a parameter here: only requests whose path has exactly these characters \
         match the route\n  help: write it as \"/v2/{id}\"\n"
    );
    assert!(succeeds(checked).starts_with("policy.toml is a good policy, with 2 warnings.\n"));
}

#[test]
fn strict_takes_warnings_for_errors() {
    let folder = TempDir::new().unwrap();
    let strict = |policy: &str| {
        fs::write(folder.path().join("policy.toml"), policy).unwrap();
        run(folder.path(), &["check", "--strict", "policy.toml"])
    };
    let error = fails(strict(LIMITS_NOTHING));
    assert!(error.starts_with("policy.toml:1:9: no route names this limit"), "{error}");
    assert!(error.contains("\npolicy.toml:4:8: `:id` is not a parameter here"), "{error}");
    succeeds(strict("[defaults]\nlimits = '1/s'"));
}

#[test]
fn machines_read_errors_and_warnings_as_json() {
    let folder = TempDir::new().unwrap();
    let json = |policy: &str, flags: &[&str]| {
        fs::write(folder.path().join("policy.toml"), policy).unwrap();
        let checked =
            sluicegate(folder.path(), &["check", "--json", "policy.toml"]).args(flags).output().unwrap();
        assert!(checked.stderr.is_empty(), "{}", String::from_utf8_lossy(&checked.stderr));
        (checked.status.code().unwrap(), serde_json::from_slice::<Value>(&checked.stdout).unwrap())
    };
    let (code, found) = json("[gateway]\nlisten = 8080\nupstrem = 'x'", &[]);
    assert_eq!((code, &found["ok"], &found["warnings"]), (1, &Value::Bool(false), &json!([])));
    assert_eq!(
        found["errors"],
        json!([
            {
                "file": "policy.toml", "line": 2, "column": 10, "help": null,
                "message": "`gateway.listen` must be an address and a port such as \"0.0.0.0:8080\", not the number 8080",
            },
            {
                "file": "policy.toml", "line": 3, "column": 1, "help": "did you mean `upstream`?",
                "message": "unknown field `upstrem`",
            },
        ])
    );
    let (code, found) = json(LIMITS_NOTHING, &[]);
    assert_eq!((code, &found["ok"], &found["errors"]), (0, &Value::Bool(true), &json!([])));
    assert_eq!(found["warnings"][1]["help"], "write it as \"/v2/{id}\"");
    let (code, found) = json(LIMITS_NOTHING, &["--strict"]);
    assert_eq!((code, found["errors"].as_array().map(Vec::len)), (1, Some(2)));
    let (code, found) = json("", &[]);
    assert_eq!((code, &found["warnings"][0]["file"]), (0, &Value::from("policy.toml")));
    let mut elsewhere = sluicegate(folder.path(), &["check", "--json", "policy.toml"]);
    let checked = elsewhere.env("SLUICEGATE_STORE__MAX_KEYS", "none").output().unwrap();
    let found: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(found["errors"][0]["override"], "SLUICEGATE_STORE__MAX_KEYS");
}

const LIMITS_NOTHING: &str =
    "[limits.gpu]\nquota = '1/s'\n[[route]]\npath = '/v2/:id'\nlimits = ['10/minute']\n";

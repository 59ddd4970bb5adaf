//! `sluicegate init`, as a script runs it: without a terminal.

use std::{fs, process::Stdio};

use tempfile::TempDir;

use crate::{fails, run, sluicegate, succeeds};

const SERVERS: [&str; 8] = ["fastapi", "vllm", "llama", "ollama", "triton", "kserve", "bentoml", "openai"];

#[test]
fn init_changes_what_is_answered_and_keeps_every_other_line() {
    let folder = TempDir::new().unwrap();
    let defaults = succeeds(run(folder.path(), &["init", "--for", "kserve", "--output", "-"]));
    let answers = ["--upstream", "http://iris.models:80/", "--quota", "7/minute", "-q", "500 items/minute"];
    let mut init = sluicegate(folder.path(), &["init", "--for", "kserve"]);
    let told = succeeds(init.args(answers).output().unwrap());
    assert!(
        told.contains("KServe at http://iris.models; for each client 7/minute, 500 items/minute"),
        "{told}"
    );
    let written = fs::read_to_string(folder.path().join("sluicegate.toml")).unwrap();
    assert_eq!(written.lines().count(), defaults.lines().count());
    let changed: Vec<_> = written.lines().zip(defaults.lines()).filter(|(new, old)| new != old).collect();
    let [(upstream, was), ("quota = \"7/minute\"", "quota = \"600/minute\""), (items, _)] = changed[..]
    else {
        panic!("{changed:?}");
    };
    let comment = was.split_once('#').expect("it has a comment").1;
    assert_eq!(upstream.split_once(" #"), Some(("upstream = \"http://iris.models\"    ", comment)));
    assert_eq!(items, "quota = \"500 items/minute\"");
}

#[test]
fn every_policy_of_init_is_a_good_one_with_and_without_answers() {
    for server in SERVERS {
        for answers in [&[][..], &["--upstream", "https://models.example/base", "--quota", "5/minute"]] {
            let folder = TempDir::new().unwrap();
            let mut init = sluicegate(folder.path(), &["init", "--for", server]);
            succeeds(init.args(answers).output().unwrap());
            let meaning = succeeds(run(folder.path(), &["check", "--strict"]));
            if !answers.is_empty() {
                assert!(meaning.contains("upstream   https://models.example/base\n"), "{server}: {meaning}");
                assert!(meaning.contains("  5/minute per client_ip"), "{server}: {meaning}");
            }
        }
    }
}

#[test]
fn smaller_limits_at_the_start_are_told_where_the_policy_has_them() {
    for (server, path) in [("vllm", Some("/health")), ("bentoml", Some("/readyz")), ("ollama", None)] {
        let folder = TempDir::new().unwrap();
        let told = succeeds(run(folder.path(), &["init", "--for", server]));
        let warning = path.map(|path| format!("Until {path} answers, and while the server warms up"));
        assert_eq!(told.contains("every limit is smaller"), path.is_some(), "{server}: {told}");
        assert!(warning.is_none_or(|warning| told.contains(&warning)), "{server}: {told}");
    }
}

#[test]
fn a_server_behind_tls_is_sent_its_own_host() {
    let folder = TempDir::new().unwrap();
    for server in ["openai", "vllm"] {
        let mut init = sluicegate(folder.path(), &["init", "--output", "-", "--for", server]);
        let policy = succeeds(init.args(["--upstream", "https://api.example"]).output().unwrap());
        let upstream = "upstream = { url = \"https://api.example\", host = \"upstream\" }";
        assert!(policy.contains(upstream), "{policy}");
    }
}

#[test]
fn init_overwrites_a_file_only_if_it_is_told_to() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("sluicegate.toml");
    fs::write(&file, "mine").unwrap();
    let error = fails(run(folder.path(), &["init", "--for", "vllm"]));
    assert!(error.starts_with("sluicegate.toml exists") && error.contains("--force"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    succeeds(run(folder.path(), &["init", "--for", "vllm", "--force"]));
    assert!(fs::read_to_string(&file).unwrap().contains("vLLM"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
}

#[test]
fn without_a_terminal_nobody_is_asked_which_server_it_is() {
    let folder = TempDir::new().unwrap();
    let init = sluicegate(folder.path(), &["init"]).stdin(Stdio::null()).output();
    let error = fails(init.unwrap());
    for server in SERVERS {
        assert!(error.contains(server), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_quota_that_the_policy_has_no_place_for_is_an_error_and_nothing_is_written() {
    let folder = TempDir::new().unwrap();
    for (quotas, expected) in [
        (&["5 items/minute"][..], "its quotas of each client are 60/minute, 200000 tokens/minute"),
        (&["4 concurrent"], "does not limit the concurrent of each client"),
        (&["5/minute", "6/hour"], "two quotas in requests"),
    ] {
        let mut init = sluicegate(folder.path(), &["init", "--for", "vllm"]);
        for quota in quotas {
            init.args(["--quota", quota]);
        }
        let error = fails(init.output().unwrap());
        assert!(error.contains(expected), "{error}");
    }
    for wrong in [["--quota", "5/minit"], ["--upstream", "gpu:8000"], ["--for", "nothing"]] {
        let init = sluicegate(folder.path(), &["init", "--for", "vllm"]).args(wrong).output().unwrap();
        assert_eq!(init.status.code(), Some(2));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

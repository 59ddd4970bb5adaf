//! `sluicegate top`, where there is no terminal. The end-to-end tests have one.

use std::net::TcpListener;

use tempfile::TempDir;

use crate::{fails, run};

#[test]
fn without_a_terminal_it_names_the_flag_for_plain_text() {
    let folder = TempDir::new().unwrap();
    let error = fails(run(folder.path(), &["top"]));
    assert!(error.starts_with("standard output is no terminal") && error.contains("--once"), "{error}");
}

#[test]
fn a_gateway_that_is_not_there_is_an_error_of_one_look() {
    let folder = TempDir::new().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = fails(run(folder.path(), &["top", "--once", "--admin", &closed.to_string()]));
    assert!(error.starts_with(&format!("http://{closed} does not answer: Connection refused")), "{error}");
    assert!(error.contains("help: start a gateway") && error.contains("--admin"), "{error}");
}

#[test]
fn a_wrong_address_or_interval_says_what_would_be_right() {
    let folder = TempDir::new().unwrap();
    for (arguments, says) in [
        (["top", "--admin", "https://gateway:9090"], "the admin port has no TLS"),
        (["top", "--admin", "http://gateway"], "give a host and a port"),
        (["top", "--interval", "1"], "500ms, 2s or 1m"),
        (["top", "--interval", "99ms"], "from 100ms to 1h"),
        (["top", "--interval", "99999999999999999h"], "from 100ms to 1h"),
    ] {
        let output = run(folder.path(), &arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && error.contains(says), "{arguments:?}: {error}");
    }
}

//! Logins, tested with Redis's own client.

use std::process::Command;

use sluicegate_test_servers::RedisServer;

/// The reply to a client that sends PING, with these arguments.
fn hears(server: &RedisServer, arguments: &[&str]) -> String {
    let output = Command::new("redis-cli")
        .args(["-p", &server.port().to_string()])
        .args(arguments)
        .arg("PING")
        .output()
        .expect("redis-cli comes with redis-server");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn a_password_lets_in() {
    let server = RedisServer::builder().password("s3cret").start();

    assert!(hears(&server, &[]).contains("NOAUTH"));
    assert!(hears(&server, &["-a", "wrong"]).contains("WRONGPASS"));
    assert!(hears(&server, &["-a", "s3cret"]).contains("PONG"));
    assert_eq!(server.url(), format!("redis://:s3cret@127.0.0.1:{}", server.port()));
}

#[test]
fn a_user_may_do_what_its_rules_say() {
    let server = RedisServer::builder().user("gateway", "s3cret", "~* +@all -ping").start();

    assert!(hears(&server, &[]).contains("NOAUTH"));
    assert!(hears(&server, &["--user", "gateway", "--pass", "s3cret"]).contains("NOPERM"));
    assert_eq!(server.url(), format!("redis://gateway:s3cret@127.0.0.1:{}", server.port()));
    // Which does not concern the test's own commands.
    assert_eq!(server.command(&["PING"]), "PONG");
}

#[test]
fn tls_is_spoken_with_a_certificate_of_its_own_authority() {
    let (server, other) = (RedisServer::builder().tls().start(), RedisServer::builder().tls().start());
    let trusting = |server: &RedisServer| server.ca().to_string_lossy().into_owned();

    for host in ["127.0.0.1", "localhost"] {
        assert!(hears(&server, &["-h", host, "--tls", "--cacert", &trusting(&server)]).contains("PONG"));
    }
    assert!(hears(&server, &["--tls", "--cacert", &trusting(&other)]).contains("certificate"));
    assert!(!hears(&server, &[]).contains("PONG"));
    assert_eq!(server.url(), format!("rediss://127.0.0.1:{}", server.port()));
}

//! The servers as tests in other languages see them.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
};

struct Servers(Child);

impl Servers {
    fn start(arguments: &[&str]) -> Self {
        let program = env!("CARGO_BIN_EXE_sluicegate-test-servers");
        let mut command = Command::new(program);
        let child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        Self(child.expect("it runs"))
    }

    fn ask(&mut self, words: &str) -> String {
        let input = self.0.stdin.as_mut().expect("a pipe");
        writeln!(input, "{words}").expect("it reads");
        let mut answer = String::new();
        BufReader::new(self.0.stdout.as_mut().expect("a pipe")).read_line(&mut answer).expect("it answers");
        serde_json::from_str(&answer).expect("a JSON string")
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("it ends").success());
    }
}

#[test]
fn a_server_is_asked_and_restarted_and_ends_with_the_input() {
    let mut redis = Servers::start(&["redis", "aof", "password=s3cret", "line=databases 3"]);

    let port = redis.ask(r#"["port", "0"]"#);
    assert_eq!(redis.ask(r#"["url"]"#), format!("redis://:s3cret@127.0.0.1:{port}"));
    assert_eq!(redis.ask(r#"["command", "0", "SET", "a key", "two\r\nlines"]"#), "OK");
    assert_eq!(redis.ask(r#"["restart", "0"]"#), "");
    assert_eq!(redis.ask(r#"["command", "0", "GET", "a key"]"#), "two\r\nlines");
    assert_eq!(redis.ask(r#"["command", "0", "CONFIG", "GET", "databases"]"#), "databases\n3");

    redis.end();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port.parse().expect("a port"))).is_err());
}

#[test]
fn a_proxy_is_told_to_fail() {
    let mut redis = Servers::start(&["redis"]);
    let mut proxy = Servers::start(&["proxy", &redis.ask(r#"["port", "0"]"#)]);
    let port: u16 = proxy.ask(r#"["port"]"#).parse().expect("a port");
    let accepts = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();

    assert!(accepts());
    proxy.ask(r#"["refuse"]"#);
    assert!(!accepts());
    proxy.ask(r#"["pass"]"#);
    assert!(accepts());
    for command in [r#"["delay", "20", "30"]"#, r#"["black_hole"]"#, r#"["reset"]"#] {
        assert_eq!(proxy.ask(command), "");
    }

    redis.end();
    proxy.end();
}

#[test]
fn memcached_is_one_server_and_has_no_number() {
    let mut memcached = Servers::start(&["memcached"]);

    let port = memcached.ask(r#"["port"]"#);
    assert_eq!(memcached.ask(r#"["url"]"#), format!("memcached://127.0.0.1:{port}"));
    for command in [r#"["pause"]"#, r#"["resume"]"#, r#"["kill"]"#, r#"["restart"]"#] {
        assert_eq!(memcached.ask(command), "");
    }
    assert!(std::net::TcpStream::connect(("127.0.0.1", port.parse().expect("a port"))).is_ok());

    memcached.end();
}

#[test]
fn the_servers_of_an_arrangement_have_numbers() {
    let mut sentinel = Servers::start(&["sentinel"]);
    assert_eq!(sentinel.ask(r#"["primary"]"#), "0");
    assert!(sentinel.ask(r#"["command", "2", "INFO", "server"]"#).contains("redis_mode:sentinel"));
    sentinel.end();

    let mut cluster = Servers::start(&["cluster"]);
    let slot = cluster.ask(r#"["slot", "foo"]"#);
    assert_eq!(cluster.ask(&format!(r#"["owner", "{slot}"]"#)), "2");
    cluster.end();

    let mut ahead = Servers::start(&["redis", "own_clock"]);
    let time = |servers: &mut Servers| -> u64 {
        let time = servers.ask(r#"["command", "0", "TIME"]"#);
        time.lines().next().expect("seconds").parse().expect("a number")
    };
    let before = time(&mut ahead);
    assert_eq!(ahead.ask(r#"["clock", "0", "1000"]"#), "");
    assert!(time(&mut ahead) >= before + 990);
    ahead.end();
}

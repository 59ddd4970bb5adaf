//! Decisions by the protocol of Redis: what clients send, and the bytes that they read.

use sluicegate_gateway::Gateway;
use sluicegate_policy::{Policy, Source, TlsSettings};

use crate::support::{Client, at_once, metric, soon, tls::Authority};

#[tokio::test]
async fn pipelined_commands_are_answered_in_their_order() {
    let gateway = resp("");
    let mut client = Redis::of(&gateway).await;
    client
        .says(
            "PING\r\nCL.THROTTLE a 1 1 86400\r\n*5\r\n$8\r\nthrottle\r\n$1\r\na\r\n$1\r\n3\r\n$1\r\n1\r\n$5\r\n86400\r\n\
             CL.THROTTLE a 1 1 86400 2\r\nECHO \"x y\"\r\nCL.THROTTLE b 0 1 1 2\r\n",
            "+PONG\r\n*5\r\n:0\r\n:2\r\n:1\r\n:-1\r\n:86400\r\n*5\r\n:1\r\n:3\r\n:1\r\n:172800\r\n:0\r\n\
             *5\r\n:1\r\n:2\r\n:0\r\n:172800\r\n:172800\r\n$3\r\nx y\r\n*5\r\n:1\r\n:1\r\n:1\r\n:-1\r\n:0\r\n",
        )
        .await;
    for (decision, count) in [("allow", 1), ("deny", 2), ("error", 0)] {
        let series =
            format!("sluicegate_throttle_decisions_total{{command=\"cl.throttle\",decision=\"{decision}\"}}");
        assert_eq!(metric(&gateway, &series).await, count, "{decision}");
    }
}

#[tokio::test]
async fn a_command_may_arrive_byte_by_byte() {
    let gateway = resp("");
    let mut client = Redis::of(&gateway).await;
    for byte in "*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n".bytes() {
        client.client.write([byte]).await;
    }
    client.says("", "$2\r\n\r\n\r\n").await;
}

#[tokio::test]
async fn stock_clients_find_what_they_ask_for_when_they_connect() {
    let gateway = resp("");
    let mut client = Redis::of(&gateway).await;
    for (command, reply) in [
        ("CLIENT SETINFO LIB-NAME redis-py", "+OK\r\n"),
        ("CLIENT GETNAME", "$-1\r\n"),
        ("CLIENT SETNAME app", "+OK\r\n"),
        ("client getname", "$3\r\napp\r\n"),
        ("SELECT 0", "+OK\r\n"),
        ("SELECT 1", "-ERR DB index is out of range: there is database 0 alone\r\n"),
        ("CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"),
        ("CONFIG GET maxmemory", "*0\r\n"),
        ("COMMAND COUNT", ":13\r\n"),
        (
            "COMMAND INFO cl.throttle get",
            "*2\r\n*6\r\n$11\r\ncl.throttle\r\n:-5\r\n*2\r\n+write\r\n+fast\r\n:1\r\n:1\r\n:1\r\n$-1\r\n",
        ),
        ("CONFIG GET save", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"),
        ("PING hello", "$5\r\nhello\r\n"),
        ("GET key", "-ERR unknown command 'GET', with args beginning with: 'key' \r\n"),
        ("ECHO", "-ERR wrong number or kind of arguments for 'echo' command\r\n"),
        ("AUTH secret", "-ERR the policy's [decisions] has no token: connect without a password\r\n"),
        ("HELLO 4", "-NOPROTO unsupported protocol version: send 2 or 3\r\n"),
        (
            "HELLO 3 SETNAME",
            "-ERR Syntax error in HELLO: HELLO [2|3 [AUTH default token] [SETNAME name]]\r\n",
        ),
        ("RESET", "+RESET\r\n"),
        ("CLIENT GETNAME", "$-1\r\n"),
    ] {
        client.says(&format!("{command}\r\n"), reply).await;
    }
    client.client.write("HELLO 3 SETNAME app\r\nCONFIG GET save\r\nCLIENT GETNAME\r\n").await;
    client.says("", "%7\r\n$6\r\nserver\r\n$10\r\nsluicegate\r\n$7\r\nversion\r\n").await;
}

#[tokio::test]
async fn an_error_stays_one_line_whatever_the_client_has_sent() {
    let gateway = resp("");
    let mut client = Redis::of(&gateway).await;
    client
        .says("*1\r\n$6\r\na\r\n+OK\r\n", "-ERR unknown command 'a??+OK', with args beginning with: \r\n")
        .await;
}

#[tokio::test]
async fn without_the_token_nothing_is_decided() {
    let gateway = resp("token = \"0123456789abcdef\"\n");
    let mut client = Redis::of(&gateway).await;
    for command in ["PING", "CL.THROTTLE a 0 1 86400", "COMMAND", "GET a"] {
        client.says(&format!("{command}\r\n"), "-NOAUTH Authentication required.\r\n").await;
    }
    let wrong =
        "-WRONGPASS send the token of the policy's [decisions] as the password of the user default\r\n";
    for command in
        ["AUTH 0123456789abcdeg", "AUTH app 0123456789abcdef", "HELLO 3 AUTH default 0123456789abcdeg"]
    {
        client.says(&format!("{command}\r\n"), wrong).await;
    }
    client
        .says("HELLO 3\r\n", "-NOAUTH send HELLO 2|3 AUTH default token, or AUTH token before it\r\n")
        .await;
    client.says("AUTH 0123456789abcdef\r\n", "+OK\r\n").await;
    client.says("CL.THROTTLE a 0 1 86400\r\n", "*5\r\n:0\r\n:1\r\n:0\r\n:-1\r\n:86400\r\n").await;
    client.says("RESET\r\nPING\r\n", "+RESET\r\n-NOAUTH Authentication required.\r\n").await;
    client.says("HELLO 2 AUTH default 0123456789abcdef\r\n", "*14\r\n$6\r\nserver\r\n").await;
}

#[tokio::test]
async fn clients_that_connect_by_tls_show_a_certificate_where_the_policy_wants_one() {
    let (authority, clients, strangers) =
        (Authority::new("servers"), Authority::new("clients"), Authority::new("strangers"));
    let mut policy = policy("");
    policy.decisions.as_mut().unwrap().tls =
        Some(TlsSettings { client_ca: Some(clients.root()), ..authority.settings() });
    let gateway = at_once(Gateway::start(policy)).unwrap();
    let address = gateway.resp_address().expect("the policy has one");
    for (shown, is_known) in [(Some(clients.sign()), true), (Some(strangers.sign()), false), (None, false)] {
        // With TLS 1.3, a client learns that it was refused when it reads.
        let Ok(stream) = authority.try_connect(address, &[], shown).await else {
            assert!(!is_known);
            continue;
        };
        let mut client = Client::over(stream);
        if is_known {
            client.write("PING\r\nQUIT\r\n").await;
            assert_eq!(client.rest().await, b"+PONG\r\n+OK\r\n");
        } else {
            assert!(!client.can_write(b"PING\r\n").await || client.rest().await.is_empty());
        }
    }
}

#[tokio::test]
async fn what_is_not_the_protocol_is_told_so_and_the_connection_ends() {
    let gateway = resp("");
    for (sent, reply) in [
        ("*1\r\n+PING\r\n", "-ERR Protocol error: expected '$': a command is an array of bulk strings\r\n"),
        (
            "PING\r\nPOST / HTTP/1.1\r\n",
            "+PONG\r\n-ERR Protocol error: this port speaks the protocol of Redis, not HTTP\r\n",
        ),
        ("*3\r\n$99999\r\n", "-ERR Protocol error: a command has at most 16384 bytes\r\n"),
        ("PING\r\nQUIT\r\nPING\r\n", "+PONG\r\n+OK\r\n"),
    ] {
        let mut client = Redis::of(&gateway).await;
        client.client.write(sent).await;
        assert_eq!(String::from_utf8(client.client.rest().await).unwrap(), reply, "{sent}");
    }
}

#[tokio::test]
async fn a_client_that_stops_sending_gets_its_replies() {
    let gateway = resp("");
    let mut client = Redis::of(&gateway).await;
    client.client.write("PING\r\nPING\r\nPI").await;
    client.client.half_close().await;
    assert_eq!(client.client.rest().await, b"+PONG\r\n+PONG\r\n");
}

#[tokio::test]
async fn replies_to_a_long_pipeline_wait_until_they_are_read() {
    let gateway = resp("");
    let mut client = Redis::of(&gateway).await;
    // Fifty times as long as what it asks with, and far more than is kept for a client.
    let commands = "COMMAND DOCS\r\n".repeat(2_000);
    client.client.write(commands).await;
    client.client.write("QUIT\r\n").await;
    let replies = client.client.rest().await;
    assert!(replies.ends_with(b"+OK\r\n"));
    let named = replies.windows(11).filter(|window| *window == b"cl.throttle").count();
    assert_eq!(named, 2_000);
}

#[tokio::test]
async fn a_client_without_the_token_and_one_with_half_a_command_are_not_waited_for() {
    let mut policy = policy("token = \"0123456789abcdef\"\n");
    policy.gateway.header_timeout = std::time::Duration::from_millis(50);
    let gateway = at_once(Gateway::start(policy)).unwrap();
    let mut silent = Redis::of(&gateway).await;
    let mut slow = Redis::of(&gateway).await;
    slow.says("AUTH 0123456789abcdef\r\n", "+OK\r\n").await;
    let mut patient = Redis::of(&gateway).await;
    patient.says("AUTH 0123456789abcdef\r\n", "+OK\r\n").await;
    slow.client.write("*2\r\n$4\r\nECHO\r\n").await;
    assert!(silent.client.closed_cleanly().await && slow.client.closed_cleanly().await);
    // It was there before both, and only has nothing to ask.
    patient.says("PING\r\n", "+PONG\r\n").await;
}

#[tokio::test]
async fn an_outage_of_the_store_is_the_policys() {
    let down = "[store]\nurl = \"redis://127.0.0.1:1\"\n";
    for (outage, reply) in
        [("deny", "-ERR "), ("local", "*5\r\n:0\r\n:1\r\n:0\r\n:-1\r\n"), ("allow", "*5\r\n:0\r\n")]
    {
        let policy = policy(&format!("{down}outage = \"{outage}\"\n"));
        let gateway = Gateway::start(policy).await.unwrap();
        let mut client = Redis::of(&gateway).await;
        client.says("CL.THROTTLE a 0 1 86400\r\n", reply).await;
        let errors = u64::from(outage == "deny");
        let series = "sluicegate_throttle_decisions_total{command=\"cl.throttle\",decision=\"error\"}";
        assert_eq!(metric(&gateway, series).await, errors, "{outage}");
    }
}

#[tokio::test]
async fn a_drain_answers_what_is_on_its_way_and_closes() {
    let gateway = resp("");
    let address = gateway.resp_address().expect("the policy has one");
    let mut client = Redis::of(&gateway).await;
    client.says("PING\r\n", "+PONG\r\n").await;
    assert_eq!(gateway.drain().await.cut, 0);
    assert!(client.client.closed_cleanly().await);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_reload_changes_the_token_for_those_who_come_later() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("sluicegate.toml");
    let write = |token: &str| std::fs::write(&file, text(&format!("token = \"{token}\"\n"))).unwrap();
    write("0123456789abcdef");
    let mut origin =
        sluicegate_gateway::Origin::new(Some(file.clone()), sluicegate_policy::Overrides::default());
    let policy = origin.read().unwrap();
    let gateway = Gateway::start_from(origin, policy).await.unwrap();
    let mut client = Redis::of(&gateway).await;
    client.says("AUTH 0123456789abcdef\r\n", "+OK\r\n").await;
    write("fedcba9876543210");
    assert!(gateway.reload().await.unwrap().needs_restart.is_empty());
    client.says("PING\r\n", "+PONG\r\n").await;
    let mut later = Redis::of(&gateway).await;
    later.says("AUTH 0123456789abcdef\r\n", "-WRONGPASS ").await;
    let mut later = Redis::of(&gateway).await;
    later.says("AUTH fedcba9876543210\r\n", "+OK\r\n").await;
}

/// A client on one connection.
struct Redis {
    client: Client,
}

impl Redis {
    async fn of(gateway: &Gateway) -> Self {
        Self { client: Client::connect(gateway.resp_address().expect("the policy has one")).await }
    }

    /// Sends bytes, and reads as many as it expects.
    async fn says(&mut self, sent: &str, expected: &str) {
        self.client.write(sent).await;
        let read = soon(self.client.bytes(expected.len())).await;
        assert_eq!(String::from_utf8_lossy(&read), expected, "{sent}");
    }
}

fn resp(more: &str) -> Gateway {
    at_once(Gateway::start(policy(more))).expect("loopback has free ports")
}

fn policy(more: &str) -> Policy {
    Policy::parse(&Source::new("test.toml", text(more).as_bytes()).expect("it is small"))
        .expect("it is valid")
}

fn text(more: &str) -> String {
    [POLICY, more].concat()
}

const POLICY: &str = r#"
[gateway]
admin = "127.0.0.1:0"
threads = 1

[decisions]
listen = "127.0.0.1:0"
resp = "127.0.0.1:0"
"#;

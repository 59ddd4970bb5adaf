//! `sluicegate serve`, as a shell runs it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;

use serde_json::Value;
use sluicegate_test_servers::RedisServer;
use tempfile::TempDir;

#[test]
fn flags_alone_make_a_gateway_that_limits_and_drains() {
    let folder = TempDir::new().unwrap();
    let upstream = upstream();
    let flags =
        ["--limit", "2/hour", "--limit", "100/day", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let url = format!("http://{upstream}");
    let mut gateway = Serving::start(sluicegate(folder.path()).args(flags).args(["--upstream", &url]));

    let statuses: Vec<_> = (0..3).map(|_| get(gateway.listen, "/predict")).collect();
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(get(gateway.admin, "/readyz"), 200);

    gateway.signal("TERM");
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
    assert_eq!(gateway.logged("drained")["cut"], 0);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = TempDir::new().unwrap();
    let url = format!("http://{}", upstream());
    let policy = "[gateway]\nlisten = \"0.0.0.0:1\"\nadmin = \"0.0.0.0:1\"\n[defaults]\nlimits = \"1/day\"\n";
    fs::write(folder.path().join("sluicegate.toml"), policy).unwrap();
    let mut command = sluicegate(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--upstream", &url]);
    command.env("SLUICEGATE_GATEWAY__LISTEN", "0.0.0.0:2").env("SLUICEGATE_GATEWAY__ADMIN", "127.0.0.1:0");
    let gateway = Serving::start(&mut command);
    assert_eq!([get(gateway.listen, "/"), get(gateway.listen, "/")], [200, 429]);
}

#[test]
fn a_filter_of_the_log_that_cannot_be_read_is_told_and_leaves_level_info() {
    let folder = TempDir::new().unwrap();
    let flags = ["--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let mut command = sluicegate(folder.path());
    let mut child =
        command.args(flags).env("SLUICEGATE_LOG", "a=b=c").stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);

    let told: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
    assert_eq!((&told["level"], &told["SLUICEGATE_LOG"]), (&"WARN".into(), &"a=b=c".into()), "{told}");
    assert!(lines.any(|line| line.contains("\"message\":\"serving\"")));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_metrics_are_those_that_the_documentation_lists() {
    let folder = TempDir::new().unwrap();
    let flags = ["--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let gateway = Serving::start(sluicegate(folder.path()).args(flags).args(["--limit", "1/s"]));
    let (_, metrics) = request(gateway.admin, "/metrics");
    let mut served: Vec<_> = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    served.sort_unstable();

    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let docs = fs::read_to_string(docs).unwrap();
    let rows = docs.lines().filter(|line| line.starts_with("| `sluicegate_"));
    let mut listed: Vec<_> = rows
        .map(|row| {
            let mut cells = row.split('|').skip(1).map(|cell| cell.trim().trim_matches('`'));
            [cells.next().unwrap(), cells.next().unwrap()].join(" ")
        })
        .collect();
    listed.sort_unstable();
    assert_eq!(served, listed);
}

#[test]
fn a_policy_without_limits_is_served_with_a_warning() {
    let folder = TempDir::new().unwrap();
    let flags = ["--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let mut child = sluicegate(folder.path()).args(flags).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.contains("no limits"), "{line}");
}

#[test]
fn warnings_are_logged_with_place_and_remedy_at_the_start_and_with_a_reload() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("sluicegate.toml");
    fs::write(&file, "[[route]]\npath = '/v1/*'\nlimits = '1/s'").unwrap();
    let flags = ["--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let mut child = sluicegate(folder.path()).args(flags).stderr(Stdio::piped()).spawn().unwrap();
    let logs = BufReader::new(child.stderr.take().unwrap());
    let nowhere = SocketAddr::from(([0; 4], 0));
    let mut gateway = Serving { child, logs, listen: nowhere, admin: nowhere };
    let warning = |parameter: &str| {
        format!(
            "`{parameter}` is not a parameter here: only requests whose path has exactly these characters match the route"
        )
    };
    let event = gateway.logged(&warning("*"));
    assert_eq!(
        (&event["level"], &event["place"]),
        (&Value::from("WARN"), &Value::from("sluicegate.toml:2:8"))
    );
    assert_eq!(event["help"], "write it as \"/v1/{*rest}\"");
    gateway.logged("serving");

    fs::write(&file, "[[route]]\npath = '/v1/:id'\nlimits = '1/s'").unwrap();
    gateway.signal("HUP");
    assert_eq!(gateway.logged(&warning(":id"))["help"], "write it as \"/v1/{id}\"");
}

#[test]
fn a_store_that_goes_and_comes_back_is_logged_once_each_and_its_password_never() {
    let folder = TempDir::new().unwrap();
    let redis = RedisServer::builder().password("hunter2").start();
    let url = format!("http://{}", upstream());
    let mut command = sluicegate(folder.path());
    let flags = ["--limit", "1000000/day", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    command.args(flags).args(["--upstream", &url, "--store", &redis.url()]);
    command.env("SLUICEGATE_STORE__TIMEOUT", "1s");
    let mut gateway = Serving::start(&mut command);
    let up = |gateway: &Serving, up: &str| {
        assert_eq!(get(gateway.listen, "/"), 200);
        request(gateway.admin, "/metrics").1.contains(&format!("\nsluicegate_store_up {up}\n"))
    };
    redis.kill();
    assert!((0..20).any(|_| up(&gateway, "0")), "a few failures are enough");
    for _ in 0..10 {
        assert!(up(&gateway, "0"));
    }
    redis.restart();
    assert!((0..20_000).any(|_| up(&gateway, "1")), "it has been back for long");

    gateway.signal("TERM");
    let mut log = String::new();
    gateway.logs.read_to_string(&mut log).unwrap();
    let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!(
        (lines("the store does not answer: "), lines("the store answers again after ")),
        (1, 1),
        "{log}"
    );
    assert!(log.contains("; limits follow their outage policy"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn a_store_that_cannot_be_used_is_told_instead_of_served() {
    let folder = TempDir::new().unwrap();
    let redis = RedisServer::builder().password("hunter2").start();
    let flags = ["--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let wrong = redis.url().replace("hunter2", "hunter3");
    let output = sluicegate(folder.path()).args(flags).args(["--store", &wrong]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the store cannot be used: ") && !said.contains("hunter"), "{said}");
}

#[test]
fn a_second_signal_ends_the_drain_at_once() {
    let folder = TempDir::new().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut gateway = Serving::before(&silent, folder.path(), "1h");
    let mut client = TcpStream::connect(gateway.listen).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    let _request = silent.accept().unwrap();

    gateway.signal("TERM");
    gateway.logged("draining; a second signal stops at once");
    gateway.signal("INT");
    gateway.logged("stopped before the drain was over");
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_drain_is_over_at_its_deadline_whatever_still_runs() {
    let folder = TempDir::new().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut gateway = Serving::before(&silent, folder.path(), "100ms");
    let mut client = TcpStream::connect(gateway.listen).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    let _request = silent.accept().unwrap();

    gateway.signal("TERM");
    assert_eq!(gateway.logged("drained")["cut"], 1);
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
}

#[test]
fn sighup_reads_the_policy_again_below_the_same_flags_and_environment() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("sluicegate.toml");
    let policy = |quota: &str| format!("[defaults]\nlimits = [{{ name = \"all\", quota = \"{quota}\" }}]\n");
    fs::write(&file, policy("1/day")).unwrap();
    let url = format!("http://{}", upstream());
    let mut command = sluicegate(folder.path());
    command.args(["--listen", "127.0.0.1:0", "--upstream", &url]);
    command.env("SLUICEGATE_GATEWAY__ADMIN", "127.0.0.1:0");
    let mut gateway = Serving::start(&mut command);

    fs::write(&file, policy("nothing")).unwrap();
    gateway.signal("HUP");
    let refused = gateway.logged("the policy was not reloaded; the old one stays");
    assert!(refused["error"].as_str().unwrap().starts_with("sluicegate.toml:2:"), "{refused}");
    assert_eq!([get(gateway.listen, "/"), get(gateway.listen, "/")], [200, 429]);

    fs::write(&file, "").unwrap();
    gateway.signal("HUP");
    assert_eq!(gateway.logged("reloaded the policy")["removed_limits"], "all");
    assert_eq!(get(gateway.listen, "/"), 200);
}

/// A gateway that runs until this is dropped.
struct Serving {
    child: Child,
    logs: BufReader<ChildStderr>,
    listen: SocketAddr,
    admin: SocketAddr,
}

impl Serving {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let logs = BufReader::new(child.stderr.take().unwrap());
        let nowhere = SocketAddr::from(([0; 4], 0));
        let mut serving = Self { child, logs, listen: nowhere, admin: nowhere };
        let event = serving.logged("serving");
        let address = |name: &str| event[name].as_str().unwrap().parse().unwrap();
        (serving.listen, serving.admin) = (address("listen"), address("admin"));
        serving
    }

    /// Before this upstream, with this drain timeout.
    fn before(upstream: &TcpListener, folder: &Path, drain_timeout: &str) -> Self {
        let url = format!("http://{}", upstream.local_addr().unwrap());
        let flags = ["--upstream", &url, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let mut command = sluicegate(folder);
        Self::start(command.args(flags).env("SLUICEGATE_GATEWAY__DRAIN_TIMEOUT", drain_timeout))
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// The next event with this message.
    fn logged(&mut self, message: &str) -> Value {
        let events =
            self.logs.by_ref().lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        events.into_iter().find(|event| event["message"] == message).expect(message)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // A test that has seen it end leaves nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sluicegate(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.current_dir(folder).env_remove("SLUICEGATE_CONFIG").env_remove("SLUICEGATE_LOG");
    command
}

/// A server that answers every request with an empty 200.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            thread::spawn(move || {
                let mut reader = BufReader::new(connection.try_clone().unwrap());
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                    if line == "\r\n"
                        && connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err()
                    {
                        return;
                    }
                    line.clear();
                }
            });
        }
    });
    address
}

/// The status of one GET.
fn get(address: SocketAddr, path: &str) -> u16 {
    request(address, path).0
}

/// The status and the rest of the answer to one GET.
fn request(address: SocketAddr, path: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

//! Commands to a server besides the store's.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    thread,
    time::Duration,
};

use sluicegate_test_servers::MemcachedServer;

/// The names of its items, once there are this many.
pub(crate) fn names(server: &MemcachedServer, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    // An item that is moved from one list to another meanwhile is not in the dump.
    let is_complete = || {
        all = dump(server);
        all.len() == count
    };
    eventually(is_complete, &format!("there are {count} items"));
    all
}

/// The same, where now and then one is missing.
pub(crate) fn dump(server: &MemcachedServer) -> Vec<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a good time");
    stream.write_all(b"lru_crawler metadump all\r\n").expect("it reads");
    let lines = BufReader::new(stream).lines().map(|line| line.expect("it answers"));
    lines.take_while(|line| line != "END").map(|line| name(&line)).collect()
}

/// The name in a line of the dump, where it is percent-encoded.
fn name(line: &str) -> String {
    let encoded = line.strip_prefix("key=").and_then(|rest| rest.split(' ').next()).expect(line);
    let mut parts = encoded.split('%');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        name.push(char::from(u8::from_str_radix(&part[..2], 16).expect(line)));
        name.push_str(&part[2..]);
    }
    name
}

/// For how many seconds it keeps an item.
pub(crate) fn lives(server: &MemcachedServer, name: &str) -> u64 {
    let answer = server.command(&format!("mg {name} t")).concat();
    answer.strip_prefix("HD t").and_then(|seconds| seconds.parse().ok()).expect(&answer)
}

/// Waits until something holds, for ten seconds at most.
pub(crate) fn eventually(mut holds: impl FnMut() -> bool, what: &str) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        thread::park_timeout(Duration::from_millis(5));
    }
    panic!("not within ten seconds: {what}");
}

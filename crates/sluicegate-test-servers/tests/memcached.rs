//! Memcached servers start, answer, fail as they are told to, and are gone afterwards.

use std::{net::TcpStream, path::Path};

use sluicegate_test_servers::MemcachedServer;

fn runs(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[test]
fn a_server_answers_and_is_gone_when_it_is_dropped() {
    let server = MemcachedServer::start();
    let (pid, port) = (server.pid(), server.port());

    assert_eq!(server.command("mn"), ["MN"]);
    assert_eq!(server.url(), format!("memcached://127.0.0.1:{port}"));
    assert!(runs(pid));

    drop(server);
    assert!(!runs(pid) && TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_flush_forgets_everything_and_so_does_a_restart() {
    let server = MemcachedServer::start();
    for forget in [MemcachedServer::flush_all, MemcachedServer::restart] {
        assert_eq!(server.command("ma key N0 J7 v"), ["VA 1", "7"]);
        assert_eq!(server.command("mg key v"), ["VA 1", "7"]);
        forget(&server);
        assert_eq!(server.command("mg key v"), ["EN"]);
    }
}

#[test]
fn a_killed_server_is_away_until_it_is_restarted() {
    let server = MemcachedServer::start_with(&["-m", "2"]);
    server.kill();
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());

    server.restart();
    assert_eq!(server.command("mn"), ["MN"]);
}

#[test]
fn a_paused_server_answers_once_it_is_resumed() {
    let server = MemcachedServer::start();
    server.pause();
    let asked = std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.command("mn"));
        assert!(!asked.is_finished());
        server.resume();
        asked.join()
    });

    assert_eq!(asked.expect("an answer"), ["MN"]);
}

//! A proxy fails as it is told to.

// Delays are real.
#![allow(clippy::disallowed_methods)]

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use sluicegate_test_servers::{FaultProxy, RedisServer};

fn server_and_proxy() -> (RedisServer, FaultProxy) {
    let server = RedisServer::start();
    let proxy = FaultProxy::before(SocketAddr::from(([127, 0, 0, 1], server.port())));
    (server, proxy)
}

fn connect(proxy: &FaultProxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).expect("the proxy accepts");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("an open socket");
    stream
}

fn ping(stream: &mut TcpStream) -> Result<(), ErrorKind> {
    let mut answer = [0; 7];
    stream
        .write_all(b"PING\r\n")
        .and_then(|()| stream.read_exact(&mut answer))
        .map_err(|error| error.kind())?;
    assert_eq!(&answer, b"+PONG\r\n");
    Ok(())
}

#[test]
fn bytes_pass_both_ways() {
    let (_server, proxy) = server_and_proxy();
    let mut stream = connect(&proxy);

    assert_eq!(ping(&mut stream), Ok(()));
    assert_eq!(ping(&mut stream), Ok(()));
}

#[test]
fn an_end_is_passed_on() {
    let (_server, proxy) = server_and_proxy();
    let mut stream = connect(&proxy);
    stream.write_all(b"QUIT\r\n").expect("an open connection");

    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an orderly end");
    assert_eq!(answer, "+OK\r\n");
}

#[test]
fn a_delay_is_felt_once_by_commands_that_are_sent_together() {
    let (_server, proxy) = server_and_proxy();
    let mut stream = connect(&proxy);
    proxy.delay(Duration::from_millis(120), Duration::from_millis(80));

    let start = Instant::now();
    stream.write_all(&b"PING\r\n".repeat(50)).expect("an open connection");
    stream.read_exact(&mut [0; 7 * 50]).expect("fifty answers");
    let taken = start.elapsed();
    assert!(taken >= Duration::from_millis(200) && taken < Duration::from_secs(2), "{taken:?}");
}

#[test]
fn a_reset_reaches_every_connection_that_is_open_and_no_later_one() {
    let (server, proxy) = server_and_proxy();
    let mut streams = [connect(&proxy), connect(&proxy)];
    for stream in &mut streams {
        assert_eq!(ping(stream), Ok(()));
    }

    proxy.reset();

    for stream in &mut streams {
        assert_eq!(stream.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
    }
    assert_eq!(ping(&mut connect(&proxy)), Ok(()));
    assert_eq!(server.command(&["PING"]), "PONG");
}

#[test]
fn nothing_comes_out_of_a_black_hole() {
    let (server, proxy) = server_and_proxy();
    let mut open = connect(&proxy);
    assert_eq!(ping(&mut open), Ok(()));
    proxy.black_hole();

    let mut new = connect(&proxy);
    for stream in [&mut open, &mut new] {
        stream.set_read_timeout(Some(Duration::from_millis(50))).expect("an open socket");
        stream.write_all(b"INCR n\r\n").expect("it takes everything");
        assert_eq!(stream.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    }

    proxy.pass();
    assert_eq!(ping(&mut connect(&proxy)), Ok(()));
    assert_eq!(open.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
    assert_eq!(server.command(&["GET", "n"]), "(nil)");
}

#[test]
fn a_proxy_that_refuses_is_like_a_server_that_is_gone() {
    let (_server, proxy) = server_and_proxy();
    let mut stream = connect(&proxy);
    assert_eq!(ping(&mut stream), Ok(()));
    for _ in 0..3 {
        proxy.refuse();
        let refused = TcpStream::connect(proxy.address()).expect_err("nobody listens");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        proxy.pass();
        assert_eq!(ping(&mut connect(&proxy)), Ok(()));
    }
    assert_eq!(stream.read(&mut [0]).map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset));
}

#[test]
fn a_proxy_that_is_dropped_is_gone_even_while_its_clients_do_not_read() {
    let (_server, proxy) = server_and_proxy();
    let mut stream = connect(&proxy);
    let address = proxy.address();
    stream.write_all(b"SETRANGE big 8000000 end\r\n").expect("an open connection");
    stream.write_all(&b"GET big\r\n".repeat(4)).expect("an open connection");
    let mut first = [0; 1];
    stream.read_exact(&mut first).expect("an answer");

    thread::spawn(move || drop(proxy)).join().expect("it ends");
    assert!(TcpStream::connect(address).is_err());
}

#!/usr/bin/env bash
# A server on hyper whose response body yields a last frame and then fails at once, as one does that tells its client why a
# stream breaks off, never sends that frame: neither over HTTP/1.1 nor over HTTP/2. The error closes the connection, or resets
# the stream, before what is buffered has been written. One `Pending` between the frame and the error is enough if the socket
# takes the bytes at once; a client that reads slowly needs more time.
#
# Seen with hyper 1.12.0, hyper-util 0.1.21, http-body-util 0.1.5, tokio 1.54.1. The body is "first ", "last words", an error:
#   HTTP/1.1, None: "first ", then an error
#   HTTP/1.1, Yield: "first last words", then an error
#   HTTP/1.1, Time: "first last words", then an error
#   HTTP/2, None: "first ", then an error
#   HTTP/2, Yield: "first last words", then an error
#   HTTP/2, Time: "first last words", then an error
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat > "$folder/Cargo.toml" <<'TOML'
[package]
name = "words"
version = "0.0.0"
edition = "2021"

[dependencies]
bytes = "=1.12.1"
http-body-util = "=0.1.5"
hyper = { version = "=1.12.0", features = ["client", "http1", "http2", "server"] }
hyper-util = { version = "=0.1.21", features = ["tokio"] }
futures-util = { version = "=0.3.34", default-features = false }
tokio = { version = "=1.54.1", features = ["macros", "net", "rt", "time"] }
TOML
cat > "$folder/src/main.rs" <<'RUST'
use std::{convert::Infallible, io, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    client, server,
    service::service_fn,
    Request, Response,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

/// The waiting between the last bytes of a body and its error.
#[derive(Clone, Copy, Debug)]
enum Gap {
    None,
    Yield,
    Time,
}

/// A body of two pieces that then fails. The first piece is on its way when the second is made.
async fn answer(gap: Gap) -> Result<Response<StreamBody<impl stream::Stream<Item = io::Result<Frame<Bytes>>>>>, Infallible> {
    let pieces = stream::unfold(0, move |step| async move {
        let piece = match step {
            0 => Ok("first "),
            1 => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok("last words")
            }
            2 => {
                match gap {
                    Gap::None => {}
                    Gap::Yield => tokio::task::yield_now().await,
                    Gap::Time => tokio::time::sleep(Duration::from_millis(50)).await,
                }
                Err(io::Error::other("the model has failed"))
            }
            _ => return None,
        };
        Some((piece.map(|text| Frame::data(Bytes::from_static(text.as_bytes()))), step + 1))
    });
    Ok(Response::new(StreamBody::new(pieces)))
}

async fn seen(http2: bool, gap: Gap) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        let stream = TokioIo::new(listener.accept().await.unwrap().0);
        let service = service_fn(move |_: Request<Incoming>| answer(gap));
        if http2 {
            let _ = server::conn::http2::Builder::new(Local).serve_connection(stream, service).await;
        } else {
            let _ = server::conn::http1::Builder::new().serve_connection(stream, service).await;
        }
    });
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let request = Request::get("http://model/").header("host", "model").body(Empty::<Bytes>::new()).unwrap();
    let mut body = if http2 {
        let (mut sender, connection) = client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap().into_body()
    } else {
        let (mut sender, connection) = client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap().into_body()
    };
    let mut text = String::new();
    loop {
        match body.frame().await {
            None => break format!("{text:?}, then a proper end"),
            Some(Err(_)) => break format!("{text:?}, then an error"),
            Some(Ok(frame)) => text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
        }
    }
}

#[derive(Clone)]
struct Local;

impl<F: std::future::Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    tokio::task::LocalSet::new()
        .run_until(async {
            for (name, http2) in [("HTTP/1.1", false), ("HTTP/2", true)] {
                for gap in [Gap::None, Gap::Yield, Gap::Time] {
                    println!("{name}, {gap:?}: {}", seen(http2, gap).await);
                }
            }
        })
        .await;
}
RUST
cd "$folder"
CARGO_TARGET_DIR="$folder/target" cargo run --quiet > seen.txt
cat seen.txt
cat > expected.txt <<'TEXT'
HTTP/1.1, None: "first ", then an error
HTTP/1.1, Yield: "first last words", then an error
HTTP/1.1, Time: "first last words", then an error
HTTP/2, None: "first ", then an error
HTTP/2, Yield: "first last words", then an error
HTTP/2, Time: "first last words", then an error
TEXT
cmp seen.txt expected.txt || { echo "this has changed"; exit 1; }
echo "as described"

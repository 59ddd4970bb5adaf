#!/usr/bin/env bash
# A server on hyper takes an HTTP/2 upload that the client broke off with RST_STREAM(NO_ERROR) for a complete one: the body
# ends after the bytes that came, without an error, even if `content-length` promised more. With any other code, CANCEL
# for one, reading the body fails. RFC 9113, section 8.1, gives NO_ERROR this meaning for responses only: a *server* may ask a
# client to stop uploading. Code that stores, meters or forwards uploads has to compare lengths itself.
#
# Seen with hyper 1.12.0, h2 0.4.20, tokio 1.54.1, http 1.5.0, http-body-util 0.1.5, hyper-util 0.1.21:
#   NO_ERROR, no length: complete, 4 bytes
#   NO_ERROR, content-length 10: complete, 4 bytes
#   CANCEL, no length: error
#   CANCEL, content-length 10: error
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat > "$folder/Cargo.toml" <<'TOML'
[package]
name = "reset"
version = "0.0.0"
edition = "2021"

[dependencies]
bytes = "=1.12.1"
h2 = "=0.4.20"
http = "=1.5.0"
http-body-util = "=0.1.5"
hyper = { version = "=1.12.0", features = ["http2", "server"] }
hyper-util = { version = "=0.1.21", features = ["tokio"] }
tokio = { version = "=1.54.1", features = ["macros", "net", "rt", "sync", "time"] }
TOML
cat > "$folder/src/main.rs" <<'RUST'
use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use h2::Reason;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::{TcpListener, TcpStream}, sync::mpsc, time::timeout};

async fn upload(reason: Reason, length: Option<&str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, mut told) = mpsc::unbounded_channel();
    let (began, mut begun) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service_fn(move |request: Request<Incoming>| {
            let (tell, began) = (tell.clone(), began.clone());
            async move {
                let mut body = request.into_body();
                let mut bytes = 0;
                let outcome = loop {
                    match body.frame().await {
                        None => break format!("complete, {bytes} bytes"),
                        Some(Err(_)) => break "error".to_owned(),
                        Some(Ok(frame)) => {
                            bytes += frame.data_ref().map_or(0, Bytes::len);
                            let _ = began.send(());
                        }
                    }
                };
                let _ = tell.send(outcome);
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        });
        let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
    });
    let (client, connection) = h2::client::handshake(TcpStream::connect(address).await.unwrap()).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::post("http://localhost/");
    if let Some(length) = length {
        request = request.header("content-length", length);
    }
    let mut client = client.ready().await.unwrap();
    let (_response, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
    body.send_data(Bytes::from_static(b"half"), false).unwrap();
    begun.recv().await.unwrap();
    body.send_reset(reason);
    timeout(Duration::from_secs(10), told.recv()).await.expect("the body ends").unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for (name, reason) in [("NO_ERROR", Reason::NO_ERROR), ("CANCEL", Reason::CANCEL)] {
        for (length, called) in [(None, "no length"), (Some("10"), "content-length 10")] {
            println!("{name}, {called}: {}", upload(reason, length).await);
        }
    }
}
RUST
told=$(cd "$folder" && CARGO_TARGET_DIR="$folder/target" cargo run --quiet)
echo "$told"
[ "$told" = "NO_ERROR, no length: complete, 4 bytes
NO_ERROR, content-length 10: complete, 4 bytes
CANCEL, no length: error
CANCEL, content-length 10: error" ]

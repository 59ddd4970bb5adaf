//! A client with an address of its own: accounts are kept per address.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::time::Instant;

/// A client at one address of the loopback network.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    address: Ipv4Addr,
    server: SocketAddr,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    /// The client at 127.0.0.`host`.
    pub(crate) fn new(host: u8, server: SocketAddr) -> Self {
        Self { address: Ipv4Addr::new(127, 0, 0, host), server, headers: Vec::new() }
    }

    /// The same client, with this header in every request.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name, value.to_owned()));
        client
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body.to_string().into()).await
    }

    /// POSTs one flower.
    pub(crate) async fn predict(&self, path: &str) -> Answer {
        self.post(path, &json!({"input": SETOSA})).await
    }

    /// POSTs a batch of so many flowers.
    pub(crate) async fn predict_batch(&self, path: &str, flowers: usize) -> Answer {
        self.post(path, &json!({"inputs": vec![SETOSA; flowers]})).await
    }

    /// Sends until the first denial, and holds the number of admitted requests against the quota: all of `amount`, and
    /// no more than what `window` gives back in the time that it took. Returns that number and the denial.
    pub(crate) async fn spend(&self, path: &str, amount: u32, window: Duration) -> (u32, Answer) {
        let start = Instant::now();
        for admitted in 0..1_000 {
            let answer = if path.contains("batch") {
                self.predict_batch(path, 1).await
            } else {
                self.predict(path).await
            };
            if answer.status == 429 {
                let given_back = start.elapsed().as_nanos() * u128::from(amount) / window.as_nanos();
                let allowed = u128::from(amount)..=u128::from(amount) + given_back;
                assert!(
                    allowed.contains(&u128::from(admitted)),
                    "{path}: {admitted} admitted, not {allowed:?}"
                );
                return (admitted, answer);
            }
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
        panic!("{path} is not limited")
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Bytes) -> Answer {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind((self.address, 0).into()).unwrap();
        let stream = socket.connect(self.server).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        // What goes wrong with the connection is told to the one that waits for the answer.
        tokio::spawn(async { drop(connection.await) });
        let mut request = Request::builder().method(method).uri(path).header(HOST, "demo");
        request = request.header(CONTENT_TYPE, "application/json");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let answer = sender.send_request(request.body(Full::new(body)).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }
}

/// A response to a client.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The `detail` of a problem document.
    pub(crate) fn detail(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.json()["status"], self.status);
        self.json()["detail"].as_str().unwrap_or_default().to_owned()
    }

    /// The seconds of `Retry-After`.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.header("retry-after").map(|seconds| seconds.parse().unwrap())
    }
}

const SETOSA: [f64; 4] = [5.1, 3.5, 1.4, 0.2];

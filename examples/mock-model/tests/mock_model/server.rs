//! A mock model on a free port, and a client that sees every byte.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use mock_model::{Ledger, MockModel, Settings, Totals};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

pub(crate) struct Server {
    model: MockModel,
    address: SocketAddr,
}

impl Server {
    /// A server that was started with these flags.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let Flags { settings } = Flags::parse_from([&["mock-model"], flags].concat());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let model = MockModel::new(settings);
        tokio::spawn(model.clone().serve(listener));
        Self { model, address }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.model.ledger()
    }

    /// Waits until so many chunks are produced.
    pub(crate) async fn produces(&self, chunks: u64) {
        for _ in 0..3000 {
            if self.ledger().totals().chunks >= chunks {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("no {chunks} chunks are produced: {:?}", self.ledger().totals())
    }

    /// The totals when no request is in progress any more.
    pub(crate) async fn totals_at_rest(&self) -> Totals {
        for _ in 0..3000 {
            let totals = self.ledger().totals();
            if totals.running == 0 {
                return totals;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("requests are still in progress: {:?}", self.ledger().totals())
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        self.post_with(path, body, &[]).await
    }

    /// POSTs with settings for this request, and reads the response to its end.
    pub(crate) async fn post_with(&self, path: &str, body: &str, settings: &[(&str, &str)]) -> Reply {
        let mut connection = self.send("POST", path, body, settings).await;
        let mut bytes = Vec::new();
        let read = timeout(TIMEOUT, connection.read_to_end(&mut bytes)).await.unwrap();
        Reply {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            length: bytes.len(),
            is_reset: read.is_err(),
        }
    }

    /// Sends a request and returns the connection, on which the response comes.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: &str,
        settings: &[(&str, &str)],
    ) -> TcpStream {
        let settings: String =
            settings.iter().map(|(name, value)| format!("x-mock-{name}: {value}\r\n")).collect();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: mock\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{settings}\r\n"
        );
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        connection.write_all((head + body).as_bytes()).await.unwrap();
        connection
    }
}

/// Reads from a connection until the bytes have come `times` times.
pub(crate) async fn read_until(connection: &mut TcpStream, bytes: &str, times: usize) -> String {
    let mut text = String::new();
    while text.matches(bytes).count() < times {
        let mut buffer = [0; 4096];
        let length = timeout(TIMEOUT, connection.read(&mut buffer)).await.unwrap().unwrap();
        assert_ne!(length, 0, "the response ended after {text}");
        text += &String::from_utf8_lossy(buffer.get(..length).unwrap());
    }
    text
}

/// A response, head and framing included.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Bytes that are not UTF-8 are replaced.
    pub(crate) text: String,
    /// The number of bytes.
    pub(crate) length: usize,
    pub(crate) is_reset: bool,
}

impl Reply {
    pub(crate) fn status(&self) -> u16 {
        self.text.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The bytes after the head.
    pub(crate) fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").unwrap().1
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The JSON documents of a stream, one for each event or line.
    pub(crate) fn events(&self) -> Vec<Value> {
        let lines = self.chunks().concat();
        let documents = lines.lines().map(|line| line.strip_prefix("data: ").unwrap_or(line));
        documents
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The chunks of a chunked body.
    pub(crate) fn chunks(&self) -> Vec<String> {
        let mut rest = self.body();
        let mut chunks = Vec::new();
        while let Some((length, tail)) = rest.split_once("\r\n") {
            let length = usize::from_str_radix(length, 16).unwrap();
            let Some(chunk) = tail.as_bytes().get(..length) else { break };
            if length == 0 {
                break;
            }
            chunks.push(String::from_utf8_lossy(chunk).into_owned());
            rest = tail.get(length + 2..).unwrap_or_default();
        }
        chunks
    }

    /// Returns `true` if a chunked body ended as it should.
    pub(crate) fn is_whole(&self) -> bool {
        self.text.ends_with("\r\n0\r\n\r\n")
    }
}

#[derive(Debug, Parser)]
struct Flags {
    #[command(flatten)]
    settings: Settings,
}

const TIMEOUT: Duration = Duration::from_secs(30);

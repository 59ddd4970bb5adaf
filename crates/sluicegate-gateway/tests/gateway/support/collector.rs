//! An OpenTelemetry collector.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use tokio::{net::TcpListener, sync::mpsc};

use super::{Port, soon};

/// A collector that accepts everything, unless a test has it answer otherwise.
pub(crate) struct Collector {
    pub(crate) port: Port,
    answer: Arc<Answer>,
    received: mpsc::UnboundedReceiver<Received>,
    /// Spans that were received with others, and are not told yet.
    spans: Vec<Span>,
}

/// A request that has arrived.
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) message: Bytes,
}

struct Answer {
    status: AtomicU16,
    /// Spans that are refused of each request.
    refused: AtomicU16,
    received: mpsc::UnboundedSender<Received>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let collector = Self::away();
        collector.come().await;
        collector
    }

    /// One that does not listen yet.
    pub(crate) fn away() -> Self {
        let (sender, received) = mpsc::unbounded_channel();
        let answer = Answer { status: AtomicU16::new(200), refused: AtomicU16::new(0), received: sender };
        Self { port: Port::keep(), answer: Arc::new(answer), received, spans: Vec::new() }
    }

    /// Begins to listen.
    pub(crate) async fn come(&self) {
        tokio::spawn(serve(self.port.listen().await, Arc::clone(&self.answer)));
    }

    /// Answers with this status from now on, and refuses so many spans of each request.
    pub(crate) fn answer(&self, status: u16, refused: u16) {
        self.answer.status.store(status, SeqCst);
        self.answer.refused.store(refused, SeqCst);
    }

    /// The next request.
    pub(crate) async fn received(&mut self) -> Received {
        soon(self.received.recv()).await.expect("somebody may send")
    }

    /// The next spans, as many as are expected.
    pub(crate) async fn spans(&mut self, expected: usize) -> Vec<Span> {
        while self.spans.len() < expected {
            let received = self.received().await;
            if received.path == "/v1/traces" {
                self.spans.extend(spans(&received.message));
            }
        }
        assert_eq!(self.spans.len(), expected, "{:?}", self.spans);
        std::mem::take(&mut self.spans)
    }
}

/// All spans of a message.
pub(crate) fn spans(message: &Bytes) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(message.clone()).expect("it is OTLP");
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// Attributes by their names, as texts.
pub(crate) fn attributes(attributes: &[KeyValue]) -> BTreeMap<&str, String> {
    let told: BTreeMap<_, _> = attributes
        .iter()
        .map(|attribute| (attribute.key.as_str(), text(attribute.value.as_ref().expect("it has a value"))))
        .collect();
    assert_eq!(told.len(), attributes.len(), "each is there once: {attributes:?}");
    told
}

fn text(value: &AnyValue) -> String {
    match value.value.as_ref().expect("it has a value") {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => format!("{number:?}"),
        Value::BoolValue(truth) => truth.to_string(),
        Value::ArrayValue(texts) => format!("{:?}", texts.values.iter().map(text).collect::<Vec<_>>()),
        other => panic!("unexpected {other:?}"),
    }
}

async fn serve(listener: TcpListener, answer: Arc<Answer>) {
    while let Ok((stream, _)) = listener.accept().await {
        let answer = Arc::clone(&answer);
        let service = service_fn(move |request| receive(request, Arc::clone(&answer)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn receive(
    request: Request<Incoming>,
    answer: Arc<Answer>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let message = body.collect().await.expect("it arrives").to_bytes();
    let path = head.uri.path().to_owned();
    let _ = answer.received.send(Received { path, headers: head.headers, message });
    let partial = ExportTracePartialSuccess {
        rejected_spans: answer.refused.load(SeqCst).into(),
        error_message: "too old".to_owned(),
    };
    let partial = (partial.rejected_spans > 0).then_some(partial);
    let body = ExportTraceServiceResponse { partial_success: partial }.encode_to_vec();
    let response = Response::builder().status(answer.status.load(SeqCst)).body(Full::from(body));
    Ok(response.expect("it is valid"))
}

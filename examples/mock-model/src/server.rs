//! The server: its paths, and the life of a request for generation.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::answer::Answer;
use crate::control;
use crate::dialect::{Dialect, OpenAi};
use crate::embeddings;
use crate::endpoint::Endpoint;
use crate::ledger::{Ended, Entry, Ledger, Record};
use crate::plain;
use crate::playback::Playback;
use crate::predictions;
use crate::prompt;
use crate::settings::{Settings, Usage};
use crate::socket::{Reset, Sockets};

/// A model server without a model.
#[derive(Clone, Debug)]
pub struct MockModel(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ledger: Arc<Ledger>,
    /// The settings that it began with.
    initial: Settings,
    settings: Mutex<Settings>,
    requests: AtomicU64,
}

impl MockModel {
    /// A server with these settings for requests that override none.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Shared {
            ledger: Arc::default(),
            initial: settings.clone(),
            settings: Mutex::new(settings),
            requests: AtomicU64::new(0),
        }))
    }

    /// Its books.
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// Serves HTTP/1.1 and HTTP/2 in clear text until the future is dropped.
    ///
    /// # Errors
    ///
    /// None that a listener has: accepting a connection is tried again after every error.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        axum::serve(Sockets(listener), self.router().into_make_service_with_connect_info::<Reset>()).await
    }

    /// The settings for requests that override none.
    pub(crate) fn settings(&self) -> Settings {
        self.0.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the settings, or restores those that the server began with.
    pub(crate) fn set(&self, settings: Option<Settings>) {
        let settings = settings.unwrap_or_else(|| self.0.initial.clone());
        *self.0.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn router(self) -> Router {
        let mut router = Router::new();
        for endpoint in Endpoint::ALL {
            let generate = async move |State(model): State<Self>,
                                       ConnectInfo(reset): ConnectInfo<Reset>,
                                       headers: HeaderMap,
                                       body: Bytes| {
                let generated = model.generate(endpoint, &headers, &body, reset).await;
                generated.unwrap_or_else(|refusal| model.refuse(&refusal, endpoint.dialect))
            };
            router = router.route(endpoint.path, post(generate));
        }
        let embed = async |State(model): State<Self>, headers: HeaderMap, body: Bytes| {
            let embedded = model.embed(&headers, &body).await;
            embedded.unwrap_or_else(|refusal| model.refuse(&refusal, &OpenAi::Chat))
        };
        for path in ["/predict", "/predict/batch"] {
            let predict = async move |State(model): State<Self>, headers: HeaderMap, body: Bytes| {
                let predicted = model.predict(path, &headers, &body).await;
                predicted.unwrap_or_else(|refusal| model.refuse(&refusal, &OpenAi::Chat))
            };
            router = router.route(path, post(predict));
        }
        let models = async || Json(json!({"object": "list", "data": [{"id": "mock", "object": "model"}]}));
        router = router
            .route("/v1/embeddings", post(embed))
            .route("/v1/models", get(models))
            .route("/health", get(async || Json(json!({"status": "ok"}))))
            .route("/api/version", get(async || Json(json!({"version": "0.0.0"}))));
        for path in
            ["/v1/chat/completions/input_tokens", "/v1/responses/input_tokens", "/v1/messages/count_tokens"]
        {
            router = router.route(path, post(count_tokens));
        }
        router = router.route("/tokenize", post(tokenize));
        router.nest("/control", control::router()).layer(DefaultBodyLimit::max(LARGEST_BODY)).with_state(self)
    }

    async fn generate(
        &self,
        endpoint: Endpoint,
        headers: &HeaderMap,
        body: &[u8],
        reset: Reset,
    ) -> Result<Response, Refusal> {
        let (mut settings, body) = self.read(headers, body)?;
        let question = endpoint.dialect.read(&body).map_err(Refusal::bad_request)?;
        let (entry, number) = self.open(endpoint.path, headers, &body, &settings);
        let input = entry.input_tokens();
        let is_stream = question.stream;
        let answer = Answer::new(question, input, number, now(), &settings);
        settings.comment &= is_stream && endpoint.has_comments();
        if !settings.comment {
            sleep(settings.latency()).await;
        }
        if !is_stream {
            return Ok(plain::respond(&answer, endpoint.dialect, &settings, entry, reset).await);
        }
        let body = Playback::new(answer, endpoint.dialect, settings, entry, reset).body();
        Ok(([(CONTENT_TYPE, endpoint.stream)], body).into_response())
    }

    async fn embed(&self, headers: &HeaderMap, body: &[u8]) -> Result<Response, Refusal> {
        let (settings, body) = self.read(headers, body)?;
        let mut response = embeddings::respond(&body).map_err(Refusal::bad_request)?;
        let (mut entry, _) = self.open("/v1/embeddings", headers, &body, &settings);
        sleep(settings.latency()).await;
        if settings.usage != Usage::None {
            let input = entry.input_tokens();
            response["usage"] = json!({"prompt_tokens": input, "total_tokens": input});
        }
        entry.end(Ended::Complete);
        Ok(Json(response).into_response())
    }

    async fn predict(&self, path: &str, headers: &HeaderMap, body: &[u8]) -> Result<Response, Refusal> {
        let (settings, body) = self.read(headers, body)?;
        let response = predictions::respond(&body).map_err(Refusal::bad_request)?;
        let (mut entry, _) = self.open(path, headers, &body, &settings);
        sleep(settings.latency()).await;
        entry.end(Ended::Complete);
        Ok(Json(response).into_response())
    }

    /// The settings of a request, and its body.
    fn read(&self, headers: &HeaderMap, body: &[u8]) -> Result<(Settings, Value), Refusal> {
        let settings = self.settings().overridden(headers).map_err(Refusal::bad_request)?;
        if let Some(status) = settings.status {
            // The setting is a number of 400 to 599.
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let message = "the mock model refuses, as it was told".to_owned();
            return Err(Refusal { status, message, retry_after: settings.retry_after });
        }
        let body = serde_json::from_slice(body).map_err(|error| Refusal::bad_request(error.to_string()))?;
        Ok((settings, body))
    }

    /// Begins the entry of a request in the books. Returns it with the request's number.
    fn open(&self, path: &str, headers: &HeaderMap, body: &Value, settings: &Settings) -> (Entry, u64) {
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed);
        let id = headers.get("x-request-id").and_then(|id| id.to_str().ok());
        let input_tokens = settings.input_tokens.unwrap_or_else(|| prompt::tokens(body));
        let entry = self.0.ledger.open(Record {
            id: id.map_or_else(|| number.to_string(), str::to_owned),
            path: path.to_owned(),
            model: body["model"].as_str().unwrap_or("mock").to_owned(),
            input_tokens,
            cached_tokens: settings.cached_tokens.min(input_tokens),
            output_tokens: 0,
            chunks: 0,
            ended: Ended::Left,
        });
        (entry, number)
    }

    fn refuse(&self, refusal: &Refusal, dialect: &dyn Dialect) -> Response {
        self.0.ledger.refused();
        let error = Json(dialect.error(refusal.status.as_u16(), &refusal.message));
        let mut response = (refusal.status, error).into_response();
        if let Some(Ok(value)) = refusal.retry_after.as_deref().map(HeaderValue::from_str) {
            response.headers_mut().insert(RETRY_AFTER, value);
        }
        response
    }
}

/// The tokens of a prompt, without generation.
async fn count_tokens(State(model): State<MockModel>, headers: HeaderMap, body: Bytes) -> Response {
    match model.read(&headers, &body) {
        Ok((settings, body)) => {
            let tokens = settings.input_tokens.unwrap_or_else(|| prompt::tokens(&body));
            Json(json!({"input_tokens": tokens})).into_response()
        }
        Err(refusal) => (refusal.status, refusal.message).into_response(),
    }
}

/// The tokens of a conversation or a prompt, as vLLM counts them, or of a text, as llama-server does.
async fn tokenize(State(model): State<MockModel>, headers: HeaderMap, body: Bytes) -> Response {
    match model.read(&headers, &body) {
        Ok((settings, body)) => {
            let is_text = body["prompt"].is_null() && body["messages"].is_null();
            let counted = if is_text { prompt::tokens_of(&body["content"]) } else { prompt::tokens(&body) };
            let count = settings.input_tokens.unwrap_or(counted);
            let tokens: Vec<u64> = (0..count).collect();
            Json(json!({"count": count, "max_model_len": CONTEXT, "tokens": tokens})).into_response()
        }
        Err(refusal) => (refusal.status, refusal.message).into_response(),
    }
}

/// A response instead of generation.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    message: String,
    retry_after: Option<String>,
}

impl Refusal {
    fn bad_request(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message, retry_after: None }
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

const LARGEST_BODY: usize = 64 << 20;
/// The longest conversation that it claims to take.
const CONTEXT: u64 = 1 << 20;

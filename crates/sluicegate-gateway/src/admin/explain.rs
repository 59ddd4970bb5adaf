//! `/explain`: the decision on a request that nobody sends.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{StatusCode, header::CONTENT_TYPE},
};
use serde::Deserialize;
use serde_json::Value;

use super::Admin;
use crate::{Explanation, SampleRequest, problem::Problem};

/// The request to explain.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    request: String,
    #[serde(default)]
    headers: BTreeMap<String, Lines>,
    body: Option<Value>,
    from: Option<IpAddr>,
}

/// One header field, or several of the same name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lines {
    One(String),
    Several(Vec<String>),
}

/// 200 with the explanation, whatever the decision. Nothing is spent.
pub(super) async fn explain(
    State(admin): State<Admin>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Problem> {
    let body = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let bad = |error: String| Problem::new(StatusCode::BAD_REQUEST, format!("{error}. {QUESTION}"));
    let question: Question = serde_json::from_slice(&body).map_err(|error| bad(told(&error)))?;
    let request = question.request().map_err(bad)?;
    let generation = admin.reloads.current();
    Ok(Json(Explanation::of(&generation.gate, &request).await.to_json()))
}

impl Question {
    fn request(self) -> Result<SampleRequest, String> {
        let Self { request, headers, body, from } = self;
        let mut fields: Vec<_> = headers
            .into_iter()
            .flat_map(|(name, lines)| match lines {
                Lines::One(line) => vec![(name, line.into_bytes())],
                Lines::Several(lines) => {
                    lines.into_iter().map(|line| (name.clone(), line.into_bytes())).collect()
                }
            })
            .collect();
        let body = match body {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.into()),
            Some(document) => {
                if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str())) {
                    fields.push((CONTENT_TYPE.to_string(), b"application/json".to_vec()));
                }
                Some(document.to_string().into())
            }
        };
        let from = from.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        SampleRequest::new(&request, fields, body, from).map_err(|error| error.to_string())
    }
}

/// The place of an error: its text may show a value, and so a secret.
fn told(error: &serde_json::Error) -> String {
    format!("The body is not such a document: line {}, column {}", error.line(), error.column())
}

const QUESTION: &str = "Send a JSON object: {\"request\": \"POST /predict\", \"headers\": {\"x-api-key\": \"KEY\"}, \"body\": {}, \
     \"from\": \"192.0.2.7\"}, of which only `request` is required";

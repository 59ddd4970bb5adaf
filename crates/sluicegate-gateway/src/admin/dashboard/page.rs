//! The dashboard's page, which is part of the binary.

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::problem::Problem;

/// 200 with the page.
pub(in crate::admin) async fn show() -> Response {
    (headers("text/html; charset=utf-8"), PAGE).into_response()
}

/// 200 with a file that the page needs.
pub(in crate::admin) async fn file(Path(name): Path<String>) -> Result<Response, Problem> {
    let found = FILES.iter().find(|(known, _)| *known == name);
    let (name, text) =
        found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "The page has no such file"))?;
    let content_type = match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    };
    Ok((headers(content_type), *text).into_response())
}

/// The page runs its own scripts only, and no other page may contain it.
fn headers(content_type: &'static str) -> HeaderMap {
    let lines = HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value)));
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    lines.into_iter().chain([content_type]).collect()
}

const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    // Another version of the gateway has another page.
    (header::CACHE_CONTROL, "no-cache"),
];

const PAGE: &str = include_str!("page/index.html");

macro_rules! files {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("page/", $name)))),*] };
}

const FILES: &[(&str, &str)] = files!(
    "accounts.js" "app.js" "chart.js" "format.js" "icon.svg" "panels.js" "series.js" "stream.js" "style.css" "table.js"
    "traffic.js"
);

//! `/openapi.json`: the calls, for programs.

use bytes::Bytes;
use http::{HeaderValue, Response, header::CONTENT_TYPE};

/// 200 with the OpenAPI document.
pub(super) fn show() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(DOCUMENT.as_bytes()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

const DOCUMENT: &str = include_str!("openapi.json");

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::DOCUMENT;
    use crate::decisions::json::Endpoint;

    #[test]
    fn every_path_of_the_document_is_an_endpoint() {
        let document: Value = serde_json::from_str(DOCUMENT).expect("JSON");
        let paths = document["paths"].as_object().expect("an object");
        assert!(paths.keys().all(|path| Endpoint::of(path).is_some()));
        assert_eq!(paths.len(), Endpoint::ALL.len());
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}

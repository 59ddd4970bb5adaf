//! `/openapi.json`: the admin port's API, for programs.

use axum::{http::header, response::IntoResponse};

/// 200 with the OpenAPI document.
pub(super) async fn show() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}

const DOCUMENT: &str = include_str!("openapi.json");

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::DOCUMENT;
    use crate::admin::{GUARDED, OPEN};

    #[test]
    fn every_path_of_the_router_is_in_the_document_and_no_other() {
        let document: Value = serde_json::from_str(DOCUMENT).expect("JSON");
        let mut described: Vec<_> = document["paths"].as_object().expect("an object").keys().collect();
        let mut routed: Vec<_> = OPEN.iter().chain(GUARDED).map(|(path, _)| path).collect();
        described.sort();
        routed.sort();
        assert_eq!(described, routed);
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}

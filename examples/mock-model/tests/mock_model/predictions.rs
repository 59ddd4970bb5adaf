//! The endpoints of a classifier.

use serde_json::json;

use crate::Server;

#[tokio::test]
async fn each_item_gets_a_class() {
    let server = Server::start(&[]).await;
    let one = server.post("/predict", r#"{"input": [5.1, 3.5, 1.4, 0.2]}"#).await;
    assert_eq!((one.status(), one.json()), (200, json!({"prediction": 0})));
    let batch = server.post("/predict/batch", r#"{"inputs": [[5.1, 3.5], [6.2, 2.9], [7.7, 3.8]]}"#).await;
    assert_eq!((batch.status(), batch.json()), (200, json!({"predictions": [0, 0, 0]})));
    let totals = server.totals_at_rest().await;
    assert_eq!((totals.complete, totals.output_tokens), (2, 0));
}

#[tokio::test]
async fn a_body_without_items_is_refused() {
    let server = Server::start(&[]).await;
    for body in ["{}", r#"{"input": 5}"#, r#"{"input": [5], "inputs": [[5]]}"#, "5"] {
        let reply = server.post("/predict", body).await;
        assert_eq!(reply.status(), 400, "{body}");
        assert!(reply.body().contains("`inputs`, a list of items"), "{}", reply.text);
    }
    assert_eq!(server.post_with("/predict", r#"{"input": [5]}"#, &[("status", "503")]).await.status(), 503);
    assert_eq!(server.ledger().totals().refused, 5);
}

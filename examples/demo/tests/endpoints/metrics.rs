//! The counts on the admin port.

use serde_json::json;

use super::{Client, client, warm_demo};

#[tokio::test]
async fn metrics_count_every_request_and_every_denial_by_route_in_both_formats() {
    let demo = warm_demo().await;
    let (free, admin) = (client(&demo), Client::new(1, demo.addresses().admin));
    let (mut total, mut limited) = (0, 0);
    for _ in 0..15 {
        total += 1;
        limited += u64::from(free.predict("/predict").await.status == 429);
    }
    for _ in 0..3 {
        assert_eq!(free.get("/model-info").await.status, 200);
    }
    assert_eq!(free.predict("/premium/predict").await.status, 403);
    assert_eq!(free.get("/somewhere/else").await.status, 404);

    let summary = admin.with("accept", "application/json").get("/metrics").await.json();
    assert_eq!(summary["total_requests"], total + 5);
    assert_eq!(summary["limited_requests"], limited);
    assert_eq!(summary["endpoints"]["/predict"], json!({"total": total, "limited": limited}));
    assert_eq!(summary["endpoints"]["/model-info"], json!({"total": 3, "limited": 0}));
    assert_eq!(summary["endpoints"]["/premium/predict"], json!({"total": 1, "limited": 0}));
    assert_eq!(summary["endpoints"]["/tiered/predict"], json!({"total": 0, "limited": 0}));

    let expected = [
        ("/predict", "allow", total - limited),
        ("/predict", "deny", limited),
        ("/predict", "refuse", 0),
        ("/model-info", "allow", 3),
        ("/premium/predict", "refuse", 1),
        ("/premium/predict", "allow", 0),
        ("unmatched", "allow", 1),
    ];
    for accept in ["text/plain", "application/openmetrics-text"] {
        let text = admin.with("accept", accept).get("/metrics").await;
        for (route, decision, count) in expected {
            let line = format!(
                "sluicegate_requests_total{{route=\"{route}\",tier=\"free\",decision=\"{decision}\"}} {count}"
            );
            assert!(text.text().lines().any(|it| it == line), "{line} is not in:\n{}", text.text());
        }
        let denials = format!(
            "sluicegate_decisions_total{{limit=\"predict_10_per_minute\",decision=\"deny\"}} {limited}"
        );
        assert!(text.text().lines().any(|it| it == denials), "{denials} is not in:\n{}", text.text());
    }
}

#[tokio::test]
async fn the_admin_port_says_that_the_gateway_lives_and_is_ready() {
    let demo = warm_demo().await;
    let admin = Client::new(1, demo.addresses().admin);
    assert_eq!(admin.get("/livez").await.status, 200);
    assert_eq!(admin.get("/readyz").await.status, 200);
    // The public port does not show them: there they are the model server's to answer, and it has none.
    assert_eq!(client(&demo).get("/metrics").await.status, 404);
    assert_eq!(demo.drain().await.cut, 0);
}

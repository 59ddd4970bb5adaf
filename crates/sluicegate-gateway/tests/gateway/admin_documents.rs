//! Documents of the admin port: the policy, and its own API.

use std::fs;

use serde_json::{Value, json};
use sluicegate_gateway::{Gateway, Origin};
use sluicegate_policy::Overrides;
use tempfile::TempDir;

use crate::support::{Client, Upstream, client::Answer, gateway, gateway_with, tls::Authority};

const TOKEN: &str = "hunter2hunter2hunter2";

#[tokio::test]
async fn the_policy_is_shown_with_its_defaults_and_where_it_comes_from() {
    let folder = TempDir::new().expect("there is room");
    let file = folder.path().join("sluicegate.toml");
    let upstream = Upstream::start().await;
    let text = |quota: &str| {
        format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nupstream = \"http://{}\"\n\
             [[route]]\npath = \"/predict\"\nlimits = [{{ name = \"predict\", quota = \"{quota}\" }}]\n",
            upstream.address
        )
    };
    fs::write(&file, text("10/minute")).expect("the folder is there");
    let mut origin = Origin::new(Some(file.clone()), Overrides::default());
    let policy = origin.read().expect("it is valid");
    let gateway = Gateway::start_from(origin, policy).await.expect("loopback has free ports");

    let shown = json(&ask(&gateway, "GET", "/policy", "").await);
    assert_eq!(shown["source"]["file"], file.display().to_string());
    assert_eq!((&shown["source"]["reloads"], &shown["source"]["failed_reloads"]), (&json!(0), &json!(0)));
    assert_eq!(shown["policy"]["gateway"]["header_timeout"], "30s");
    assert_eq!(shown["policy"]["limits"][0]["quotas"], json!({ "default": "10/minute" }));

    fs::write(&file, text("20/minute")).expect("the folder is there");
    gateway.reload().await.expect("it is valid");
    let shown = json(&ask(&gateway, "GET", "/policy", "").await);
    assert_eq!(shown["policy"]["limits"][0]["quotas"], json!({ "default": "20/minute" }));
    // The gateway may have seen the change by itself.
    assert!(shown["source"]["reloads"].as_u64() >= Some(1), "{}", shown["source"]);
}

/// The policy names files with secrets and holds others: nothing of them is shown.
#[tokio::test]
async fn no_secret_is_shown() {
    let authority = Authority::new("test");
    let tls = authority.settings();
    let key = fs::read_to_string(&tls.key).expect("the authority wrote it");
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| {
        settings.admin_token = Some(TOKEN.into());
        settings.tls = Some(tls.clone());
    });
    let shown = ask(&gateway, "GET", "/policy", &format!("authorization: Bearer {TOKEN}\r\n")).await;
    assert_eq!(shown.status, 200);
    let text = shown.text();
    assert!(!text.contains("hunter2"), "{text}");
    assert!(key.lines().all(|line| !text.contains(line)), "{text}");
    let gateway = &json(&shown)["policy"]["gateway"];
    assert_eq!(gateway["admin_token"], "***");
    assert_eq!(gateway["tls"]["key"], tls.key.display().to_string());
}

#[tokio::test]
async fn the_document_names_every_method_of_every_path_and_who_may_use_it() {
    let upstream = Upstream::start().await;
    let gateway = gateway_with(upstream.address, |settings| settings.admin_token = Some(TOKEN.into()));
    let document = ask(&gateway, "GET", "/openapi.json", "").await;
    assert_eq!((document.status, document.header("content-type")), (200, Some("application/json")));
    for (path, operations) in json(&document)["paths"].as_object().expect("an object") {
        for method in ["get", "put", "post", "delete", "options", "patch", "trace"] {
            let answer = ask(&gateway, &method.to_uppercase(), path, "").await;
            match &operations[method] {
                Value::Null => assert_eq!(answer.status, 405, "{method} {path}"),
                operation => {
                    let is_guarded = operation["security"] == json!([{ "token": [] }]);
                    assert_eq!(answer.status == 401, is_guarded, "{method} {path}");
                    assert!(
                        operation["responses"].get(answer.status.to_string()).is_some(),
                        "{method} {path}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn what_a_program_gave_comes_from_no_file() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    assert_eq!(json(&ask(&gateway, "GET", "/policy", "").await)["source"]["file"], Value::Null);
}

async fn ask(gateway: &Gateway, method: &str, path: &str, headers: &str) -> Answer {
    let mut client = Client::connect(gateway.admin_address()).await;
    client
        .write(format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: 0\r\n\r\n"))
        .await;
    client.answer().await
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("JSON")
}

//! The policy as a JSON document.
#![expect(clippy::unwrap_used, reason = "a test that cannot write its input stops there")]

use serde_json::{Value, json};
use sluicegate_policy::{Policy, Source, schema};

fn document(text: &str) -> Value {
    Policy::parse(&Source::new("dir/p.toml", text.as_bytes()).unwrap())
        .unwrap_or_else(|it| panic!("{it}"))
        .document()
}

#[test]
fn no_secret_is_in_it_wherever_it_was_written() {
    for url in [
        "redis://:hunter2@cache",
        "rediss://me:hunter2@cache/0?password=hunter2",
        "redis://hunter2@cache",
        "redis+sentinel://me:hunter2@a,b/main?sentinel_password=hunter2",
        "redis+unix:///run/redis.sock?password=hunter2",
        "memcached://me:hunter2@a,b",
    ] {
        let text = format!(
            "[gateway]\nadmin_token = 'hunter2hunter2hunter2'\n[store]\nurl = '{url}'\nsecret = 'hunter2hunter2hunter2'"
        );
        let document = document(&text);
        assert!(!document.to_string().contains("hunter2"), "{document}");
        assert_eq!(
            (&document["gateway"]["admin_token"], &document["store"]["secret"]),
            (&json!("***"), &json!("***"))
        );
    }
    let without = document("");
    assert_eq!(
        (&without["gateway"]["admin_token"], &without["store"]["secret"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn every_setting_of_the_file_is_in_it_with_its_default() {
    let (document, schema) = (
        document(
            "[gateway]\nupstream = 'http://a'\n[warmup]\nready = '/health'\n[gateway.health]\npath = '/health'\n[cors]\norigins = '*'\n[decision_log]\npath = 'log'\n[telemetry]\n[decisions]\nlisten = '127.0.0.1:1'",
        ),
        schema(),
    );
    for (table, at) in [
        ("Gateway", "/gateway"),
        ("Health", "/gateway/health"),
        ("Ejection", "/gateway/ejection"),
        ("Store", "/store"),
        ("Identity", "/identity"),
        ("Warmup", "/warmup"),
        ("Responses", "/responses"),
        ("Cors", "/cors"),
        ("DecisionLog", "/decision_log"),
        ("Telemetry", "/telemetry"),
        ("Decisions", "/decisions"),
    ] {
        let shown = document.pointer(at).unwrap();
        for (field, details) in schema["$defs"][table]["properties"].as_object().unwrap() {
            let value = shown.get(field).unwrap_or_else(|| panic!("{table}.{field}"));
            // Sizes are told in bytes, whatever the file writes; a limit is told by its name.
            let told_otherwise =
                ["max_body", "max_head", "max_response_head", "max_size", "failures", "headers"]
                    .contains(&field.as_str());
            if let Some(default) = details.get("default").filter(|it| !it.is_object() && !told_otherwise) {
                assert!(
                    value == default || default == "1m" && value == "60s",
                    "{table}.{field}: {value} is not {default}"
                );
            }
        }
    }
}

#[test]
fn limits_and_routes_are_as_they_were_resolved() {
    let document = document(
        r#"
        [tiers.free]
        [tiers.premium]
        scale = 5

        [identity]
        default_tier = "free"

        [[route]]
        path = "/models/{model}"
        methods = ["POST"]
        tier = "premium"
        weight = 2
        meter = { items = "/inputs" }
        idle_timeout = "1500ms"
        remove_request_headers = ["X-Conversation-Id"]
        retry_after = "5s"
        slots_until = "upstream-ends"
        limits = [
          { name = "a", quota = "10/minute" },
          { name = "b", quota = "100 items/hour", key = ["tenant", "path:model"], mode = "shadow", algorithm = "fixed-window" },
          { name = "c", quota = "4 concurrent", key = "global", outage = "deny" },
        ]
        "#,
    );
    let limit = |name: &str,
                 key: Value,
                 unit: &str,
                 algorithm: &str,
                 mode: &str,
                 outage: &str,
                 quotas: [&str; 2]| {
        json!({
            "name": name, "key": key, "unit": unit, "algorithm": algorithm, "mode": mode, "outage": outage,
            "quotas": { "free": quotas[0], "premium": quotas[1] },
        })
    };
    let expected = json!([
        limit(
            "a",
            json!(["client_ip"]),
            "requests",
            "token-bucket",
            "enforce",
            "local",
            ["10/minute", "50/minute"]
        ),
        limit(
            "b",
            json!(["tenant", "path:model"]),
            "items",
            "fixed-window",
            "shadow",
            "local",
            ["100 items/hour", "500 items/hour"]
        ),
        limit(
            "c",
            json!(["global"]),
            "concurrent",
            "concurrent",
            "enforce",
            "deny",
            ["4 concurrent", "4 concurrent"]
        ),
    ]);
    assert_eq!(document["limits"], expected);
    let route = json!({
        "path": "/models/{model}", "descriptor": null, "charge": null, "methods": ["POST"], "tier": "premium", "weight": 2, "limits": ["a", "b", "c"],
        "meter": { "items": "/inputs", "max": null, "bytes": false },
        "response_timeout": null, "idle_timeout": "1500ms", "timeout": null,
        "remove_request_headers": ["x-conversation-id"], "retry_after": "5s",
        "slots_until": "upstream-ends",
    });
    assert_eq!(document["routes"][0], route);
    assert_eq!(document["routes"][1]["path"], "unmatched");
    assert_eq!(document["tiers"], json!({ "free": { "scale": 1.0 }, "premium": { "scale": 5.0 } }));
}

#[test]
fn a_descriptor_is_written_as_in_the_file() {
    let text = "[[route]]\ndescriptor = { domain = 'ml', entries = ['kind=chat', 'user'] }\ncharge = 'actual'\nlimits = '1/s'";
    let policy = Policy::parse(&Source::new("p.toml", text.as_bytes()).unwrap()).unwrap();
    let route = &policy.document()["routes"][0];
    assert_eq!(route["descriptor"], json!({ "domain": "ml", "entries": ["kind=chat", "user"] }));
    assert_eq!((&route["path"], &route["charge"]), (&json!("ml: kind=chat, user"), &json!("actual")));
}

#[test]
fn meters_are_as_they_were_resolved() {
    let meter = |table: &str| {
        let text = format!("[[route]]\npath = '/a'\nmeter = {table}\nlimits = []");
        document(&text)["routes"][0]["meter"].clone()
    };
    assert_eq!(meter("'kserve'")["items"], "/inputs/0/shape/0");
    assert_eq!(meter("{ items = 'kserve', dimension = 2 }")["items"], "/inputs/0/shape/2");
    assert_eq!(
        meter("{ items = 'kserve', input = 'ids', max = 4 }"),
        json!({ "items": "kserve", "input": "ids", "dimension": 0, "max": 4, "bytes": false })
    );
    let named = meter("{ tokens = 'tgi', default_output = 5, refund = [503, '4xx', 404] }");
    assert_eq!(named["tokens"]["interface"], "tgi");
    assert_eq!(
        (&named["tokens"]["refund"], &named["tokens"]["default_output"]),
        (&json!(["4xx", "503"]), &json!(5))
    );
    let pointed = meter(
        "{ tokens = 'json', prompt = ['/s', '/p'], max_output = '/m', stream = '/st', text = '/a~1b', \
         usage = { input = '/i', output = ['/o', '/x/o'], reasoning = '/r' }, beside = ['reasoning'], summed = ['output'] }",
    );
    let expected = json!({
        "interface": "json",
        "default_output": 1024,
        "refund": ["4xx", "5xx"],
        "weights": pointed["tokens"]["weights"],
        "prompt": ["/s", "/p"],
        "max_output": ["/m"],
        "choices": [],
        "model": [],
        "stream": ["/st"],
        "text": ["/a~1b"],
        "usage": { "input": ["/i"], "output": ["/o", "/x/o"], "reasoning": ["/r"] },
        "beside": ["reasoning"],
        "summed": ["output"],
    });
    assert_eq!(pointed["tokens"], expected);
}

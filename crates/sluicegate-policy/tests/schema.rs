//! The published schema says what the file may hold.

use sluicegate_policy::{Diagnostics, Policy, Source, schema};

#[test]
fn every_table_is_described_and_refuses_unknown_fields() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let tables: Vec<_> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        tables,
        [
            "$schema",
            "cors",
            "decision_log",
            "decisions",
            "defaults",
            "gateway",
            "identity",
            "limits",
            "responses",
            "route",
            "store",
            "telemetry",
            "tiers",
            "warmup"
        ]
    );
    let definitions = schema["$defs"].as_object().unwrap();
    for (name, table) in
        definitions.iter().filter(|(_, it)| it["type"] == "object").chain([(&"".to_owned(), &schema)])
    {
        assert_eq!(table["additionalProperties"], false, "{name}");
        for (field, details) in table["properties"].as_object().unwrap() {
            let described = details["description"].is_string();
            assert!(described, "{name}.{field}");
        }
    }
}

#[test]
fn words_and_defaults_are_in_it() {
    let schema = schema();
    let defaults = &schema["$defs"]["Defaults"]["properties"];
    assert_eq!(defaults["key"]["default"], "client_ip");
    let algorithms = &schema["$defs"]["Algorithm"]["enum"];
    assert!(algorithms.as_array().unwrap().contains(&"sliding-window".into()));
    assert_eq!(schema["$defs"]["Store"]["properties"]["max_keys"]["type"], "integer");
    assert!(!schema.to_string().contains("null"), "TOML has no null");
}

#[test]
fn the_defaults_in_it_are_those_that_are_used() {
    // Each table with what it needs, and no more.
    for (definition, table, needs) in [
        ("Gateway", "[gateway]", ""),
        ("Health", "[gateway.health]", "path = '/health'\n"),
        ("Ejection", "[gateway.ejection]", ""),
        ("Store", "[store]", ""),
        ("Identity", "[identity]", "api_keys = 'keys.toml'\n"),
        ("Tier", "[tiers.free]", ""),
        ("Warmup", "[warmup]", "ready = '/health'\n"),
        ("Defaults", "[defaults]", ""),
        ("Route", "[[route]]", "path = '/a'\nlimits = '1/s'\n"),
        ("Responses", "[responses]", ""),
        ("Cors", "[cors]", "origins = 'https://a.example'\n"),
        ("DecisionLog", "[decision_log]", "path = 'decisions.jsonl'\n"),
        ("Telemetry", "[telemetry]", ""),
    ] {
        let resolved = |field: &str| {
            let text = format!("{table}\n{needs}{field}");
            let policy = Source::new("p.toml", text.as_bytes()).and_then(|source| Policy::parse(&source));
            let policy = policy.map(|mut policy| {
                // They tell a table that is written from one that is not.
                policy.warnings = Diagnostics::default();
                policy
            });
            format!("{:?}", policy.map_err(|error| error.to_string()))
        };
        let schema = schema();
        let fields = schema["$defs"][definition]["properties"].as_object().unwrap();
        for (field, default) in fields.iter().filter_map(|(field, it)| Some((field, it.get("default")?))) {
            if default.is_object() {
                continue;
            }
            // These are written in JSON as they are in TOML.
            assert_eq!(
                resolved(&format!("{field} = {default}")),
                resolved(""),
                "{table} {field} = {default}"
            );
        }
    }
}

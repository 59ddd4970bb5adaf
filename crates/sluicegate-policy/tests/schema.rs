//! The published schema says what the file may hold.

use sluicegate_policy::schema;

#[test]
fn every_table_is_described_and_refuses_unknown_fields() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let tables: Vec<_> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        tables,
        [
            "$schema",
            "defaults",
            "gateway",
            "identity",
            "limits",
            "responses",
            "route",
            "store",
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

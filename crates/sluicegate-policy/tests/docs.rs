//! Statements of the documentation about the policy file.

use std::{fs, path::PathBuf};

use sluicegate_policy::{Policy, Source, schema};

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

#[test]
fn every_sample_is_a_policy() {
    let mut samples = 0;
    for entry in fs::read_dir(docs()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        // Each piece behind an odd number of fences is inside one.
        for (index, block) in text.split("\n```").enumerate().filter(|(index, _)| index % 2 == 1) {
            let Some(sample) = block.strip_prefix("toml\n") else { continue };
            let name = format!("{} (block {index})", path.display());
            let policy = Source::new(&name, sample.as_bytes()).and_then(|source| Policy::parse(&source));
            assert!(policy.is_ok(), "{}\n{sample}", policy.unwrap_err());
            samples += 1;
        }
    }
    assert!(samples >= 10, "{samples} samples were found");
}

#[test]
fn every_field_is_in_the_reference() {
    let reference = fs::read_to_string(docs().join("policy.md")).unwrap();
    let schema = schema();
    for (table, details) in schema["$defs"].as_object().unwrap() {
        for field in details["properties"].as_object().into_iter().flat_map(|fields| fields.keys()) {
            let documented = reference.contains(&format!("\n| `{field}` |"))
                || reference.contains(&format!("{{ {field} ="));
            assert!(documented, "{table}.{field}");
        }
    }
}

#[test]
fn every_default_of_the_schema_is_in_the_reference() {
    let reference = fs::read_to_string(docs().join("policy.md")).unwrap();
    for (table, details) in schema()["$defs"].as_object().unwrap() {
        for (field, details) in details["properties"].as_object().into_iter().flatten() {
            let Some(default) = details.get("default").filter(|default| !default.is_object()) else {
                continue;
            };
            let row = format!("| `{field}` | `{default}` |");
            assert!(reference.contains(&row), "{table}: {row}");
        }
    }
}

//! The corpora of the fuzz targets in `fuzz/`: each of their inputs, and every one that once broke something.

use std::{collections::BTreeSet, fs, panic, path::PathBuf};

#[path = "../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "they are public to the fuzz targets")]
mod properties;

type Property = fn(&[u8]);

/// Each target, and the property that it is for.
const TARGETS: [(&str, Property); 8] = [
    ("estimate", properties::estimate),
    ("forwarding", properties::forwarding),
    ("json_meter", properties::json_meter),
    ("policy", properties::policy),
    ("quota", properties::quota),
    ("usage_events", properties::usage_events),
    ("usage_json", properties::usage_json),
    ("usage_lines", properties::usage_lines),
];

#[test]
fn the_property_of_each_target_holds_for_its_corpus() {
    for (target, property) in TARGETS {
        let mut inputs = 0;
        for file in files(&format!("corpus/{target}")) {
            let input = fs::read(&file).expect("an input can be read");
            let holds = panic::catch_unwind(|| property(&input));
            assert!(holds.is_ok(), "{}", file.display());
            inputs += 1;
        }
        assert!(inputs >= 20, "{inputs} inputs of {target}");
    }
}

#[test]
fn every_target_is_among_them_and_has_a_corpus() {
    let known: BTreeSet<_> = TARGETS.iter().map(|(target, _)| (*target).to_owned()).collect();
    for folder in ["corpus", "fuzz_targets"] {
        let stem =
            |file: PathBuf| file.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        assert_eq!(files(folder).map(stem).collect::<BTreeSet<_>>(), known, "{folder}");
    }
}

/// The entries of a folder of `fuzz/`.
fn files(folder: &str) -> impl Iterator<Item = PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(folder);
    let entries = fs::read_dir(folder).expect("the folder is there");
    entries.map(|entry| entry.expect("the folder can be read").path())
}

//! Mistakes in `[decision_log]`.

use crate::said;

#[test]
fn each_mistake_is_told_with_its_place_and_its_remedy() {
    said(&[
        ("[decision_log]", "p.toml:1:1: missing field `path`"),
        (
            "[decision_log]\npath = ''",
            "p.toml:2:8: no file\n  help: write it as \"decisions.jsonl\", or leave [decision_log] out",
        ),
        (
            "[decision_log]\npath = 'log'\nmax_sise = 1",
            "p.toml:3:1: unknown field `max_sise`\n  help: did you mean `max_size`?",
        ),
        (
            "[decision_log]\npath = 'log'\nmax_size = '4095B'",
            "p.toml:3:12: `max_size` cannot be 4095 bytes\n  help: give at least \"4KiB\", for some lines in each file",
        ),
        (
            "[decision_log]\npath = 'log'\nfiles = 0",
            "p.toml:3:9: `files` cannot be 0\n  help: give a number from 1 to 1000",
        ),
        (
            "[decision_log]\npath = 'log'\nkeys = 'hash'",
            "p.toml:3:8: unknown word `hash`\n  help: did you mean `hashed`?",
        ),
    ]);
}

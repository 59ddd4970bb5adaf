//! Feeds the fuzzer's inputs to [`sluicegate_fuzz::usage_json`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sluicegate_fuzz::usage_json(input));

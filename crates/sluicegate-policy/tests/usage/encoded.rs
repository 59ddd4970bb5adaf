//! Responses that are compressed although the gateway asks for no coding.

use std::io::Write;

use flate2::{
    Compression, GzBuilder,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use sluicegate_policy::Dialect;

use crate::answer::{Answer, described};

const RECORDED: [(Dialect, &str); 5] = [
    (Dialect::OpenAi, "llama-chat"),
    (Dialect::OpenAi, "llama-chat-n2-stream-usage"),
    (Dialect::OpenAi, "llama-embeddings-base64"),
    (Dialect::LlamaCpp, "llama-completion-native-stream"),
    (Dialect::Anthropic, "llama-messages-stream"),
];

/// The usage of an encoded answer, in pieces of this size.
fn usage(answer: &Answer, coding: &str, encoded: &[u8], size: usize) -> String {
    let head =
        answer.head.headers.get("content-type").expect("a content type").to_str().expect("a content type");
    let reader = Answer::new(answer.dialect, head, "").header("content-encoding", coding);
    let mut reader = reader.reader();
    encoded.chunks(size).for_each(|piece| reader.data(piece));
    described(&reader)
}

#[test]
fn a_coding_changes_nothing() {
    for (dialect, name) in RECORDED {
        let answer = Answer::recorded(dialect, name);
        let body = answer.body();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&body).unwrap();
        let mut named = GzBuilder::new()
            .filename("a")
            .comment("b")
            .extra(vec![1, 2, 3])
            .write(Vec::new(), Compression::best());
        named.write_all(&body).unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&body).unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::none());
        bare.write_all(&body).unwrap();
        for (coding, encoded) in [
            ("gzip", gzip.finish().unwrap()),
            ("X-GZip, identity", named.finish().unwrap()),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", bare.finish().unwrap()),
            ("identity", body.clone()),
        ] {
            for size in [1, 7, 64, usize::MAX] {
                assert_eq!(usage(&answer, coding, &encoded, size), answer.usage(), "{name} {coding} {size}");
            }
        }
    }
}

#[test]
fn each_flushed_piece_counts_at_once() {
    let answer = Answer::recorded(Dialect::OpenAi, "llama-chat-stream-aborted");
    let (mut gzip, mut plain) = (GzEncoder::new(Vec::new(), Compression::default()), answer.reader());
    let mut encoded = Answer::recorded(Dialect::OpenAi, "llama-chat-stream-aborted")
        .header("content-encoding", "gzip")
        .reader();
    for piece in &answer.pieces {
        gzip.write_all(piece).unwrap();
        gzip.flush().unwrap();
        encoded.data(&std::mem::take(gzip.get_mut()));
        plain.data(piece);
        assert_eq!(described(&encoded), described(&plain));
    }
}

#[test]
fn several_members_are_one_body() {
    let answer = Answer::recorded(Dialect::OpenAi, "llama-chat-stream");
    let mut encoded = Vec::new();
    for piece in &answer.pieces {
        let mut gzip = GzEncoder::new(&mut encoded, Compression::default());
        gzip.write_all(piece).unwrap();
        gzip.finish().unwrap();
    }
    assert_eq!(usage(&answer, "gzip", &encoded, 5), answer.usage());
}

#[test]
fn a_coding_that_cannot_be_undone_is_charged_by_its_length_up_to_the_estimate() {
    let charged = |coding: &str, length, most| {
        let mut answer =
            Answer::new(Dialect::OpenAi, "application/json", "").header("content-encoding", coding);
        answer.estimate.max_output = most;
        answer.pieces = vec![vec![0x5b; length]];
        answer.usage()
    };
    for coding in ["br", "zstd", "gzip, gzip", "gzip"] {
        assert_eq!(charged(coding, 100, None), "counted input 1000, output 50", "{coding}");
        assert_eq!(charged(coding, 100, Some(40)), "counted input 1000, output 40", "{coding}");
    }
    assert_eq!(charged("br", 0, None), "counted input 1000");
}

#[test]
fn a_long_run_of_zeros_is_read_in_bounded_memory() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = [b' '; 1 << 16];
    for _ in 0..1 << 8 {
        gzip.write_all(&zeros).unwrap();
    }
    gzip.write_all(br#"{"usage":{"prompt_tokens":8,"completion_tokens":2}}"#).unwrap();
    let answer = Answer::new(Dialect::OpenAi, "application/json", "");
    assert_eq!(usage(&answer, "gzip", &gzip.finish().unwrap(), usize::MAX), "input 8, output 2");
}

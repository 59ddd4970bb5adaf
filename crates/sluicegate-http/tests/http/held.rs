//! Bodies of which a beginning was read before.

use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use sluicegate_http::Held;

#[test]
fn the_pieces_that_are_held_come_before_the_rest() {
    let body = Held::new([Bytes::from_static(b"one"), Bytes::from_static(b"two")], Full::from("three"));
    assert_eq!(body.size_hint().exact(), Some(11));
    assert!(!body.is_end_stream());
    let whole = pollster::block_on(body.collect()).expect("nothing fails").to_bytes();
    assert_eq!(whole, "onetwothree");
}

#[test]
fn it_ends_with_the_last_piece_if_nothing_follows() {
    let mut body = Held::new([Bytes::from_static(b"all")], Empty::<Bytes>::new());
    assert!(!body.is_end_stream());
    assert!(pollster::block_on(body.frame()).is_some());
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
}

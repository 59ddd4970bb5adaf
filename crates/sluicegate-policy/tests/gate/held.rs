//! The room that a body takes while it is read.

use bytes::Bytes;
use sluicegate_policy::{Progress, Reading};

use crate::site::{Site, now};

const PIECE: usize = 8 << 10;

/// The reading of a request that announces a length, or none.
fn reading(announced: Option<usize>) -> Reading {
    let site = Site::new(
        "[gateway]\nmax_body = \"16MiB\"\n[[route]]\npath = \"/\"\nmeter = \"openai\"\nlimits = [\"9 tokens/day\"]",
    );
    let mut request = http::Request::post("/");
    if let Some(length) = announced {
        request = request.header("content-length", length);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let mut visit = now(site.gate.enter(&head, "192.0.2.1".parse().unwrap())).unwrap();
    *visit.take_reading().unwrap()
}

/// The bytes that are held of a body, of which so many were sent, and the room for them.
fn held(announced: Option<usize>, sent: usize) -> (Bytes, usize) {
    let mut reading = reading(announced);
    let body: Vec<u8> = (0..=u8::MAX).cycle().take(sent).collect();
    for piece in body.chunks(PIECE) {
        // Shared, as pieces of a connection's buffer are.
        let piece = Bytes::from(piece.to_vec());
        assert_eq!(reading.take(piece.clone()).unwrap(), Progress::More);
    }
    let held = reading.into_held();
    assert!(held == body, "{sent} of {announced:?}");
    (body.into(), held.try_into_mut().expect("nothing else holds it").capacity())
}

#[test]
fn a_client_gets_no_room_for_an_announcement_alone() {
    for announced in [400_000, 4 << 20] {
        for sent in (2 * PIECE..announced).step_by(announced / 12) {
            let (body, room) = held(Some(announced), sent);
            assert!(room <= 4 * body.len(), "{room} bytes for {sent} of {announced}");
        }
    }
}

#[test]
fn a_body_of_known_length_ends_in_room_that_it_fills() {
    for length in [3 * PIECE, 400_000, 1 << 20, 5_000_001] {
        assert_eq!(held(Some(length), length).1, length);
        assert!(held(None, length).1 <= 4 * length);
    }
}

/// HTTP's framing allows no such body, but an application's server may.
#[test]
fn a_body_that_is_longer_than_it_says_is_held_all_the_same() {
    for announced in [1, PIECE, 5 * PIECE] {
        held(Some(announced), 100 * PIECE);
    }
}

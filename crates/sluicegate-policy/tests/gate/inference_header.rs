//! JSON before binary tensors, as Triton's client sends it.

use proptest::prelude::*;

use crate::site::{Ask, Reply, Site};

const JSON: &str =
    r#"{"inputs":[{"name":"x","shape":[3,2],"datatype":"FP32","parameters":{"binary_data_size":24}}]}"#;

#[test]
fn the_first_bytes_are_the_json_and_what_follows_is_not_looked_at() {
    let site = site("\"kserve\"", "10 items/minute");
    for tail in [&b""[..], b"\0\xff{]", &[0xfe; 5000]] {
        assert_eq!(remaining_after(&site, &tensors(JSON, tail)), 7);
    }
}

#[test]
fn tensors_may_be_larger_than_max_body_but_the_json_may_not() {
    let site = site("\"kserve\"", "10 items/minute");
    let large = vec![1; 100_000];
    assert_eq!(remaining_after(&site, &tensors(JSON, &large)), 7);
    let announced = tensors(JSON, &large).header("content-length", &(JSON.len() + large.len()).to_string());
    assert_eq!(remaining_after(&site, &announced), 7);
    let padded = format!("{JSON}{}", " ".repeat(5000));
    assert_eq!(site.send(&tensors(&padded, b"")).status(), 413);
}

#[test]
fn a_length_that_cannot_be_followed_is_400() {
    let site = site("\"kserve\"", "10 items/minute");
    let body = JSON.to_owned() + "tail";
    let beyond = (body.len() + 1).to_string();
    let rows = [
        ("0", "is 0, so the items cannot be counted: send the JSON of the request before its tensors"),
        ("-1", "is no number of bytes"),
        ("+5", "is no number of bytes"),
        ("5, 5", "is no number of bytes"),
        ("0x10", "is no number of bytes"),
        ("", "is no number of bytes"),
        ("99999999999999999999999", "is no number of bytes"),
    ];
    for (sent, why) in rows {
        let reply = site.send(&Ask::post("/").header(HEADER, sent).body(body.clone()));
        assert_eq!(reply.status(), 400, "{sent}");
        assert_eq!(reply.detail(), format!("Inference-Header-Content-Length {why}"), "{sent}");
    }
    let short = Ask::post("/").header(HEADER, &beyond).body(body.clone());
    for ask in [short.clone(), short.header("content-length", &body.len().to_string())] {
        let reply = site.send(&ask);
        let why = format!("Inference-Header-Content-Length is {beyond}, and the body is shorter than that");
        assert_eq!((reply.status(), reply.detail()), (400, why));
    }
    let twice = tensors(JSON, b"").header(HEADER, &JSON.len().to_string());
    assert_eq!(site.send(&twice).detail(), "Inference-Header-Content-Length is there twice");
    assert_eq!(site.send(&tensors(JSON, b"").header("content-encoding", "gzip")).status(), 415);
    assert_eq!(remaining_after(&site, &tensors(JSON, b"")), 7, "something was charged");
}

#[test]
fn a_json_that_goes_on_behind_its_length_is_no_way_round() {
    let site =
        Site::new("[[route]]\npath = \"/\"\nmeter = { items = \"\" }\nlimits = [\"10000 items/minute\"]");
    // Another server would read a thousand.
    assert_eq!(site.send(&Ask::post("/").header(HEADER, "1").body("1000")).status(), 400);
    assert_eq!(site.send(&Ask::post("/").header(HEADER, "3").body("[1]2]")).status(), 400);
    let keyed = Site::with_limits("[{ quota = \"1/minute\", key = \"body:model\" }]");
    for kind in ["multipart/form-data; boundary=b", "application/x-www-form-urlencoded"] {
        let both = Ask::post("/").header("content-type", kind).header(HEADER, "13");
        let reply = keyed.send(&both.body("{\"model\":\"a\"}\r\n--b--"));
        let why = "Inference-Header-Content-Length is sent with a form, which has no such part";
        assert_eq!((reply.status(), reply.detail()), (400, why.to_owned()), "{kind}");
    }
}

#[test]
fn bytes_are_those_of_the_tensors_too() {
    let site = site("[\"kserve\", \"bytes\"]", "1000 bytes/minute");
    let tail = [7; 100];
    let all = JSON.len() + tail.len();
    assert_eq!(remaining_after(&site, &tensors(JSON, &tail)), 1000 - i64::try_from(all).unwrap());
    let announced = tensors(JSON, &tail).header("content-length", &all.to_string());
    assert_eq!(remaining_after(&site, &announced), 1000 - i64::try_from(all).unwrap());
}

#[test]
fn a_tensor_without_json_has_no_key_and_passes_where_no_items_are_counted() {
    let site = Site::with_limits("[{ quota = \"1/minute\", key = \"body:/id\" }]");
    let bare = Ask::post("/").header(HEADER, "0").body(&b"\0\x01"[..]);
    site.pass(1, &bare);
    assert_eq!(site.send(&bare).status(), 429, "it is charged to the client");
}

proptest! {
    #[test]
    fn at_any_split_the_answer_is_the_same(piece in 1..200_usize, start in 0..120_u64, tail in 0..300_usize) {
        let ask = Ask::post("/").header(HEADER, &start.to_string()).body([JSON.as_bytes(), &vec![b'}'; tail]].concat());
        let answer = |ask: &Ask| {
            let reply = site("\"kserve\"", "10 items/minute").send(ask);
            (reply.status(), if reply.status() == 200 { String::new() } else { reply.detail() })
        };
        prop_assert_eq!(answer(&ask.clone().in_pieces(piece)), answer(&ask));
    }
}

fn tensors(json: &str, tail: &[u8]) -> Ask {
    Ask::post("/").header(HEADER, &json.len().to_string()).body([json.as_bytes(), tail].concat())
}

/// Returns what is left after this request and a minute in which all comes back.
fn remaining_after(site: &Site, ask: &Ask) -> i64 {
    site.wait(60);
    let reply: Reply = site.send(ask);
    assert_eq!(reply.status(), 200, "{reply:?}");
    reply.remaining()
}

fn site(meter: &str, quota: &str) -> Site {
    Site::new(&format!(
        "[gateway]\nmax_body = \"4KiB\"\n[[route]]\npath = \"/\"\nmeter = {meter}\nlimits = [\"{quota}\"]"
    ))
}

const HEADER: &str = "inference-header-content-length";

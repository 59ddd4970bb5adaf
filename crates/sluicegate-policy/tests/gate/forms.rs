//! Keys in the fields of forms.

use proptest::prelude::*;

use crate::site::{Ask, Reply, Site};

#[test]
fn a_field_of_a_form_is_a_key() {
    let site = site("body:/model");
    for _ in 0..2 {
        for (model, status) in [("a", [200, 429]), ("b+c%2Fd", [200, 429])] {
            let urlencoded = |extra: &str| form(&format!("{extra}model={model}&x=1"));
            assert_eq!([send(&site, &urlencoded("")), send(&site, &urlencoded("y=&"))], status, "{model}");
        }
        site.wait(60);
    }
    site.pass(1, &multipart(&[text("model", "a")]));
    assert_eq!(send(&site, &form("model=a")), 429, "it is the same key however it is sent");
    assert_eq!(send(&site, &Ask::post("/").body(r#"{"model":"a"}"#)), 429);
}

#[test]
fn the_name_alone_is_enough() {
    for key in ["body:model", "body:/model"] {
        let site = site(key);
        site.pass(1, &form("model=a"));
        assert_eq!(send(&site, &form("model=a")), 429, "{key}");
        assert_eq!(send(&site, &Ask::post("/").body(r#"{"model":"a"}"#)), 429, "{key}");
        site.pass(1, &form("model=b"));
    }
}

#[test]
fn a_field_that_is_missing_or_a_file_is_replaced_by_the_client() {
    for ask in [form("other=a"), multipart(&[file("model", 10)]), multipart(&[text("other", "a")]), form("")]
    {
        let site = site("body:model");
        site.pass(1, &ask);
        assert_eq!(send(&site, &form("modell=b")), 429, "{ask:?}");
        site.pass(1, &form("model=b"));
    }
}

#[test]
fn json_that_curl_calls_a_form_is_read_as_json() {
    let site = site("body:/user/id");
    site.pass(1, &form(r#"{"user": {"id": "x=1&y"}}"#));
    assert_eq!(send(&site, &Ask::post("/").body(r#"{"user": {"id": "x=1&y"}}"#)), 429);
    // Two readers would charge two accounts.
    let site = self::site("body:model");
    let reply = site.send(&form(r#"{"x":"&model=b&","model":"a"}"#));
    assert_eq!((reply.status(), reply.detail()), (400, "`/model` is in the body twice".to_owned()));
}

#[test]
fn items_are_counted_in_json_whatever_it_is_called() {
    let site =
        Site::new("[[route]]\npath = \"/\"\nmeter = { items = \"/inputs\" }\nlimits = [\"9 items/minute\"]");
    assert_eq!(site.send(&form(r#"{"inputs": [1, 2]}"#)).remaining(), 7);
    assert_eq!(send(&site, &form("inputs=2")), 400);
}

#[test]
fn of_an_upload_no_more_is_read_than_the_fields_before_its_file() {
    let site = site("body:model");
    let upload = multipart(&[text("model", "whisper"), file("file", 50_000)]);
    for piece in [1, 100, usize::MAX] {
        site.wait(60);
        site.pass(1, &upload.clone().in_pieces(piece));
        assert_eq!(send(&site, &upload.clone().in_pieces(piece)), 429, "{piece}");
    }
    // Behind a small file it is found, too.
    site.pass(1, &multipart(&[file("file", 2_000), text("model", "b")]));
    assert_eq!(send(&site, &form("model=b")), 429);
}

#[test]
fn fields_behind_more_than_max_body_are_413() {
    let site = site("body:model");
    for ask in [
        multipart(&[file("file", 5_000), text("model", "whisper")]),
        multipart(&[text("prompt", &"x".repeat(5_000)), text("model", "whisper")]),
    ] {
        let reply = site.send(&ask);
        assert_eq!(reply.status(), 413);
        assert_eq!(reply.body()["error"]["code"], "fields_too_late");
        assert!(reply.detail().contains("within its first 4096 bytes: send them before its files"));
    }
    assert_eq!(send(&site, &form(&format!("model=a&x={}", "y".repeat(5_000)))), 413);
    // Nothing is missing of these.
    site.pass(1, &multipart(&[text("model", "a"), text("prompt", &"x".repeat(9_000))]));
}

#[test]
fn bytes_and_keys_of_an_upload_that_announces_its_length_need_no_more_of_it() {
    let policy = |meter: &str| {
        format!(
            "[gateway]\nmax_body = \"4KiB\"\n[[route]]\npath = \"/\"\nmeter = \"bytes\"\n\
             limits = [\"1000000 bytes/minute\"{meter}]"
        )
    };
    let keyed = policy(", { quota = \"1/minute\", key = \"body:model\" }");
    let upload = multipart(&[text("model", "a"), file("file", 50_000)]);
    assert_eq!(Site::new(&keyed).send(&upload).status(), 413, "nobody knows how long it is");
    let announced = upload.header("content-length", "50200");
    assert_eq!(Site::new(&keyed).send(&announced).remaining(), 1_000_000 - 50_200);
    let site = Site::new(&policy(""));
    let announced = Ask::post("/").header("content-length", "5000000");
    assert_eq!(send(&site, &announced), 429, "it is charged as announced");
    assert_eq!(site.send(&Ask::post("/").header("content-length", "7")).remaining(), 999_993);
    // Two lengths, or one beside a coding, say nothing: the body is counted.
    for other in [("content-length", "5"), ("transfer-encoding", "chunked")] {
        site.wait(60);
        let unclear = Ask::post("/").header("content-length", "5").header(other.0, other.1).body("123");
        assert_eq!(site.send(&unclear).remaining(), 999_997);
    }
}

#[test]
fn a_form_that_cannot_be_read_is_400() {
    let site = site("body:model");
    let kind = |kind: &str| Ask::post("/").header("content-type", kind).body("--b\r\n\r\nx\r\n--b--");
    let boundless = site.send(&kind("multipart/form-data"));
    let why = "the body is not valid multipart/form-data: its Content-Type names no boundary";
    assert_eq!((boundless.status(), boundless.detail()), (400, why.to_owned()));
    for body in ["", "--b", "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nx", "--c--", "\0"] {
        let reply = site.send(&raw(body));
        let expected = if body.is_empty() { 200 } else { 400 };
        assert_eq!(reply.status(), expected, "{body}");
    }
    for twice in [multipart(&[text("model", "a"), text("model", "a")]), form("model=a&model=b")] {
        let reply = site.send(&twice);
        assert_eq!((reply.status(), reply.detail()), (400, "`/model` is in the body twice".to_owned()));
    }
    assert_eq!(send(&site, &form("model=a").header("content-encoding", "gzip")), 415);
}

#[test]
fn a_hostile_form_costs_little_and_gets_an_answer() {
    let site = Site::new(
        "[gateway]\nmax_body = \"64MiB\"\n[[route]]\npath = \"/\"\nlimits = [{ quota = \"1/minute\", key = \"body:model\" }]",
    );
    let parts = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n".repeat(100_000) + "--b--";
    assert_eq!(send(&site, &raw(parts)), 200);
    let endless = "--b\r\nContent-Disposition: form-data; name=\"".to_owned() + &"x".repeat(1 << 20);
    // In pieces of one byte: the parser must not look at all of it again for each.
    assert_eq!(send(&site, &raw(endless).in_pieces(1)), 400);
    assert_eq!(send(&site, &raw("-".repeat(1 << 20)).in_pieces(7)), 400);
    assert_eq!(send(&site, &raw(format!("--b\r\n{}\r\n\r\n\r\n--b--", "a: b\r\n".repeat(1_000)))), 400);
}

proptest! {
    #[test]
    fn at_any_split_the_answer_is_the_same(
        parts in prop::collection::vec((any::<bool>(), "model|other|", "\\PC{0,9}", 0..3_000_usize), 0..6),
        piece in 1..5_000_usize,
        cut in 0..9_000_usize,
    ) {
        let parts: Vec<_> = parts
            .iter()
            .map(|(is_file, name, value, size)| if *is_file { file(name, *size) } else { text(name, value) })
            .collect();
        let mut body = body(&parts).into_bytes();
        body.truncate(cut);
        let ask = raw(body);
        prop_assert_eq!(answer(&ask.clone().in_pieces(piece)), answer(&ask));
    }

    #[test]
    fn no_bytes_are_too_strange_for_a_form(bytes in "(--b|--|\r\n|\r|[:;=\"a]|name=|Content-Disposition: form-data|\\PC){0,60}", piece in 1..60_usize) {
        for ask in [raw(bytes.clone()), form(&bytes)] {
            let (status, detail) = answer(&ask.clone().in_pieces(piece));
            prop_assert!(status == 200 || status == 400, "{status} {detail}");
            prop_assert_eq!((status, detail), answer(&ask));
        }
    }
}

fn answer(ask: &Ask) -> (u16, String) {
    let reply: Reply = site("body:model").send(ask);
    (reply.status(), if reply.status() == 200 { String::new() } else { reply.detail() })
}

fn send(site: &Site, ask: &Ask) -> u16 {
    site.send(ask).status()
}

fn site(key: &str) -> Site {
    Site::new(&format!(
        "[gateway]\nmax_body = \"4KiB\"\n[[route]]\npath = \"/\"\nlimits = [{{ quota = \"1/minute\", key = \"{key}\" }}]"
    ))
}

fn form(body: &str) -> Ask {
    Ask::post("/").header("content-type", "application/x-www-form-urlencoded").body(body.to_owned())
}

fn multipart(parts: &[String]) -> Ask {
    raw(body(parts))
}

fn raw(body: impl Into<Vec<u8>>) -> Ask {
    Ask::post("/").header("content-type", "multipart/form-data; boundary=b").body(body.into())
}

fn body(parts: &[String]) -> String {
    parts.iter().map(|part| format!("--b\r\n{part}\r\n")).collect::<String>() + "--b--\r\n"
}

fn text(name: &str, text: &str) -> String {
    format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}")
}

fn file(name: &str, size: usize) -> String {
    let content = "0".repeat(size);
    format!(
        "Content-Disposition: form-data; name=\"{name}\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n{content}"
    )
}

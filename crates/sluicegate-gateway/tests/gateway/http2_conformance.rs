//! The requirements of RFC 9113 and RFC 7541 on a server, frame by frame: the cases of h2spec and some more.
//! The program itself is in no registry that `./test` installs from.

mod rows;

use self::rows::{
    ALL, FLOW_CONTROL_ERROR, HPACK, PROTOCOL_ERROR, REFUSED_STREAM, SIZE, STREAM_CLOSED,
    Then::{Connection, Malformed, Nothing, Stream},
    check, connect, hang, list, post, reset, setting, until, window_update, with_length,
};
use crate::support::{
    Upstream, gateway,
    http2::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, GOAWAY, HEADERS, PADDED, PING, PREFACE,
        PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame,
    },
};

#[tokio::test]
async fn frames_are_read_as_section_4_says() {
    check(vec![
        ("an unknown frame is ignored", frame(0x16, 0, 0, b"12345678"), Nothing),
        ("an unknown flag is ignored", frame(PING, 0xFE, 0, b"12345678"), Nothing),
        ("the reserved bit is ignored", frame(PING, 0, 1 << 31, b"12345678"), Nothing),
        (
            "a DATA frame is too large",
            [post(1), frame(DATA, END_STREAM, 1, &[0; 16_385])].concat(),
            Stream(SIZE),
        ),
        ("a HEADERS frame is too large", frame(HEADERS, ALL, 1, &[0; 16_385]), Connection(SIZE)),
        ("a SETTINGS frame is too large", frame(SETTINGS, 0, 0, &[0; 16_386]), Connection(SIZE)),
        (
            "PRIORITY within a head",
            [frame(HEADERS, END_STREAM, 1, GET), frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 9])].concat(),
            Connection(&[PROTOCOL_ERROR]),
        ),
        (
            "a head of another stream within a head",
            [frame(HEADERS, END_STREAM, 1, GET), frame(HEADERS, ALL, 3, GET)].concat(),
            Connection(&[PROTOCOL_ERROR]),
        ),
        (
            "an unknown frame within a head",
            [frame(HEADERS, END_STREAM, 1, GET), frame(0x16, 0, 1, b"")].concat(),
            Connection(&[PROTOCOL_ERROR]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn streams_have_the_states_of_section_5() {
    check(vec![
        ("DATA on an idle stream", frame(DATA, END_STREAM, 1, b"x"), Connection(&[PROTOCOL_ERROR])),
        ("RST_STREAM on an idle stream", reset(1, 8), Connection(&[PROTOCOL_ERROR])),
        ("WINDOW_UPDATE on an idle stream", window_update(1, 100), Connection(&[PROTOCOL_ERROR])),
        (
            "CONTINUATION on an idle stream",
            frame(CONTINUATION, END_HEADERS, 1, GET),
            Connection(&[PROTOCOL_ERROR]),
        ),
        (
            "DATA after the end of a request",
            [hang(1), frame(DATA, END_STREAM, 1, b"x")].concat(),
            Stream(&[STREAM_CLOSED, PROTOCOL_ERROR]),
        ),
        (
            "a second head after the end of a request",
            [hang(1), hang(1)].concat(),
            Stream(&[STREAM_CLOSED, PROTOCOL_ERROR]),
        ),
        ("WINDOW_UPDATE after the end of a request", [hang(1), window_update(1, 100)].concat(), Nothing),
        (
            "PRIORITY after the end of a request",
            [hang(1), frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 9])].concat(),
            Nothing,
        ),
        (
            "DATA after RST_STREAM",
            [post(1), reset(1, 8), frame(DATA, END_STREAM, 1, b"x")].concat(),
            Stream(&[STREAM_CLOSED]),
        ),
        (
            "a head after RST_STREAM",
            [hang(1), reset(1, 8), hang(1)].concat(),
            Stream(&[STREAM_CLOSED, PROTOCOL_ERROR]),
        ),
        ("a stream of an even number", frame(HEADERS, ALL, 2, GET), Connection(&[PROTOCOL_ERROR])),
        (
            "a stream of a lower number than before",
            [hang(5), frame(HEADERS, ALL, 3, GET)].concat(),
            Connection(&[PROTOCOL_ERROR, STREAM_CLOSED]),
        ),
        (
            "a stream that depends on itself",
            frame(HEADERS, ALL | 0x20, 1, &[&[0, 0, 0, 1, 9], GET].concat()),
            Stream(&[PROTOCOL_ERROR]),
        ),
        (
            "PRIORITY of a stream on itself",
            frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 9]),
            Stream(&[PROTOCOL_ERROR]),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_stream_above_the_limit_is_refused_so_that_it_may_be_sent_again() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut frames = connect(gateway.address()).await;
    frames.write(&(0..=100).flat_map(|number| hang(1 + 2 * number)).collect::<Vec<_>>()).await;
    let refused = until(&mut frames, RST_STREAM).await;
    assert_eq!((refused.stream, refused.code()), (201, REFUSED_STREAM));
}

#[tokio::test]
async fn each_kind_of_frame_has_the_form_of_section_6() {
    check(vec![
        ("DATA on stream 0", frame(DATA, END_STREAM, 0, b"x"), Connection(&[PROTOCOL_ERROR])),
        (
            "more padding than DATA",
            [post(1), frame(DATA, PADDED | END_STREAM, 1, b"\x06pad")].concat(),
            Connection(&[PROTOCOL_ERROR]),
        ),
        ("HEADERS on stream 0", frame(HEADERS, ALL, 0, GET), Connection(&[PROTOCOL_ERROR])),
        (
            "more padding than HEADERS",
            frame(HEADERS, ALL | PADDED, 1, &[&[99], GET].concat()),
            Connection(&[PROTOCOL_ERROR]),
        ),
        ("PRIORITY on stream 0", frame(PRIORITY, 0, 0, &[0, 0, 0, 3, 9]), Connection(&[PROTOCOL_ERROR])),
        ("PRIORITY of four bytes", frame(PRIORITY, 0, 1, &[0, 0, 0, 3]), Stream(SIZE)),
        ("RST_STREAM on stream 0", reset(0, 8), Connection(&[PROTOCOL_ERROR])),
        (
            "RST_STREAM of three bytes",
            [hang(1), frame(RST_STREAM, 0, 1, &[0, 0, 0])].concat(),
            Connection(SIZE),
        ),
        ("an acknowledgement of SETTINGS with a payload", frame(SETTINGS, ACK, 0, &[0; 6]), Connection(SIZE)),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 1, &[]), Connection(&[PROTOCOL_ERROR])),
        ("SETTINGS of five bytes", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0]), Connection(SIZE)),
        ("ENABLE_PUSH of 2", setting(2, 2), Connection(&[PROTOCOL_ERROR])),
        (
            "INITIAL_WINDOW_SIZE of 2^31",
            setting(4, 1 << 31),
            Connection(&[FLOW_CONTROL_ERROR, PROTOCOL_ERROR]),
        ),
        ("MAX_FRAME_SIZE of 16,383", setting(5, 16_383), Connection(&[PROTOCOL_ERROR])),
        ("MAX_FRAME_SIZE of 2^24", setting(5, 1 << 24), Connection(&[PROTOCOL_ERROR])),
        ("an unknown setting", setting(0xFF, 7), Nothing),
        (
            "PUSH_PROMISE by a client",
            frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2], GET].concat()),
            Connection(&[PROTOCOL_ERROR]),
        ),
        ("PING on a stream", frame(PING, 0, 1, b"12345678"), Connection(&[PROTOCOL_ERROR])),
        ("PING of six bytes", frame(PING, 0, 0, b"123456"), Connection(SIZE)),
        ("an acknowledgement of no PING", frame(PING, ACK, 0, b"12345678"), Nothing),
        ("GOAWAY on a stream", frame(GOAWAY, 0, 1, &[0; 8]), Connection(&[PROTOCOL_ERROR])),
        ("WINDOW_UPDATE by 0 of the connection", window_update(0, 0), Connection(&[PROTOCOL_ERROR])),
        (
            "WINDOW_UPDATE by 0 of a stream",
            [hang(1), window_update(1, 0)].concat(),
            Stream(&[PROTOCOL_ERROR]),
        ),
        ("WINDOW_UPDATE of three bytes", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1]), Connection(SIZE)),
        (
            "a window of the connection above 2^31-1",
            window_update(0, 0x7FFF_FFFF),
            Connection(&[FLOW_CONTROL_ERROR]),
        ),
        (
            "a window of a stream above 2^31-1",
            [hang(1), window_update(1, 0x7FFF_FFFF)].concat(),
            Stream(&[FLOW_CONTROL_ERROR]),
        ),
        (
            "CONTINUATION on stream 0",
            [frame(HEADERS, END_STREAM, 1, GET), frame(CONTINUATION, END_HEADERS, 0, &[])].concat(),
            Connection(&[PROTOCOL_ERROR]),
        ),
        (
            "CONTINUATION after the end of a head",
            [hang(1), frame(CONTINUATION, END_HEADERS, 1, GET)].concat(),
            Connection(&[PROTOCOL_ERROR]),
        ),
        (
            "CONTINUATION after DATA",
            [post(1), frame(DATA, 0, 1, b"x"), frame(CONTINUATION, END_HEADERS, 1, GET)].concat(),
            Connection(&[PROTOCOL_ERROR]),
        ),
        (
            "a head in several frames",
            [
                frame(HEADERS, END_STREAM, 1, &GET[..2]),
                frame(CONTINUATION, 0, 1, &GET[2..3]),
                frame(CONTINUATION, END_HEADERS, 1, &GET[3..]),
            ]
            .concat(),
            Nothing,
        ),
        ("padding", frame(HEADERS, ALL | PADDED, 1, &[&[3], GET, b"\0\0\0"].concat()), Nothing),
    ])
    .await;
}

#[tokio::test]
async fn requests_are_well_formed_as_section_8_says() {
    let with = |fields: &[(&str, &str)]| frame(HEADERS, ALL, 1, &[GET, &list(fields)].concat());
    let only = |fields: &[(&str, &str)]| frame(HEADERS, ALL, 1, &list(fields));
    let (method, scheme, path, authority) =
        ((":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a"));
    check(vec![
        ("a name in capitals", with(&[("X-Capital", "1")]), Malformed),
        ("an unknown pseudo-header", with(&[(":test", "1")]), Malformed),
        ("a pseudo-header of answers", with(&[(":status", "200")]), Malformed),
        ("a pseudo-header after a field", only(&[method, scheme, authority, ("x-a", "1"), path]), Malformed),
        ("no method", only(&[scheme, path, authority]), Malformed),
        ("no scheme", only(&[method, path, authority]), Malformed),
        ("no path", only(&[method, scheme, authority]), Malformed),
        ("an empty path", only(&[method, scheme, (":path", ""), authority]), Malformed),
        ("no authority and no host", only(&[method, scheme, path]), Malformed),
        ("two methods", with(&[method]), Malformed),
        ("two schemes", with(&[scheme]), Malformed),
        ("two paths", with(&[path]), Malformed),
        ("two authorities", with(&[authority]), Malformed),
        ("two hosts that differ", with(&[("host", "a"), ("host", "b")]), Malformed),
        ("Connection", with(&[("connection", "close")]), Malformed),
        ("Keep-Alive", with(&[("keep-alive", "timeout=5")]), Malformed),
        ("Proxy-Connection", with(&[("proxy-connection", "keep-alive")]), Malformed),
        ("Transfer-Encoding", with(&[("transfer-encoding", "chunked")]), Malformed),
        ("Upgrade", with(&[("upgrade", "h2c")]), Malformed),
        ("TE of anything but trailers", with(&[("te", "gzip")]), Malformed),
        ("TE of trailers", with(&[("te", "trailers")]), Nothing),
        ("a value with a line break", with(&[("x-a", "1\r\nx-b: 2")]), Malformed),
        ("a value with a line feed", with(&[("x-a", "1\n")]), Malformed),
        ("a value with NUL", with(&[("x-a", "1\0")]), Malformed),
        ("a name with a space", with(&[("x a", "1")]), Malformed),
        ("a name with a colon", with(&[("x:a", "1")]), Malformed),
        ("an empty name", with(&[("", "1")]), Malformed),
        ("a path with a space", only(&[method, scheme, (":path", "/a b"), authority]), Malformed),
        ("a path with a line break", only(&[method, scheme, (":path", "/a\r\nb"), authority]), Malformed),
        ("a method with a space", only(&[(":method", "GET /x"), scheme, path, authority]), Malformed),
        ("a length above that of no body", with(&[("content-length", "1")]), Malformed),
        ("a length that is none", with(&[("content-length", "+0")]), Malformed),
        (
            "two lengths that differ",
            [
                frame(
                    HEADERS,
                    END_HEADERS,
                    1,
                    &[GET, &list(&[("content-length", "1"), ("content-length", "2")])].concat(),
                ),
                frame(DATA, END_STREAM, 1, b"x"),
            ]
            .concat(),
            Malformed,
        ),
        (
            "less than the length says",
            [with_length("2"), frame(DATA, END_STREAM, 1, b"x")].concat(),
            Stream(&[PROTOCOL_ERROR]),
        ),
        (
            "more than the length says",
            [with_length("1"), frame(DATA, 0, 1, b"x"), frame(DATA, END_STREAM, 1, b"y")].concat(),
            Stream(&[PROTOCOL_ERROR]),
        ),
        (
            "a second head that ends nothing",
            [post(1), frame(HEADERS, END_HEADERS, 1, &list(&[("x-a", "1")]))].concat(),
            Stream(&[PROTOCOL_ERROR]),
        ),
        (
            "a pseudo-header in trailers, which goes no further",
            [post(1), frame(HEADERS, ALL, 1, &list(&[path]))].concat(),
            Nothing,
        ),
    ])
    .await;
}

#[tokio::test]
async fn heads_are_compressed_as_rfc_7541_says() {
    let with = |block: &[u8]| frame(HEADERS, ALL, 1, &[GET, block].concat());
    check(vec![
        ("an index above both tables", with(&[0xC6]), Connection(HPACK)),
        ("an index of 0", with(&[0x80]), Connection(HPACK)),
        (
            "a number that overflows",
            with(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]),
            Connection(HPACK),
        ),
        ("a string that is longer than the block", with(&[0x00, 3, b'x']), Connection(HPACK)),
        ("a change of the table's size at the end", with(&[0x20]), Connection(HPACK)),
        (
            "a table larger than was allowed",
            frame(HEADERS, ALL, 1, &[&[0x3F, 0xE2, 0x1F], GET].concat()),
            Connection(HPACK),
        ),
        (
            "Huffman padding of more than seven bits",
            with(&[0x00, 0x81, 0xF3, 0x82, 0x07, 0xFF]),
            Connection(HPACK),
        ),
        ("Huffman padding of zeros", with(&[0x00, 0x81, 0xF3, 0x81, 0x00]), Connection(HPACK)),
        (
            "the end of a Huffman string within it",
            with(&[0x00, 0x81, 0xF3, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]),
            Connection(HPACK),
        ),
        ("a smaller table at the beginning", frame(HEADERS, ALL, 1, &[&[0x20], GET].concat()), Nothing),
    ])
    .await;
}

#[tokio::test]
async fn a_ping_and_settings_are_acknowledged() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut frames = connect(gateway.address()).await;
    frames.write(&[setting(3, 10), frame(PING, 0, 0, b"whatever")].concat()).await;
    assert_eq!(until(&mut frames, SETTINGS).await.flags, ACK);
    assert_eq!(until(&mut frames, PING).await.payload, b"whatever");
}

#[tokio::test]
async fn no_more_is_sent_than_the_window_takes() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut frames = connect(gateway.address()).await;
    frames.write(&[setting(4, 3), frame(HEADERS, ALL, 1, GET)].concat()).await;
    assert_eq!(until(&mut frames, DATA).await.payload.len(), 3);
    // A window that was taken back has to be filled up before anything is sent.
    frames.write(&[setting(4, 0), window_update(1, 3), window_update(1, 2)].concat()).await;
    assert_eq!(until(&mut frames, DATA).await.payload.len(), 2);
}

#[tokio::test]
async fn a_connection_of_http_2_begins_with_its_preface() {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut client = crate::support::Client::connect(gateway.address()).await;
    client.write(&[&PREFACE[..20], b"XXXX"].concat()).await;
    client.half_close().await;
    client.rest().await;
    assert_eq!(upstream.requests(), 0);
}

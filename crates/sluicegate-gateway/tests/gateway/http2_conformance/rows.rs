//! Rows of what is written and what becomes of it, and how they are checked.

use crate::support::{
    Upstream, gateway,
    http2::{
        ACK, END_HEADERS, END_STREAM, Frame, Frames, GET, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, frame,
    },
};

pub(super) const PROTOCOL_ERROR: u32 = 1;
pub(super) const FLOW_CONTROL_ERROR: u32 = 3;
pub(super) const STREAM_CLOSED: u32 = 5;
pub(super) const FRAME_SIZE_ERROR: u32 = 6;
pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const COMPRESSION_ERROR: u32 = 9;

pub(super) const ALL: u8 = END_HEADERS | END_STREAM;

/// The expected end of a connection after a write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    /// It ends, with one of these codes.
    Connection(&'static [u32]),
    /// Stream 1 ends, with one of these codes; or the connection does.
    Stream(&'static [u32]),
    /// The request is not one: stream 1 ends, or is answered 400. The upstream sees nothing of it.
    Malformed,
    /// It goes on as if nothing had been.
    Nothing,
}

use Then::{Connection, Malformed, Nothing, Stream};

/// A row: a sentence, what is written, and what becomes of it.
pub(super) type Row = (&'static str, Vec<u8>, Then);

/// Writes each row on a connection of its own, and looks what becomes of it; and whether requests are served after it
/// where they should be.
pub(super) async fn check(rows: Vec<Row>) {
    let upstream = Upstream::start().await;
    let gateway = gateway(upstream.address);
    let mut wrong = Vec::new();
    for (sentence, written, then) in rows {
        let before = upstream.requests();
        let mut frames = connect(gateway.address()).await;
        frames.write(&written).await;
        let became = Became::of(&mut frames).await;
        let is_right = match then {
            Connection(codes) => became.connection.is_some_and(|code| codes.contains(&code)),
            Stream(codes) => became.connection.or(became.stream).is_some_and(|code| codes.contains(&code)),
            Malformed => {
                let ended = became.connection.or(became.stream);
                let is_refused = ended.map_or(became.is_answered_400(), |code| code == PROTOCOL_ERROR);
                is_refused && upstream.requests() == before
            }
            Nothing => became.connection.is_none() && is_served(&mut frames).await,
        };
        if !is_right {
            wrong.push(format!("{sentence}: {then:?}, but {became:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The observed end of a connection.
#[derive(Debug, Default)]
pub(super) struct Became {
    /// The code of the GOAWAY that ended it; 0 where it ended without.
    connection: Option<u32>,
    /// The code with which stream 1 ended.
    stream: Option<u32>,
    /// The head of the answer on stream 1.
    answer: Option<Vec<u8>>,
}

impl Became {
    async fn of(frames: &mut Frames) -> Self {
        let mut became = Self::default();
        // What is answered to a PING may overtake what there is to say of a stream, but not twice.
        for _ in 0..2 {
            frames.write(&frame(PING, 0, 0, MARK)).await;
            loop {
                let Some(frame) = frames.read().await else {
                    became.connection.get_or_insert(0);
                    return became;
                };
                match frame.kind {
                    GOAWAY => became.connection = Some(frame.code()),
                    RST_STREAM if frame.stream == 1 => became.stream = Some(frame.code()),
                    HEADERS if frame.stream == 1 => became.answer = Some(frame.payload),
                    PING if frame.payload == MARK => break,
                    _ => {}
                }
            }
        }
        became
    }

    /// 400 is number 12 of the static table.
    fn is_answered_400(&self) -> bool {
        self.answer.as_ref().is_some_and(|head| head.contains(&0x8C))
    }
}

/// Returns `true` if another request gets a 200, which is number 8 of the static table.
pub(super) async fn is_served(frames: &mut Frames) -> bool {
    frames.write(&frame(HEADERS, ALL, 1001, GET)).await;
    while let Some(frame) = frames.read().await {
        if frame.kind == HEADERS && frame.stream == 1001 {
            return frame.payload.contains(&0x88);
        }
    }
    false
}

/// Connects, and waits until the settings are exchanged.
pub(super) async fn connect(address: std::net::SocketAddr) -> Frames {
    let mut frames = Frames::connect(address).await;
    while until(&mut frames, SETTINGS).await.flags & ACK == 0 {}
    frames.write(&frame(SETTINGS, ACK, 0, &[])).await;
    frames
}

pub(super) async fn until(frames: &mut Frames, kind: u8) -> Frame {
    loop {
        let frame = frames.read().await.expect("the connection lives");
        if frame.kind == kind {
            return frame;
        }
    }
}

/// A request that is never answered.
pub(super) fn hang(stream: u32) -> Vec<u8> {
    let head = list(&[(":method", "GET"), (":scheme", "http"), (":path", "/hang"), (":authority", "a")]);
    frame(HEADERS, ALL, stream, &head)
}

/// The head of a request whose body is to come.
pub(super) fn post(stream: u32) -> Vec<u8> {
    let head = list(&[(":method", "POST"), (":scheme", "http"), (":path", "/hang"), (":authority", "a")]);
    frame(HEADERS, END_HEADERS, stream, &head)
}

pub(super) fn with_length(length: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, &[GET, &list(&[("content-length", length)])].concat())
}

pub(super) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub(super) fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

pub(super) fn setting(name: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

/// Fields as literals that no table is asked for.
pub(super) fn list(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).expect("it is short")], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

pub(super) const MARK: &[u8; 8] = b"the mark";

/// A frame of the wrong size may end the connection as any violation does.
pub(super) const SIZE: &[u32] = &[FRAME_SIZE_ERROR, PROTOCOL_ERROR];

/// A head that cannot be decompressed, too.
pub(super) const HPACK: &[u32] = &[COMPRESSION_ERROR, PROTOCOL_ERROR];

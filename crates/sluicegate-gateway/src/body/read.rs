//! Reading a whole body, where the decision depends on it.

use std::{future::poll_fn, pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use tokio::time::timeout;

use super::ClientBody;

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// It is larger than the limit. At most the limit and one read more was taken from the client.
    TooLarge {
        /// The most bytes that are read.
        limit: u64,
    },
    /// The client sent nothing for too long.
    Stalled,
    /// It ended early or was malformed.
    Broken,
}

/// Reads the body to its end; trailers are dropped.
///
/// # Errors
///
/// [`ReadError`]; a declared length over `limit` fails before anything is read.
pub(crate) async fn read(body: &mut ClientBody, limit: u64, stall: Duration) -> Result<Bytes, ReadError> {
    if body.size_hint().lower() > limit {
        return Err(ReadError::TooLarge { limit });
    }
    let mut whole = Whole::Empty;
    loop {
        let next = timeout(stall, poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)));
        let frame = match next.await.map_err(|_| ReadError::Stalled)? {
            None => break,
            Some(frame) => frame.map_err(|_| ReadError::Broken)?,
        };
        if let Ok(data) = frame.into_data() {
            whole = whole.and(data);
            if whole.len() as u64 > limit {
                return Err(ReadError::TooLarge { limit });
            }
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok(whole.into_bytes())
}

/// What has been read. Most bodies arrive in one piece, which is kept as it is.
enum Whole {
    Empty,
    One(Bytes),
    Many(BytesMut),
}

impl Whole {
    fn and(self, data: Bytes) -> Whole {
        match self {
            Whole::Empty => Whole::One(data),
            Whole::One(first) => {
                let mut joined = BytesMut::with_capacity(2 * (first.len() + data.len()));
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&data);
                Whole::Many(joined)
            }
            Whole::Many(mut joined) => {
                joined.extend_from_slice(&data);
                Whole::Many(joined)
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Whole::Empty => 0,
            Whole::One(bytes) => bytes.len(),
            Whole::Many(bytes) => bytes.len(),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Whole::Empty => Bytes::new(),
            Whole::One(bytes) => bytes,
            Whole::Many(bytes) => bytes.freeze(),
        }
    }
}

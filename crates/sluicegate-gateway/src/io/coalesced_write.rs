//! Writing several small pieces at once.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::Write;
use smallvec::SmallVec;

/// Writes the slices of one message, in one piece if they are small. Copying a head and a small body together
/// costs less than a gathering write of the kernel, and over TLS they become one record.
pub(crate) fn poll_write(
    stream: Pin<&mut impl Write>,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let length: usize = slices.iter().map(|slice| slice.len()).sum();
    if length > SMALL {
        return stream.poll_write_vectored(cx, slices);
    }
    if let [slice] = slices {
        return stream.poll_write(cx, slice);
    }
    let mut piece = SmallVec::<[u8; SMALL]>::new();
    slices.iter().for_each(|slice| piece.extend_from_slice(slice));
    stream.poll_write(cx, &piece)
}

/// The most that is copied, in bytes.
const SMALL: usize = 4096;

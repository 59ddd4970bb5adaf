//! The bodies that pass through: a request's on its way up, an answer's on its way down.

mod answer;
mod discard;
mod read;
mod request;

pub(crate) use self::answer::AnswerBody;
pub(crate) use self::discard::discard;
pub(crate) use self::read::{ReadError, read};
pub(crate) use self::request::{ClientBody, RequestBody};

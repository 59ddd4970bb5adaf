//! Bodies: a request's on its way to the decision, a response's on its way to the client.

mod observed;
mod read;

pub use observed::{End, Observed, Observer};
pub use read::{MALFORMED, read};

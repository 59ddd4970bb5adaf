//! Bodies: a request's on its way to the decision and on from there, a response's on its way to the client.

mod answer;
mod held;
mod metered;
mod observed;
mod read;

pub use answer::Answer;
pub use held::Held;
pub use metered::{Exhausted, Metered, Relayed};
pub use observed::{End, Observed, Observer};
pub use read::{MALFORMED, read};

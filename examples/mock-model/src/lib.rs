//! A model server without a model: it speaks the dialects of real ones, produces as many tokens as it is told, at the
//! pace that it is told, and fails as it is told. It keeps exact books of what it produced.
//!
//! [`MockModel`] is the server, [`Settings`] say how it behaves, and the [`Ledger`] is its books. `docs/mock-model.md`
//! is the guide.

mod answer;
mod control;
mod dialect;
mod embeddings;
mod endpoint;
mod ledger;
mod plain;
mod playback;
mod predictions;
mod prompt;
mod question;
mod server;
mod settings;
mod socket;

pub use ledger::{Ended, Ledger, Record, Totals};
pub use server::MockModel;
pub use settings::{Failure, Settings, Usage};

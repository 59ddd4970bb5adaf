//! The decision log: one line of JSON for each decision, and one for each end of an allowed request.
//!
//! Its lines have every fact that the decisions depend on. A reader that takes and settles the same charges at the same
//! times, in the order of times, gets the same decisions.

mod clock;
mod file;
mod line;
mod log;
mod record;
mod sink;
mod time;
mod writer;

pub use clock::LogClock;
pub use file::LogFile;
pub(crate) use log::Asked;
pub use log::{DecisionLog, Logged};
pub use record::{
    Costs, Decision, End, Extend, Keys, LimitCharge, LimitDecision, Outcome, Record, Start, Tokens, schema,
};
pub use sink::{DecisionSink, SinkEvent};
pub use time::{NoTime, Time};

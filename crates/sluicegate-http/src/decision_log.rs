//! The decision log: one line of JSON for each decision, and one for each end of an allowed request.
//!
//! Its lines have every fact that the decisions depend on. A reader that takes and settles the same charges at the same
//! times, in the order of times, gets the same decisions.

mod asked;
mod backlog;
mod clock;
mod file;
mod lane;
mod line;
mod log;
mod logged;
mod phrases;
mod record;
mod sink;
mod time;
mod writer;

pub(crate) use asked::Asked;
pub use clock::LogClock;
pub use file::LogFile;
pub use log::DecisionLog;
pub use logged::Logged;
pub use record::{
    Costs, Decision, End, Extend, Keys, LimitCharge, LimitDecision, Outcome, Record, Reset, Start, Tokens,
    schema,
};
pub use sink::{DecisionSink, SinkEvent};
pub use time::{NoTime, Time};

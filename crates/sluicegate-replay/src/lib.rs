//! Decides the requests of logs by a candidate policy, in virtual time.
//!
//! A [`Replay`] reads logs, as events: a `reader` for each format makes a record of each line. They are put in the order of
//! time, and decided by the gate that decides live requests, on a clock that the log moves. A [`Report`] tells what each
//! limit would have denied, as text, as JSON and as plots.

mod callers;
mod decider;
mod denied_keys;
mod draft;
mod durations;
mod facts;
mod feed;
mod field;
mod input;
mod log_format;
mod merge;
mod moment;
mod needed;
mod plot;
mod queue;
mod readers;
mod record;
mod replay;
mod report;
mod sites;
mod tally;
mod timeline;
mod trace;
mod unreadable;
mod virtual_time;
mod waits;

pub use field::{Field, UnknownField};
pub use input::InputError;
pub use log_format::LogFormat;
pub use moment::Moment;
pub use plot::Plot;
pub use readers::template::FormatError;
pub use replay::{Progress, Replay};
pub use report::Report;

use readers::Wanted;
use record::Event;
use unreadable::Unreadable;

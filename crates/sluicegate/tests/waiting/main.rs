//! Callers that wait until a limit lets them pass.

mod crowd;
mod lines;
mod sleeps;

//! The usage that responses report, or that is counted where they do not.

mod aborted;
mod answer;
mod captured;
mod encoded;
mod hostile;
mod openai;
mod others;
mod pointed;
mod splits;

//! A store that goes on when the one behind it does not answer.

mod answers;
mod bound;
mod circuit;
mod deny_cache;
mod remote;
mod resets;
mod servers;
mod shares;

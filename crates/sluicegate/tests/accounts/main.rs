//! The five algorithms, held to their invariants in exact arithmetic.

mod bucket;
mod every_account;
mod traffic;
mod windows;

//! The layer around services, on a clock that the tests move.

mod addresses;
mod building;
mod conservation;
mod denials;
mod endings;
mod readiness;
mod sameness;
mod settling;
mod tokens;

mod site;

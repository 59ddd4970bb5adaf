//! A small real model behind the Sluicegate gateway, in one process.
//!
//! [`Demo`] starts both and [`guide`] says what to try. The model and its server know nothing of limits; the policy,
//! `demo.toml`, holds all of them.

mod demo;
pub mod guide;
pub mod model;
pub mod model_server;

pub use demo::{Addresses, Demo, policy_file};

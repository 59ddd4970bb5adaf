//! A small real model behind the Sluicegate gateway, in one process.

pub mod model;
pub mod model_server;

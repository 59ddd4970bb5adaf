//! The threads of a gateway: a worker for each core, and one beside them.

pub(crate) mod accepting;
pub(crate) mod drain;
pub(crate) mod housekeeping;
pub(crate) mod listener;
pub(crate) mod server;
pub(crate) mod worker;

//! Every store of the engine keeps every promise of a store.

mod memory;
mod stand_in;

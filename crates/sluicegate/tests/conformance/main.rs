//! Every store of the engine keeps every promise of a store.

mod deny_cache;
mod fallback;
mod memory;
mod stand_in;

//! Every store of the engine keeps every promise of a store.

mod deny_cache;
mod fallback;
mod leased;
mod local_store;
mod memory;

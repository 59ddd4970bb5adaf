//! Every store of the engine keeps every promise of a store.

mod deny_cache;
mod fallback;
mod local_store;
mod memory;

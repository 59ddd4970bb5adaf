//! Redis, and Valkey, which is the same from outside.

mod builder;
mod certificates;
mod resp;
mod server;

pub use builder::RedisServerBuilder;
pub use server::RedisServer;

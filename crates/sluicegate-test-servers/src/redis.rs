//! Redis, and Valkey, which is the same from outside.

mod builder;
mod certificates;
mod clock;
mod cluster;
mod resp;
mod sentinel;
mod server;

pub use builder::RedisServerBuilder;
pub use cluster::{RedisCluster, RedisClusterBuilder};
pub use sentinel::RedisSentinel;
pub use server::RedisServer;

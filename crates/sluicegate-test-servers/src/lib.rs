//! Real servers for tests: Redis or Valkey alone, behind Sentinel and as a Cluster, and Memcached, and a proxy that fails
//! on demand.
//!
//! ```
//! use sluicegate_test_servers::RedisServer;
//!
//! let redis = RedisServer::builder().aof().password("s3cret").start();
//! redis.command(&["SET", "greeting", "hello"]);
//! redis.kill(); // as a crash does
//! redis.restart(); // on the same port, with the same files
//! assert_eq!(redis.command(&["GET", "greeting"]), "hello");
//! assert!(redis.url().starts_with("redis://:s3cret@127.0.0.1:"));
//! ```
//!
//! Every server runs on loopback, on a free port, in a folder of its own. It is stopped, by its process id, when its
//! value is dropped, and also when the test's process ends without dropping it: killed, or with the server in a static.
//! Nothing here touches a process that it has not started. Calls block; in an async test they are fine where nothing
//! else must go on meanwhile, and `spawn_blocking` is for the rest.
//!
//! A server's clock can be set while it runs, by Debian's `libfaketime`: [`RedisServerBuilder::own_clock`].
//!
//! The servers are Debian's `redis-server`, which is Sentinel too, and `memcached`, which `./test` installs. The environment
//! variable `SLUICEGATE_TEST_REDIS` names another server to start in place of `redis-server`. Debian 12 has no package of
//! Valkey, so [`RedisServer::valkey`] is `None` unless `valkey-server` is on the PATH, where `./test valkey` puts one.

mod memcached;
mod polling;
mod ports;
mod process;
mod program;
mod proxy;
mod redis;

pub use memcached::MemcachedServer;
pub use proxy::FaultProxy;
pub use redis::{RedisCluster, RedisClusterBuilder, RedisSentinel, RedisServer, RedisServerBuilder};

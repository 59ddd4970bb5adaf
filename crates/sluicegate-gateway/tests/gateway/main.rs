//! The gateway on real sockets: a client by hand on one side, a scripted upstream on the other.

mod admin;
mod admin_access;
mod admin_documents;
mod admin_limits;
mod bodies;
mod client_limits;
mod connections;
mod decisions;
mod drain;
mod extended_connect;
mod failures;
mod floods;
mod heads;
mod http2;
mod http2_conformance;
mod http2_upstream;
mod proxy_protocol;
mod reload;
mod smuggling;
mod store;
mod support;
mod timeouts;
mod tls;
mod tls_upstream;
mod upgrades;
mod upstreams;

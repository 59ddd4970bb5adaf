//! The Sluicegate policy file, and what turns an HTTP request into charges and a decision into an answer.

mod client_ip;

pub use client_ip::{ClientIp, ForwardedHeader, UnknownForwardedHeader, account_ip};

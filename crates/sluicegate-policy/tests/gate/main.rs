//! The gate, as a gateway uses it: what passes, what is answered to what does not, and what clients are told.
//! Rules such as H4, B1 and I1 are those of the project's conformance list.
#![expect(clippy::unwrap_used, reason = "a test that cannot write its input stops there")]

mod accounts;
mod api_keys;
mod blocked;
mod bodies;
mod callers;
mod code;
mod cors;
mod descriptors;
mod endpoints;
mod foresight;
mod forms;
mod grpc;
mod guessing;
mod headers;
mod held;
mod hints;
mod inference_header;
mod input;
mod input_counts;
mod most_items;
mod no_body;
mod outage;
mod preflights;
mod retry_after;
mod sameness;
mod settling;
mod shadow;
mod site;
mod tiers;
mod token_books;
mod token_pointers;
mod tokens;
mod upstream_headers;
mod warmup;

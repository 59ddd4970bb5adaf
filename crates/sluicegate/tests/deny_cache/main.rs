//! Denials that are remembered.

mod forgetting;
mod inner;
mod remembering;
mod truth;

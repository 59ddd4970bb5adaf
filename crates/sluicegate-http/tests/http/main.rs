//! The work around a decision, on clocks and bodies that the tests move.

mod accounts;
mod admission;
mod background;
mod decision_log;
mod denial_log;
mod held;
mod held_store;
mod late_tokens;
mod metering;
mod observed;
mod reading;
mod told;

mod again;
mod logging;
mod site;

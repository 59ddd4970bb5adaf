//! The native half of the Python package `sluicegate`: bindings of the engine, the policy and the stores, without logic of
//! their own.
//!
//! Its names for users, and their documentation, are in `python/sluicegate/_native.pyi` and the stubs that it
//! imports.

#![expect(clippy::needless_pass_by_value, reason = "arguments come from Python by value")]

mod answer;
mod awaiting;
mod balance;
mod charge;
mod charges;
mod client_ip;
mod clock;
mod decision;
mod errors;
mod event_loop;
mod fork;
mod gate;
mod headers;
mod limiter;
mod limits;
mod metering;
mod metrics;
mod pass;
mod permit;
mod policy;
mod quota;
mod route;
mod scope;
mod store;
mod transitions;
mod visit;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::{
        answer::Answer,
        balance::Balance,
        charge::Charge,
        client_ip::ClientIp,
        clock::Clock,
        decision::Denial,
        errors::{PolicyError, StoreError},
        gate::Gate,
        limiter::Limiter,
        limits::Limits,
        metrics::exposition,
        pass::Pass,
        permit::Permit,
        policy::Policy,
        quota::Quota,
        route::Route,
        visit::Visit,
    };
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::fork::watch(module.py())
    }
}

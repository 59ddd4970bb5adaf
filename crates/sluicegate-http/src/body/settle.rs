//! Settling a pass from where nothing can be awaited.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use sluicegate::{Cost, Store, StoreError, Unit};
use sluicegate_policy::Pass;

/// A settlement that waits for a store.
pub type Settling = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// Replaces the estimated cost of a pass by the actual one, also from [`Drop`].
///
/// A store in memory has done so when this returns. What waits for another store is given to `spawn`, which lets a runtime
/// finish it.
///
/// # Errors
///
/// The error of a store that answers at once.
pub fn settle<S: Store>(
    pass: Box<Pass<S>>,
    actual: Vec<(Unit, Cost)>,
    spawn: impl FnOnce(Settling),
) -> Result<(), StoreError> {
    let mut settling: Settling = Box::pin(async move { pass.settle_units(&actual).await });
    match settling.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(settled) => settled,
        Poll::Pending => {
            spawn(settling);
            Ok(())
        }
    }
}

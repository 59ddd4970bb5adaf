//! The permit of a request, for the service that does the work.

use std::sync::Arc;

use sluicegate::{Cost, Unit};
use sluicegate_http::Told;

use crate::running::Holders;

/// The permit of an admitted request, for the service that does the work.
///
/// The layer puts it into the request's extensions. With the feature `axum`, it is also an extractor.
///
/// A service settles it when it knows what the request has cost. Without that, the estimate stays charged, or the usage that the
/// response itself reports where the policy meters tokens.
///
/// The charges are settled, and slots of concurrent limits are free again, when the response has ended and every clone of the
/// permit is dropped. So a task that outlives the response, such as that of a WebSocket, holds the slots by holding the permit.
///
/// ```
/// use http::Request;
/// use sluicegate_tower::Permit;
///
/// fn serve<B>(request: Request<B>) {
///     let used = 812;
///     if let Some(permit) = request.extensions().get::<Permit>() {
///         permit.settle(used);
///     }
/// }
/// # serve(Request::new(()));
/// ```
#[derive(Clone, Debug)]
pub struct Permit(Arc<Holders>);

impl Permit {
    pub(crate) fn new(holders: Arc<Holders>) -> Self {
        Self(holders)
    }

    /// Tells the actual cost of the request, in the unit of its meter. Less than the estimate is a refund, and more is a debt that
    /// later requests wait for. The last call counts.
    pub fn settle(&self, cost: impl Into<Cost>) {
        self.0.tell(Told::Cost(cost.into()));
    }

    /// [`settle`](Self::settle) for costs in several units. Those of other units stay as they are.
    pub fn settle_units(&self, costs: impl Into<Vec<(Unit, Cost)>>) {
        self.0.tell(Told::Units(costs.into()));
    }

    /// [`settle`](Self::settle) for the tokens of a model, on a route that meters tokens. `None` stays as it was reserved.
    pub fn settle_tokens(&self, input: Option<u64>, output: Option<u64>) {
        self.0.tell(Told::Tokens { input, output });
    }
}

//! Answers to proxies, which describe the request of a client.

mod endpoint;
mod original;

use bytes::Bytes;
use http::{Response, request::Parts};
use sluicegate_http::Metering;
use sluicegate_policy::{Refusal, Rejection, RequestId};

use self::endpoint::Endpoint;
use crate::request::proxy::Proxy;

/// Decides about the request that a proxy describes.
pub(super) async fn answer(proxy: &Proxy, head: &mut Parts) -> Response<Bytes> {
    let Some(endpoint) = Endpoint::of(head.uri.path()) else {
        return proxy.refuse(Refusal::BadRequest(NO_ENDPOINT));
    };
    let header = proxy.settings().forwarded_header;
    let client = match original::restore(head, endpoint, header) {
        Ok(client) => client,
        Err(wrong) => return endpoint.rejected(proxy.refuse(Refusal::BadRequest(wrong))),
    };
    let id = RequestId::of(&head.headers);
    let admission = &proxy.serving.admission;
    let decided = async {
        let mut entry = admission.enter(head, client).await?;
        let reading = entry.read(async |_| Err(Refusal::BadRequest(NO_BODY))).await?;
        entry.decide(reading.as_deref()).await
    };
    match decided.await {
        Ok(admitted) => {
            let mut response = Response::new(Bytes::new());
            admission.renderer().lines(&admitted.pass, &admitted.form).move_to(response.headers_mut());
            // Nobody tells how the request ends, so it ends here: slots come back, and nothing waits to be settled.
            if let Err(error) =
                admission.settle(admitted.pass, Metering::default(), admitted.logged.as_ref(), drop)
            {
                tracing::warn!(%error, "a decision stays charged as estimated");
            }
            response
        }
        // The server that is asked for knows its pages.
        Err(Rejection::Preflight { .. }) => Response::new(Bytes::new()),
        Err(rejection) => {
            proxy.log(&rejection, &id);
            endpoint.rejected(admission.renderer().rejected(&rejection, head, &id))
        }
    }
}

const NO_ENDPOINT: &str = "the decision server has no such path: proxies ask at /auth-request, /forward-auth or below /ext-authz/, and programs at /take";
const NO_BODY: &str = "this route counts what is in the body, and a decision sees only the head: send its requests through the gateway";

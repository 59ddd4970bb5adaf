//! The head of a request, as HTTP/2 has it.

use http::{
    Request, Uri, Version,
    header::{CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE},
    request::Parts,
    uri::{Authority, Scheme},
};

/// Turns a head that was made for HTTP/1.1 into one of HTTP/2: its host becomes the authority.
pub(super) fn request(mut head: Parts, scheme: &Scheme) -> Request<()> {
    head.headers.remove(CONNECTION);
    head.headers.remove(UPGRADE);
    // It may have been offered to an upstream of HTTP/1.1 before.
    head.headers.remove(TRANSFER_ENCODING);
    if let Some(uri) = whole(&head, scheme) {
        head.uri = uri;
        head.headers.remove(HOST);
        head.version = Version::HTTP_2;
    }
    // A host that is no authority stays the field that it was, without `:authority`.
    Request::from_parts(head, ())
}

fn whole(head: &Parts, scheme: &Scheme) -> Option<Uri> {
    let authority = Authority::try_from(head.headers.get(HOST)?.as_bytes()).ok()?;
    let mut uri = head.uri.clone().into_parts();
    uri.scheme = Some(scheme.clone());
    uri.authority = Some(authority);
    Uri::from_parts(uri).ok()
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn sent(method: Method, target: &'static str, host: &'static str) -> (String, Option<String>, Version) {
        let request = Request::builder().method(method).uri(target).header(HOST, host);
        let (head, ()) = request.header(CONNECTION, "te").body(()).unwrap().into_parts();
        let request = super::request(head, &Scheme::HTTP);
        assert!(!request.headers().contains_key(CONNECTION));
        let host = request.headers().get(HOST).map(|host| host.to_str().unwrap().to_owned());
        (request.uri().to_string(), host, request.version())
    }

    #[test]
    fn the_host_becomes_the_authority() {
        let whole = ("http://model:8000/v1?q=1".to_owned(), None, Version::HTTP_2);
        assert_eq!(sent(Method::GET, "/v1?q=1", "model:8000"), whole);
        let (uri, host, _) = sent(Method::OPTIONS, "*", "model");
        assert_eq!((uri.as_str(), host), ("http://model*", None));
    }

    #[test]
    fn a_host_that_is_no_authority_stays_a_field() {
        for host in ["", "a b", "a/b"] {
            let kept = ("/v1".to_owned(), Some(host.to_owned()), Version::HTTP_11);
            assert_eq!(sent(Method::GET, "/v1", host), kept);
        }
    }
}

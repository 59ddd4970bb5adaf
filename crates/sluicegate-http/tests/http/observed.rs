//! Bodies as they pass an observer.

use std::{cell::RefCell, convert::Infallible, pin::Pin, rc::Rc};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, channel::Channel};
use sluicegate_http::{End, Observed, Observer};

/// The data that an observer saw, and the ends of which it was told.
#[derive(Clone, Default)]
struct Seen(Rc<RefCell<(Vec<u8>, Vec<End>)>>);

impl Observer for Seen {
    fn data(&mut self, data: &Bytes) {
        self.0.borrow_mut().0.extend_from_slice(data);
    }

    fn end(&mut self, end: End) {
        self.0.borrow_mut().1.push(end);
    }
}

impl Seen {
    fn told(&self) -> (String, Vec<End>) {
        let (data, ends) = &*self.0.borrow();
        (String::from_utf8_lossy(data).into_owned(), ends.clone())
    }
}

#[test]
fn each_frame_is_seen_as_it_passes_and_the_end_once() {
    let seen = Seen::default();
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(4);
    let mut body = Observed::new(body, seen.clone());
    pollster::block_on(async {
        for piece in ["one", "two"] {
            sender.send_data(Bytes::from(piece)).await.expect("it is read");
            assert!(body.frame().await.is_some_and(|frame| frame.is_ok_and(|frame| frame.is_data())));
        }
        assert_eq!(seen.told(), ("onetwo".to_owned(), vec![]));
        sender.send_trailers(HeaderMap::new()).await.expect("it is read");
        assert!(body.frame().await.is_some());
    });
    drop(body);
    assert_eq!(seen.told(), ("onetwo".to_owned(), vec![End::Complete]));
}

#[test]
fn a_body_whose_last_frame_is_known_ends_with_it() {
    let seen = Seen::default();
    let mut body = Observed::new(Full::new(Bytes::from_static(b"all")), seen.clone());
    assert!(pollster::block_on(body.frame()).is_some());
    assert_eq!(seen.told(), ("all".to_owned(), vec![End::Complete]));
}

#[test]
fn a_body_that_is_never_polled_because_it_is_empty_has_ended() {
    let seen = Seen::default();
    let _body = Observed::new(Empty::<Bytes>::new(), seen.clone());
    assert_eq!(seen.told().1, [End::Complete]);
}

#[test]
fn a_client_that_leaves_is_an_end() {
    let seen = Seen::default();
    let mut body = Observed::new(Full::new(Bytes::from_static(b"all")), seen.clone());
    assert!(!Body::is_end_stream(&body));
    drop(body);
    assert_eq!(seen.told(), (String::new(), vec![End::Dropped]));
    body = Observed::new(Full::new(Bytes::new()), Seen::default());
    drop(body);
}

#[test]
fn a_body_that_breaks_off_is_an_end() {
    let seen = Seen::default();
    let mut body = Observed::new(Broken, seen.clone());
    assert!(pollster::block_on(body.frame()).is_some_and(|frame| frame.is_err()));
    drop(body);
    assert_eq!(seen.told(), (String::new(), vec![End::Failed]));
}

/// A body that breaks off at once.
struct Broken;

impl Body for Broken {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        std::task::Poll::Ready(Some(Err("reset")))
    }
}

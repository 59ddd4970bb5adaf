//! Jobs beside the requests.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use sluicegate_http::{Timer, until_ready, watch_keys};
use sluicegate_policy::{KeyFile, UtcTime};

use crate::site::{Site, Slept};

/// A timer whose sleeps end when the test polls again.
struct Turns;

impl Timer for Turns {
    fn sleep(&self, _: Duration) -> impl Future<Output = ()> + Send {
        let mut is_over = false;
        std::future::poll_fn(move |_| {
            if std::mem::replace(&mut is_over, true) { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}

#[test]
fn a_gate_learns_of_each_change_of_its_key_file_and_keeps_old_keys_when_it_cannot() {
    let folder = tempfile::tempdir().expect("a place for files");
    let path = folder.path().join("keys.toml");
    let site = Site::new("");
    let heard = RefCell::new(Vec::new());
    let mut watching = pin!(watch_keys(&path, site.admission.gate(), &Turns, |keys| {
        heard.borrow_mut().push(keys.ok());
    }));
    let mut turn = || {
        assert!(watching.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        std::mem::take(&mut *heard.borrow_mut())
    };
    assert_eq!(turn(), [None], "there is no file yet");
    assert_eq!(turn(), []);
    KeyFile::at(&path).add("acme", None, UtcTime::from_unix(0)).expect("the folder is ours");
    assert_eq!(turn(), [Some(1)]);
    std::fs::write(&path, "nonsense").expect("the folder is ours");
    assert_eq!(turn(), [None]);
    assert_eq!(turn(), []);
}

#[test]
fn an_upstream_is_asked_once_a_second_until_it_is_ready() {
    let (timer, asked) = (Slept::default(), Cell::new(0));
    pollster::block_on(until_ready(&timer, || {
        asked.set(asked.get() + 1);
        std::future::ready(asked.get() == 4)
    }));
    assert_eq!(*timer.0.lock().unwrap(), [Duration::from_secs(1); 3]);
}

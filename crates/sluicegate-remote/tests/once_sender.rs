//! The answer to a caller, which one of several parties gives.

use sluicegate_remote::OnceSender;

#[test]
fn the_first_value_wins() {
    let (sender, mut receiver) = OnceSender::channel();
    assert!(!sender.is_closed());
    assert!(sender.send("the answer"));
    assert!(sender.is_closed());
    assert!(!sender.send("too late"));
    assert_eq!(receiver.try_recv(), Ok("the answer"));
}

#[test]
fn a_caller_that_went_away_waits_for_nothing() {
    let (sender, receiver) = OnceSender::channel();
    drop(receiver);
    assert!(sender.is_closed());
    assert!(!sender.send("for nobody"));
}

#[test]
fn nobody_waits_for_a_default_one() {
    let sender = OnceSender::default();
    assert!(sender.is_closed());
    assert!(!sender.send("for nobody"));
}

#[test]
fn a_caller_learns_that_all_senders_are_gone() {
    let (sender, mut receiver) = OnceSender::<()>::channel();
    let other = std::sync::Arc::clone(&sender);
    drop(sender);
    assert!(
        receiver.try_recv().is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Empty)
    );
    drop(other);
    assert!(
        receiver.try_recv().is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Closed)
    );
}

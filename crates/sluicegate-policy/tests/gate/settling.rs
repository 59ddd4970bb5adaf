//! Settlement of a request's real cost, once it is known.

use sluicegate::{Cost, Unit};
use sluicegate_policy::{CodeMeter, CodeRoute, Gate, Hints, Mode, Pass};

use crate::site::{Ask, Site, Store, now, quotas};

#[test]
fn what_was_given_is_replaced_by_what_was_used_and_the_rest_stays() {
    let (site, gate) = given("9/minute; 100 items/minute; 2 concurrent");
    assert_eq!(balances(&pass(&gate, 30)), [8, 70, 1]);
    now(pass(&gate, 30).settle(Cost::new(10))).unwrap();
    assert_eq!(balances(&pass(&gate, 0)), [6, 60, 1], "each is one request, and one slot is free again");
    site.wait(60);
    assert_eq!(balances(&pass(&gate, 100)), [8, 0, 1]);
}

#[test]
fn where_only_requests_are_counted_they_are_what_is_settled() {
    let (_, gate) = given("100/minute; 2 concurrent");
    now(pass(&gate, 30).settle(Cost::new(10))).unwrap();
    assert_eq!(balances(&pass(&gate, 0)), [90, 1]);
}

#[test]
fn more_than_was_estimated_is_a_debt() {
    let (site, gate) = given("60 items/minute");
    now(pass(&gate, 60).settle(Cost::new(90))).unwrap();
    site.wait(30);
    assert_eq!(ask(&gate, 1).map(drop), Err(429));
    site.wait(1);
    assert_eq!(balances(&pass(&gate, 1)), [0]);
}

#[test]
fn slots_come_back_whether_or_not_anything_changes() {
    let (_, gate) = given("9 items/minute; 1 concurrent");
    for actual in [3, 1] {
        now(pass(&gate, 3).settle(Cost::new(actual))).unwrap();
    }
    now(pass(&gate, 3).settle_units(&[])).unwrap();
    assert_eq!(balances(&pass(&gate, 0)), [9 - 3 - 1 - 3, 0]);
}

#[test]
fn costs_are_settled_by_their_units() {
    let (_, gate) = given("9/minute; 100 items/minute; 100 tokens/minute; 3 concurrent");
    let pass_of_five = pass(&gate, 5);
    let actual =
        [(Unit::Tokens, Cost::new(40)), (Unit::Requests, Cost::ZERO), (Unit::Concurrent, Cost::ZERO)];
    now(pass_of_five.settle_units(&actual)).unwrap();
    assert_eq!(balances(&pass(&gate, 0)), [8, 95, 60, 2]);
}

#[test]
fn a_weight_is_final_and_what_was_given_instead_is_not() {
    let (_, gate) = gate(CodeRoute { weight: 4, ..CodeRoute::new("/", quotas("9/minute; 9 concurrent")) });
    now(Ask::post("/").at(&gate, None).passed().settle(Cost::ZERO)).unwrap();
    assert_eq!(balances(&pass(&gate, 1)), [9 - 4 - 1, 8]);
    now(pass(&gate, 4).settle(Cost::ZERO)).unwrap();
    assert_eq!(balances(&pass(&gate, 0)), [4, 8]);
}

#[test]
fn a_route_of_the_file_is_settled_too() {
    let site = Site::new(
        "[[route]]\npath = \"/\"\nmeter = { items = \"/inputs\" }\nlimits = [\"9/minute\", \"9 items/minute\"]",
    );
    let pass = || site.send(&Ask::post("/").batch(4)).passed();
    now(pass().settle(Cost::ONE)).unwrap();
    assert_eq!(balances(&pass()), [7, 4]);
}

#[test]
fn shadow_limits_are_settled_with_the_others() {
    let route = CodeRoute { mode: Mode::Shadow, ..CodeRoute::new("/", quotas("10 items/minute")) };
    let (_, gate) = gate(CodeRoute { meter: CodeMeter::Given, ..route });
    now(pass(&gate, 10).settle(Cost::ONE)).unwrap();
    assert!(pass(&gate, 9).denied_in_shadow().is_empty());
    assert_eq!(pass(&gate, 1).denied_in_shadow().len(), 1);
}

/// A limit that is small for a while takes no more of a request than all there is of it, at the end as at the beginning.
#[test]
fn a_request_that_takes_all_of_a_cold_limit_leaves_no_debt_behind() {
    let site = Site::new("[warmup]\nready = \"/health\"");
    let route = CodeRoute { meter: CodeMeter::Given, ..CodeRoute::new("/", quotas("100 items/minute")) };
    let gate = site.gate.with_policy(site.gate.policy().with_route(route).unwrap());
    for actual in [100, 80] {
        now(pass(&gate, 100).settle(Cost::new(actual))).unwrap();
        site.wait(60);
    }
    now(pass(&gate, 100).settle(Cost::new(5))).unwrap();
    assert_eq!(balances(&pass(&gate, 0)), [15]);
}

#[test]
fn a_pass_that_nothing_was_charged_for_settles_nothing() {
    let site = Site::new("[[route]]\npath = \"/\"\nlimits = []");
    now(site.send(&Ask::post("/")).passed().settle(Cost::new(7))).unwrap();
}

/// Permits are settled where they happen to be dropped: on any thread.
#[test]
fn a_settlement_may_be_made_on_any_thread() {
    let (_, gate) = given("9 items/minute");
    let (one, other) = (pass(&gate, 2), pass(&gate, 2));
    let settled = std::thread::scope(|scope| {
        let one = scope.spawn(move || now(one.settle(Cost::ONE)));
        let other = scope.spawn(move || now(other.settle_units(&[(Unit::Items, Cost::ONE)])));
        [one.join(), other.join()]
    });
    assert!(settled.into_iter().all(|settled| matches!(settled, Ok(Ok(())))));
    assert_eq!(balances(&pass(&gate, 0)), [7]);
}

/// A gate whose caller gives costs.
fn given(texts: &str) -> (Site, Gate<Store>) {
    gate(CodeRoute { meter: CodeMeter::Given, ..CodeRoute::new("/", quotas(texts)) })
}

fn gate(route: CodeRoute) -> (Site, Gate<Store>) {
    let site = Site::new("");
    let gate = site.gate.with_policy(site.gate.policy().with_route(route).unwrap());
    (site, gate)
}

/// The pass of a request at this cost, or its status.
fn ask(gate: &Gate<Store>, cost: u64) -> Result<Pass<Store>, u16> {
    let reply = Ask::post("/").at(gate, Some(Hints { cost: Some(Cost::new(cost)), ..Hints::default() }));
    if reply.status() == 200 { Ok(reply.passed()) } else { Err(reply.status()) }
}

fn pass(gate: &Gate<Store>, cost: u64) -> Pass<Store> {
    ask(gate, cost).unwrap()
}

fn balances(pass: &Pass<Store>) -> Vec<u64> {
    assert_eq!(pass.balances().len(), pass.limits().len());
    pass.balances().iter().map(|balance| balance.remaining).collect()
}

//! Every behaviour as a test.

/// Writes a `#[test]` for each of the [`behaviours`](crate::behaviours), of what the closure makes: a fresh
/// [`Subject`](crate::Subject).
#[macro_export]
macro_rules! suite {
    ($fresh:expr) => {
        $crate::suite! { $fresh =>
            every_algorithm_admits_its_amount_at_once_and_no_more
            costs_add_up_to_the_amount
            a_request_without_charges_is_admitted
            what_is_not_kept_is_refused
            every_key_and_algorithm_has_an_account_of_its_own
            a_denied_request_charges_nothing_anywhere
            an_admitted_request_is_charged_everywhere
            charges_on_one_account_add_up
            a_peek_changes_nothing
            a_peek_at_a_spent_account_is_admitted
            a_cost_above_the_burst_never_fits
            a_quota_of_nothing_admits_nothing
            a_denial_names_the_longest_wait

            a_wait_is_exact
            a_wait_for_several_limits_is_exact
            a_wait_for_two_charges_on_one_account_is_exact
            a_wait_for_a_debt_is_exact
            what_remains_can_be_spent
            one_more_unit_comes_when_it_is_said_to
            an_account_is_full_when_it_is_said_to_be_and_then_as_new
            an_idle_account_saves_nothing_up
            a_wait_for_a_slot_has_no_length

            settling_below_the_estimate_refunds_the_difference
            settling_for_nothing_leaves_a_new_account
            settling_above_the_estimate_charges_the_difference
            settling_for_the_estimate_or_not_at_all_keeps_it
            a_peek_can_be_settled_for_what_it_cost
            a_peek_gives_back_what_others_have_spent_and_no_more
            a_debt_is_paid_off_and_not_forgiven
            two_charges_on_one_account_are_settled_one_by_one
            a_refund_never_fills_beyond_full
            a_refund_goes_to_the_window_that_was_charged
            a_forgotten_account_owes_no_refund_and_takes_a_debt

            a_release_gives_back_slots_and_nothing_else
            a_settlement_gives_back_slots
            slots_come_back_once
            a_lease_gives_back_its_own_slots
            no_more_slots_are_held_than_there_are
            time_gives_no_slot_back

            a_reset_account_is_as_never_used
            a_reset_forgets_only_its_account
            every_account_that_is_named_is_reset
            a_remembered_denial_is_forgotten_with_its_account
            a_refund_after_a_reset_gives_nothing_back
            a_debt_after_a_reset_is_charged
            slots_that_were_reset_are_free_and_leave_others_theirs

            a_step_back_makes_nobody_wait_longer
            steps_back_make_nobody_wait_longer_for_several_limits
            a_step_back_gives_nothing
            steps_back_and_forth_give_no_more_than_the_farthest
            a_refund_after_a_step_back_finds_its_charge
            a_debt_outlasts_a_step_back
            a_reset_after_a_step_back_leaves_a_new_account
            steps_leave_slots_to_their_holders

            a_changed_quota_finds_what_was_spent
            growing_back_gives_nothing_that_was_withheld
            a_wait_under_a_smaller_quota_is_exact

            a_crowd_gets_exactly_the_amount
            a_crowd_is_charged_all_or_nothing
            a_crowd_never_holds_more_slots_than_there_are
            a_crowd_gets_the_amount_once_more_for_each_reset

            whatever_is_asked_is_answered_as_exact_books_say
        }
    };
    ($fresh:expr => $($behaviour:ident)+) => {
        $(
            #[test]
            fn $behaviour() {
                $crate::behaviours::$behaviour($fresh);
            }
        )+
    };
}

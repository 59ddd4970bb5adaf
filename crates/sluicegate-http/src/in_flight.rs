//! Admitted requests until their ends.

use std::{mem, task::Context};

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_LENGTH, response};
use sluicegate::{Clock, Resilient, Store, StoreError, Timestamp};
use sluicegate_policy::{Form, Pass, Refusal, Repetition, Reservation, Settlement, UsageStripper};

use crate::{Admission, Admitted, Cut, Metering, Settling, Told, decision_log::Logged};

/// An admitted request until its end: its permit, and what becomes known of its usage.
///
/// [Settle](Self::settle) it when its response has been sent or its client has left. One that is only dropped keeps its estimate
/// charged and gives back its slots.
#[derive(Debug)]
pub struct InFlight<S: Store> {
    /// Taken when it is settled.
    pass: Option<Box<Pass<S>>>,
    form: Form,
    decided: Timestamp,
    metering: Metering<S>,
    /// Its place in the decision log, if there is one.
    logged: Option<Logged>,
    /// The usage of its stream is asked for, though its client has not.
    asks_for_usage: bool,
}

/// The way to meter a body.
#[derive(Debug)]
pub struct BodyMetering {
    /// Takes the usage out that the client has not asked for.
    pub(crate) stripper: Option<UsageStripper>,
}

impl<S: Resilient> InFlight<S> {
    /// A request that has just been admitted.
    #[must_use]
    pub fn new(admitted: Admitted<S>) -> Self {
        let Admitted { pass, form, decided, logged } = admitted;
        let (pass, metering) = (Some(pass), Metering::default());
        Self { pass, form, decided, metering, logged, asks_for_usage: false }
    }

    /// The form in which the client expects an answer of ours.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The time of the decision, by the clock of [`Admission::since`].
    #[must_use]
    pub fn decided(&self) -> Timestamp {
        self.decided
    }

    /// The permit. `None` once it is settled.
    #[must_use]
    pub fn pass(&self) -> Option<&Pass<S>> {
        self.pass.as_deref()
    }

    /// The tokens that it has reserved, if its route meters tokens.
    #[must_use]
    pub fn reservation(&self) -> Option<&Reservation> {
        self.pass()?.reservation()
    }

    /// Has the server asked for the usage of a stream, where the client has not. Returns the request's body with that.
    pub fn ask_for_usage(&mut self, body: &Bytes) -> Option<Bytes> {
        let asking = self.reservation()?.asking_for_usage(body)?;
        self.asks_for_usage = true;
        Some(asking)
    }

    /// Returns the way to meter the body of the response with this head. The length of one that loses bytes is unknown.
    pub fn body_metering(&self, head: &mut response::Parts) -> Option<BodyMetering> {
        self.reservation()?;
        // What is in a coding passes as it is: usage cannot be taken out of that.
        let is_stripped = self.asks_for_usage && self.metering.is_plain_event_stream();
        if is_stripped {
            head.headers.remove(CONTENT_LENGTH);
        }
        Some(BodyMetering { stripper: is_stripped.then(UsageStripper::default) })
    }

    /// The event that the last data was, if it was one alone that repeats an earlier one with another text.
    #[inline]
    #[must_use]
    pub fn repetition(&self) -> Option<Repetition> {
        self.metering.repetition()
    }

    /// Takes more tokens for a response that is longer than what was reserved. Returns how to cut a stream whose limit is spent
    /// and says so.
    #[inline]
    pub fn extend<C: Clock>(&mut self, admission: &Admission<S, C>, cx: &mut Context<'_>) -> Option<Cut> {
        let pass = self.pass.as_mut()?;
        if !self.metering.is_to_be_extended(pass) {
            return None;
        }
        admission.extend(pass, &mut self.metering, self.logged.as_ref(), cx)
    }

    /// Learns that no response will come, and that the server has done no work.
    pub fn unserved(&mut self) {
        self.metering = Metering::Unserved;
    }

    /// Learns that the client gets this refusal, because no response came.
    pub fn refused(&mut self, refusal: &Refusal) {
        if let Some(logged) = &mut self.logged {
            logged.failed(refusal);
        }
    }

    /// Learns of the head of the response.
    pub fn answered(&mut self, head: &response::Parts) {
        if let Some(pass) = &self.pass {
            self.metering.answered(pass, head);
        }
        if let Some(logged) = &mut self.logged {
            logged.answered(head.status);
        }
    }

    /// Sees data of the response.
    #[inline]
    pub fn data(&mut self, data: &Bytes) {
        self.metering.data(data);
    }

    /// Learns that all of the response has come.
    pub fn complete(&mut self) {
        self.metering.complete();
        self.switched();
    }

    /// Learns that the response has no body, because the connection switches to another protocol.
    pub fn switched(&mut self) {
        if let Some(logged) = &mut self.logged {
            logged.complete();
        }
    }

    /// Adds the headers that tell the client its limits to those of the response.
    pub fn add_limits<C: Clock>(&self, admission: &Admission<S, C>, headers: &mut HeaderMap) {
        if let Some(pass) = &self.pass {
            admission.renderer().lines(pass, &self.form).move_to(headers);
        }
    }

    /// Ends the request, as [`Admission::settle`] does: by what was `told`, or else by what its response tells. Another call
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Admission::settle`].
    pub fn settle<C: Clock>(
        &mut self,
        admission: &Admission<S, C>,
        told: Option<Told>,
        spawn: impl FnOnce(Settling),
    ) -> Result<(), StoreError> {
        let Some(pass) = self.pass.take() else { return Ok(()) };
        let (metering, logged) = (mem::take(&mut self.metering), self.logged.take());
        match told {
            None => admission.settle(pass, metering, logged.as_ref(), spawn),
            Some(told) => admission.settle_told(pass, metering, logged.as_ref(), told, spawn),
        }
    }

    /// Ends the request by what its response tells, and tells for which tokens it is charged, if its tokens are metered. Another
    /// call changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Admission::settle`].
    pub fn settle_and_tell<C: Clock>(
        &mut self,
        admission: &Admission<S, C>,
        spawn: impl FnOnce(Settling),
        tell: impl FnOnce(&Reservation, &Settlement),
    ) -> Result<(), StoreError> {
        let Some(pass) = self.pass.take() else { return Ok(()) };
        let (metering, logged) = (mem::take(&mut self.metering), self.logged.take());
        admission.settle_and_tell(pass, metering, logged.as_ref(), spawn, tell)
    }
}

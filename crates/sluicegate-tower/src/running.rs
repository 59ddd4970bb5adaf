//! Admitted requests until their ends.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Context,
};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use sluicegate_http::{Admitted, Cut, End, InFlight, Observer, Told};
use sluicegate_policy::Repetition;

use crate::{
    Permit, ResponseBody,
    limits::{Accounts, Limits},
    timer::finish,
};

/// An admitted request. Its response holds it, and so does the service that asks for its [`Permit`].
#[derive(Debug)]
pub(crate) struct Running {
    /// Handed on when it is dropped.
    request: Option<InFlight<Accounts>>,
    end: Arc<Holders>,
}

/// The holders of a request: its response, and its permit if a service has that. When both have let go, it is settled.
#[derive(Debug)]
pub(crate) struct Holders {
    limits: Arc<Limits>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The usage that the service tells.
    told: Option<Told>,
    /// The request, once its response has ended.
    request: Option<InFlight<Accounts>>,
}

impl Running {
    pub(crate) fn new(admitted: Admitted<Accounts>, limits: Arc<Limits>) -> Self {
        let end = Arc::new(Holders { limits, state: Mutex::default() });
        Self { request: Some(InFlight::new(admitted)), end }
    }

    /// The permit, for the inner service.
    pub(crate) fn permit(&self) -> Permit {
        Permit::new(Arc::clone(&self.end))
    }

    /// Returns `true` if its tokens are metered.
    pub(crate) fn is_metered(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.reservation().is_some())
    }

    /// Has the usage of a stream asked for, where the client has not. Returns the request's body with that.
    pub(crate) fn ask_for_usage(&mut self, body: &Bytes) -> Option<Bytes> {
        self.request.as_mut()?.ask_for_usage(body)
    }

    /// Learns that the inner service has failed.
    pub(crate) fn failed(mut self) {
        if let Some(request) = &mut self.request {
            request.unserved();
        }
    }

    /// Passes a response on, with the headers that tell the client its limits.
    pub(crate) fn relay<R: Body<Data = Bytes>>(mut self, response: Response<R>) -> Response<ResponseBody<R>> {
        let (mut head, body) = response.into_parts();
        let mut metering = None;
        if let Some(request) = &mut self.request {
            request.answered(&head);
            request.add_limits(self.end.limits.admission(), &mut head.headers);
            metering = request.body_metering(&mut head);
        }
        Response::from_parts(head, ResponseBody::relayed(body, metering, self))
    }

    /// The event that the last data was, if it was one alone that repeats an earlier one with another text.
    pub(crate) fn repetition(&self) -> Option<Repetition> {
        self.request.as_ref()?.repetition()
    }

    /// Takes more tokens for a response that is longer than what was reserved. Returns the last bytes of one that is to be cut.
    #[inline]
    pub(crate) fn extend(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let request = self.request.as_mut()?;
        let Cut { limit, last } = request.extend(self.end.limits.admission(), cx)?;
        self.end.limits.tell_cut(limit);
        Some(last)
    }
}

impl Observer for Running {
    #[inline]
    fn data(&mut self, data: &Bytes) {
        if let Some(request) = &mut self.request {
            request.data(data);
        }
    }

    fn end(&mut self, end: End) {
        if end == End::Complete
            && let Some(request) = &mut self.request
        {
            request.complete();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end.state().request = self.request.take();
    }
}

impl Holders {
    pub(crate) fn tell(&self, told: Told) {
        self.state().told = Some(told);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Holders {
    fn drop(&mut self) {
        let Self { limits, state } = self;
        let State { told, request } = state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(mut request) = request.take() else { return };
        let later = Arc::clone(limits);
        let settled = request.settle(limits.admission(), told.take(), |settling| {
            finish(settling, move |settled| later.tell_settled(settled));
        });
        limits.tell_settled(settled);
    }
}

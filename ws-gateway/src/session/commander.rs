//! What one socket has asked for and holds: its commands in flight, its reservations, the frames that only it gets.

use std::{collections::VecDeque, future::pending, sync::Arc, time::Duration};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use opentelemetry::trace::SpanContext;
use seat_board::Missing;
use telemetry::Trace;
use tokio::time::{Instant, sleep_until};

use super::{
    Reports,
    access::Caller,
    calls::Calls,
    command::{Call, Command, Request, decode},
    own::{Own, Question, Said},
    refusal::Refusal,
    reply::{Answer, Frame, Reservation},
    work::{self, Done},
};
use crate::{
    limits::{COMMANDS_IN_FLIGHT_MAX, OWN_RESERVATIONS_MAX},
    upstream::Targets,
};

/// Replies that wait for the socket. More come only from a client that sends without reading.
const REPLIES_WAITING_MAX: usize = 8;
/// Within this after a snapshot, sockets ask how their reservations stand.
const SNAPSHOT_SPREAD: Duration = Duration::from_secs(2);

/// The commands and reservations of one socket. Made with the socket's first command; a socket that only watches has
/// none. Dropping it gives up what is in flight, which a client may repeat with the same ids.
///
/// Nothing runs beside [`Commander::next`]: it drives the calls, so its socket has to poll it whenever it can write.
pub(crate) struct Commander {
    targets: Targets,
    event_id: Arc<str>,
    reports: Reports,
    caller: Option<Box<Caller>>,
    own: Own,
    /// Replies that needed no call.
    ready: VecDeque<Frame>,
    /// Commands and questions under way.
    running: FuturesUnordered<BoxFuture<'static, Ended>>,
    commands: usize,
}

/// What has come to its end.
enum Ended {
    Command(Begun, Result<Done, Refusal>),
    Question(Question, Said),
}

/// A command under way.
struct Begun {
    id: String,
    /// For whom.
    customer_id: String,
    /// Of which reservation, unless it makes one.
    reservation_id: Option<String>,
    trace: Trace,
}

impl Commander {
    /// For a socket of one event.
    pub(crate) fn new(targets: Targets, event_id: Arc<str>, reports: Reports) -> Self {
        Self {
            targets,
            event_id,
            reports,
            caller: None,
            own: Own::default(),
            ready: VecDeque::new(),
            running: FuturesUnordered::new(),
            commands: 0,
        }
    }

    /// Takes a text frame of the client. Each gets exactly one reply, from [`Commander::next`].
    ///
    /// Not to be called while [`Commander::is_full`]: the frame would be ignored.
    pub(crate) fn accept(&mut self, text: &str) {
        if self.is_full() {
            return;
        }
        let (id, answer) = match decode(text) {
            Ok(Request { id, command: Command::Authenticate { token }, .. }) => {
                (Some(id), self.authenticate(&token))
            }
            Ok(Request { id, command: Command::Call(call), traceparent }) => {
                match self.begin(&id, call, traceparent.as_ref()) {
                    Ok(()) => return,
                    Err(refusal) => (Some(id), Answer::from(refusal)),
                }
            }
            Err(mut refused) => (refused.id.take(), Answer::from(Refusal::from(refused))),
        };
        self.ready.push_back(Frame::Reply { id, answer });
    }

    /// Whether the client should first take the replies that wait for it: while true, leave its frames unread.
    pub(crate) fn is_full(&self) -> bool {
        self.ready.len() >= REPLIES_WAITING_MAX
    }

    /// The next private frame, as JSON text; never ends while there is none. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> String {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return frame.text();
            }
            self.ask();
            let due = if self.may_ask() { self.own.next_at() } else { None };
            tokio::select! {
                Some(ended) = self.running.next() => {
                    if let Some(frame) = self.end(ended) {
                        return frame.text();
                    }
                }
                () = until(due) => {}
            }
        }
    }

    /// Hears what all watchers lack. Where that concerns a reservation of this socket, the service is asked how it stands;
    /// differences come from [`Commander::next`].
    pub(crate) fn hear(&mut self, missing: &Missing) {
        match missing {
            Missing::Nothing => {}
            Missing::Changes(changes) if !self.own.touches(changes) => {}
            Missing::Changes(_) => self.refresh(),
            // It may be about any seat, and comes to all sockets at once: they should not ask all at once.
            Missing::Snapshot | Missing::Ahead => {
                let pause = rand::random_range(Duration::ZERO..=SNAPSHOT_SPREAD);
                self.own.refresh(Instant::now() + pause);
            }
        }
    }

    fn refresh(&mut self) {
        self.own.refresh(Instant::now());
    }

    fn authenticate(&mut self, token: &str) -> Answer {
        let caller = match Caller::read(token) {
            Ok(caller) => caller,
            Err(problem) => return Refusal::unauthenticated(problem).into(),
        };
        if self.caller.as_ref().is_some_and(|before| before.customer_id != caller.customer_id) {
            self.own.clear();
        }
        let customer_id = caller.customer_id.clone();
        self.caller = Some(Box::new(caller));
        // What the token before was too old to ask.
        self.refresh();
        Answer::Customer { customer_id }
    }

    /// Begins a call, whose reply comes when it ends.
    fn begin(&mut self, id: &str, mut call: Call, traceparent: Option<&SpanContext>) -> Result<(), Refusal> {
        let Some(caller) = &self.caller else {
            return Err(Refusal::unauthenticated("authenticate first: send an access token"));
        };
        if self.commands >= COMMANDS_IN_FLIGHT_MAX {
            return Err(Refusal::overloaded(COMMANDS_IN_FLIGHT_MAX));
        }
        let (customer_id, calls) = (caller.customer_id.clone(), self.calls(caller));
        let mut reservation_id = None;
        if let Some(claim) = call.claim_mut() {
            if claim.reservation_id.split_once('.').is_none_or(|(event, _)| event != &*self.event_id) {
                return Err(Refusal::not_of_this_event(&claim.reservation_id));
            }
            claim.token = claim.token.take().or_else(|| self.own.token(&claim.reservation_id));
            self.own.begin(&claim.reservation_id);
            reservation_id = Some(claim.reservation_id.clone());
        }
        let trace = self.reports.tracer.accept(call.op(), traceparent);
        let begun = Begun { id: id.to_owned(), customer_id, reservation_id, trace: trace.clone() };
        let event_id = self.event_id.clone();
        self.commands += 1;
        let work = async move { trace.within(work::run(calls, event_id, call)).await };
        self.running.push(Box::pin(async { Ended::Command(begun, work.await) }));
        Ok(())
    }

    /// Puts the questions that are due.
    fn ask(&mut self) {
        let Some(caller) = &self.caller else { return };
        while self.may_ask()
            && let Some(question) = self.own.ask(Instant::now())
        {
            let calls = self.calls(caller);
            self.running.push(Box::pin(async {
                let said = work::ask(calls, &question).await;
                Ended::Question(question, said)
            }));
        }
    }

    fn may_ask(&self) -> bool {
        self.running.len() < self.commands + OWN_RESERVATIONS_MAX
    }

    fn calls(&self, caller: &Caller) -> Calls {
        Calls { targets: self.targets.clone(), authorization: caller.authorization.clone() }
    }

    fn end(&mut self, ended: Ended) -> Option<Frame> {
        let now = Instant::now();
        match ended {
            Ended::Command(begun, outcome) => {
                self.commands -= 1;
                let outcome = outcome.map_err(|refusal| self.refused(&begun, refusal));
                Some(Frame::Reply { answer: self.answer(&begun, outcome, now), id: Some(begun.id) })
            }
            Ended::Question(question, said) => {
                let reservation = self.own.answered(&question, said, now)?;
                Some(Frame::Reservation { reservation })
            }
        }
    }

    /// Says by what a command that was not served is found, in the reply and in the log.
    fn refused(&self, begun: &Begun, refusal: Refusal) -> Refusal {
        if !refusal.is_outage() {
            begun.trace.end(None);
            return refusal;
        }
        begun.trace.end(Some(refusal.reason()));
        let refusal = refusal.found_by(|| begun.trace.id());
        if let Some(silenced) = self.reports.outages.pass(Instant::now()) {
            let (reason, trace_id) = (refusal.reason(), refusal.trace_id());
            tracing::warn!(reason, trace_id, silenced, "a command was not served");
        }
        refusal
    }

    /// Notes what a command has done, and makes its reply.
    fn answer(&mut self, begun: &Begun, outcome: Result<Done, Refusal>, now: Instant) -> Answer {
        begun.trace.end(None);
        let mut doubt = outcome.is_err();
        let answer = match outcome {
            Ok(Done::Hold(reservation, token)) => {
                doubt = self.tell(begun, &reservation, Some(token.clone()), now);
                Answer::Hold { reservation, reservation_token: token }
            }
            Ok(Done::Reservation(reservation, token)) => {
                doubt = self.tell(begun, &reservation, token, now);
                Answer::Reservation { reservation }
            }
            Ok(Done::Booking(booking)) => {
                self.own.forget(booking.id());
                Answer::Booking { booking }
            }
            Err(refusal) => refusal.into(),
        };
        if let Some(id) = &begun.reservation_id {
            // An older reply may come after one that has ended the reservation: it is asked for once more.
            self.own.end(id, doubt, now);
        }
        answer
    }

    fn tell(
        &mut self,
        begun: &Begun,
        reservation: &Reservation,
        token: Option<String>,
        now: Instant,
    ) -> bool {
        // The socket may have become another customer's meanwhile.
        let own = self.caller.as_ref().is_some_and(|caller| caller.customer_id == begun.customer_id);
        own && self.own.tell(reservation, token, now)
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

#[cfg(test)]
#[path = "commander_tests.rs"]
mod tests;

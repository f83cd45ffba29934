//! The reservations of one socket: what it was told of each, and when to ask the service again.

use std::{collections::VecDeque, time::Duration};

use ticketengine::v1::SeatChanges;
use tokio::time::Instant;

use super::reply::{Reservation, State};
use crate::limits::OWN_RESERVATIONS_MAX;

/// A hold is asked for this long after its end: the service's sweeper needs a moment.
const DEADLINE_SLACK: Duration = Duration::from_millis(300);
/// The pause after an answer that had no news although one was due; doubles.
const ASK_AGAIN: Duration = Duration::from_millis(300);
/// The longest such pause.
const ASK_AGAIN_MAX: Duration = Duration::from_secs(10);
/// The longest timer: a far end must not overflow the clock, and asking early does no harm.
const TIMER_MAX: Duration = Duration::from_secs(86_400);
/// The least time between two questions about one reservation, however often its seats change.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// A question to the service.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) reservation_id: String,
    pub(super) token: Option<String>,
    /// Which telling it is about: an answer to an older one has lost its meaning.
    telling: u64,
}

/// What the service said to a question.
#[derive(Debug)]
pub(super) enum Said {
    Is(Reservation),
    /// It knows no such reservation.
    Unknown,
    /// It does not accept the caller's token.
    NotAllowed,
    /// It could not say.
    Nothing,
}

/// Live reservations, the newest [`OWN_RESERVATIONS_MAX`]; oldest first.
#[derive(Debug, Default)]
pub(super) struct Own {
    list: VecDeque<Entry>,
    tellings: u64,
}

#[derive(Debug)]
struct Entry {
    /// As the socket was told last.
    told: Reservation,
    /// The newest.
    token: Option<String>,
    telling: u64,
    /// When to ask because time has passed. None: not before something happens.
    timer: Option<Instant>,
    /// When to ask because something happened.
    touched: Option<Instant>,
    /// Since when the last question is or was under way.
    asked_at: Option<Instant>,
    asking: bool,
    /// Questions in a row that brought no news.
    in_vain: u32,
    /// Commands on it under way: their replies come first.
    commands: usize,
}

impl Own {
    /// The newest token of a reservation.
    pub(super) fn token(&self, id: &str) -> Option<String> {
        self.list.iter().find(|entry| entry.told.id == id)?.token.clone()
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    /// A command on the reservation begins; until its reply nothing is asked.
    pub(super) fn begin(&mut self, id: &str) {
        if let Some(entry) = self.find(id) {
            entry.commands += 1;
        }
    }

    /// A command on the reservation has ended, and left a doubt whether the socket knows how it stands, or none.
    pub(super) fn end(&mut self, id: &str, doubt: bool, now: Instant) {
        if let Some(entry) = self.find(id) {
            entry.commands = entry.commands.saturating_sub(1);
            if doubt {
                entry.ask_soon(now);
            }
        }
    }

    /// The socket is told this, by a reply. A final state is forgotten with it. Returns whether the reservation was not
    /// among the socket's own before, and is now.
    pub(super) fn tell(&mut self, told: &Reservation, token: Option<String>, now: Instant) -> bool {
        if !told.state.is_live() {
            self.forget(&told.id);
            return false;
        }
        self.tellings += 1;
        let telling = self.tellings;
        if let Some(entry) = self.find(&told.id) {
            entry.token = token.or(entry.token.take());
            entry.telling = telling;
            entry.tell(told, now);
            return false;
        }
        if self.list.len() == OWN_RESERVATIONS_MAX {
            self.list.pop_front();
        }
        let mut entry = Entry {
            told: told.clone(),
            token,
            telling,
            timer: None,
            touched: None,
            asked_at: None,
            asking: false,
            in_vain: 0,
            commands: 0,
        };
        entry.tell(told, now);
        self.list.push_back(entry);
        true
    }

    /// The socket knows that the reservation has ended.
    pub(super) fn forget(&mut self, id: &str) {
        self.list.retain(|entry| entry.told.id != id);
    }

    /// Whether changes concern one of the reservations.
    pub(super) fn touches(&self, changes: &SeatChanges) -> bool {
        let lists = [&changes.free, &changes.held, &changes.sold, &changes.blocked];
        let touched = |seat| lists.iter().any(|list| list.binary_search(seat).is_ok());
        self.list.iter().any(|entry| entry.told.seat_ids.iter().any(touched))
    }

    /// Has every reservation asked for soon after a time.
    pub(super) fn refresh(&mut self, at: Instant) {
        self.list.iter_mut().for_each(|entry| entry.ask_soon(at));
    }

    /// When the next question is due.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.list.iter().filter_map(Entry::due).min()
    }

    /// The next question that is due, which from now on is under way.
    pub(super) fn ask(&mut self, now: Instant) -> Option<Question> {
        let entry = self.list.iter_mut().find(|entry| entry.due().is_some_and(|at| at <= now))?;
        entry.asking = true;
        (entry.timer, entry.touched) = (None, None);
        entry.asked_at = Some(now);
        let Entry { telling, token, .. } = entry;
        Some(Question { reservation_id: entry.told.id.clone(), token: token.clone(), telling: *telling })
    }

    /// Takes the answer to a question; returns what the socket has to be told.
    pub(super) fn answered(&mut self, question: &Question, said: Said, now: Instant) -> Option<Reservation> {
        let entry = self.find(&question.reservation_id)?;
        entry.asking = false;
        if entry.telling != question.telling || entry.commands > 0 {
            entry.ask_soon(now);
            return None;
        }
        let is = match said {
            Said::Is(reservation) => reservation,
            // The service forgets what has ended long ago, or was lost with the gate.
            Said::Unknown if entry.is_over() => Reservation { state: State::Expired, ..entry.told.clone() },
            // Not before a new token or a change.
            Said::NotAllowed => return None,
            Said::Unknown | Said::Nothing => {
                entry.ask_later(now);
                return None;
            }
        };
        if is == entry.told {
            entry.set_timer(now);
            return None;
        }
        if is.state.is_live() {
            entry.tell(&is, now);
        } else {
            self.forget(&is.id);
        }
        Some(is)
    }

    fn find(&mut self, id: &str) -> Option<&mut Entry> {
        self.list.iter_mut().find(|entry| entry.told.id == id)
    }
}

impl Entry {
    /// When to ask next, if nothing is under way.
    fn due(&self) -> Option<Instant> {
        let quiet = !self.asking && self.commands == 0;
        [self.timer, self.touched].into_iter().flatten().min().filter(|_| quiet)
    }

    fn is_over(&self) -> bool {
        self.told.expires_in_ms() == 0
    }

    /// Keeps a question that is due: what has caused it may be newer than what is told.
    fn tell(&mut self, told: &Reservation, now: Instant) {
        self.told = told.clone();
        self.in_vain = 0;
        self.set_timer(now);
    }

    /// Asks when the hold should have ended; of what should have ended, again and again.
    fn set_timer(&mut self, now: Instant) {
        if self.is_over() || self.told.state == State::Confirming {
            return self.ask_later(now);
        }
        let left = Duration::from_millis(self.told.expires_in_ms()).min(TIMER_MAX);
        self.timer = Some(now + left + DEADLINE_SLACK);
    }

    fn ask_later(&mut self, now: Instant) {
        let pause = ASK_AGAIN * (1 << self.in_vain.min(8));
        self.in_vain += 1;
        self.timer = Some(now + pause.min(ASK_AGAIN_MAX));
    }

    fn ask_soon(&mut self, at: Instant) {
        let at = self.asked_at.map_or(at, |asked_at| at.max(asked_at + ASK_EVERY));
        self.touched = Some(self.touched.map_or(at, |before| before.min(at)));
    }
}

#[cfg(test)]
#[path = "own_tests.rs"]
mod tests;

//! Level 0 of the funnel: a refusal of the gate is repeated from the board, without asking it again.

use std::time::Duration;

use tokio::time::Instant;

use super::{Engine, Error, Level, TakenSeat};
use crate::{
    board::{Obstacle, Refused},
    domain::{CustomerId, EventId, RequestId, SeatSet},
    gate::{Refusal, Taken},
};

impl Engine {
    /// Refuses a Reserve whose seats are known to be taken. Ok: the gate has to be asked.
    pub(super) fn refuse_early(
        &self,
        event: &EventId,
        seats: &SeatSet,
        request: &RequestId,
        customer: &CustomerId,
    ) -> Result<(), Error> {
        if !self.0.options.board_refusals {
            return Ok(());
        }
        let board = self.0.boards.of(event);
        let Some(obstacles) = board.and_then(|board| board.refuses(seats, (request, customer))) else {
            return Ok(());
        };
        self.0.metrics.refused(Level::Board);
        let now = Instant::now();
        let seats = obstacles
            .into_iter()
            .map(|Obstacle { seat, state, ends }| TakenSeat {
                seat,
                state,
                held_until: ends.map(|(deadline, _)| deadline),
                free_in: ends.map(|(_, end)| at_least_a_ms(end.saturating_duration_since(now))),
            })
            .collect();
        Err(Error::SeatUnavailable { level: Level::Board, seats })
    }

    /// What the caller hears of the gate's refusal, which is kept for the next who ask.
    pub(super) fn refused(&self, event: &EventId, asked_at: Instant, refusal: Refusal) -> Error {
        self.0.metrics.refused(Level::Gate);
        let seats = refusal.taken.iter().map(taken_seat).collect();
        if self.0.options.board_refusals
            && let Some(board) = self.0.boards.follow(event)
        {
            let Refusal { epoch, version, closes_in, taken } = refusal;
            let closes = closes_in.map(|wait| asked_at + wait);
            let obstacles = taken.into_iter().map(|taken| {
                let Taken { seat, state, deadline, holder, now } = taken;
                let ends = deadline.map(|deadline| (deadline, asked_at + deadline.after(now)));
                (Obstacle { seat, state, ends }, holder)
            });
            board.remember(Refused { epoch, version, asked_at, closes, obstacles: obstacles.collect() });
        }
        Error::SeatUnavailable { level: Level::Gate, seats }
    }

    /// This replica has changed the seats: its own callers must not be told what was before.
    pub(super) fn forget_refusals(&self, event: &EventId, seats: Option<&SeatSet>) {
        if let Some(board) = self.0.boards.of(event) {
            board.forget(seats);
        }
    }
}

/// How a seat that can not be had is told.
pub(super) fn taken_seat(taken: &Taken) -> TakenSeat {
    TakenSeat {
        seat: taken.seat,
        state: taken.state,
        held_until: taken.deadline,
        free_in: taken.deadline.map(|deadline| at_least_a_ms(deadline.after(taken.now))),
    }
}

fn at_least_a_ms(wait: Duration) -> Duration {
    wait.max(Duration::from_millis(1))
}

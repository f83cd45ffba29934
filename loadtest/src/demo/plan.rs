//! What a customer is going to do, drawn from a seed before it comes.

use std::time::Duration;

use fastrand::Rng;

/// A customer who is refused this often goes home.
pub(crate) const TRIES_MAX: u32 = 8;
/// The largest party.
const PARTY_MAX: usize = 4;
/// Most arrive early: the last one when this share of the sale is over.
const ARRIVALS_SHARE: f64 = 0.6;
/// A payment takes at most this share of the hold.
const PAYMENT_SHARE_MAX: f64 = 0.4;
/// How long after its hold's end a customer that comes too late confirms.
const TOO_LATE_BY: Duration = Duration::from_millis(300);

/// A customer's intentions.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// When it comes, after the sale began.
    pub(crate) arrives_after: Duration,
    /// How many seats it wants side by side.
    pub(crate) party: usize,
    /// Whether it wants the seats that everybody wants.
    pub(crate) among_the_best: bool,
    /// What it does with the seats that it gets.
    pub(crate) ending: Ending,
    /// Sends Reserve and Confirm once more, as if the answer had been lost.
    pub(crate) repeats: bool,
    /// How long it thinks or pays before the ending.
    pub(crate) decides_after: Duration,
}

/// What a customer does with the seats that it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// Pays and confirms.
    Confirm {
        /// Needs more time first.
        extends: bool,
        /// Gives the booking back afterwards.
        cancels: bool,
    },
    /// Gives the hold back.
    Leave,
    /// Forgets about it: the hold runs out.
    RunOut,
    /// Confirms after the hold has run out, and must be refused.
    TooLate,
}

impl Plan {
    /// Draws a plan for a sale of this length whose holds last `hold_ttl`.
    pub(crate) fn draw(rng: &mut Rng, sale: Duration, hold_ttl: Duration, seats_max: usize) -> Self {
        let ending = match rng.u32(0..100) {
            0..70 => Ending::Confirm { extends: rng.u32(0..100) < 15, cancels: rng.u32(0..100) < 3 },
            70..80 => Ending::Leave,
            80..97 => Ending::RunOut,
            _ => Ending::TooLate,
        };
        let decides_after = match ending {
            Ending::TooLate => hold_ttl + TOO_LATE_BY,
            Ending::Confirm { .. } | Ending::Leave | Ending::RunOut => {
                hold_ttl.mul_f64(rng.f64() * PAYMENT_SHARE_MAX)
            }
        };
        Self {
            // The square crowds the beginning.
            arrives_after: sale.mul_f64(rng.f64().powi(2) * ARRIVALS_SHARE),
            party: rng.usize(1..=PARTY_MAX).min(seats_max.max(1)),
            among_the_best: rng.u32(0..100) < 80,
            ending,
            repeats: rng.u32(0..100) < 5,
            decides_after,
        }
    }
}

/// How long a customer looks at the map before its next try.
pub(crate) fn think_time(rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(150..900))
}

/// Whether a refused customer looks for its next seats among the best again.
pub(crate) fn insists(rng: &mut Rng) -> bool {
    rng.bool()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALE: Duration = Duration::from_secs(30);
    const HOLD_TTL: Duration = Duration::from_secs(5);

    fn plans() -> Vec<Plan> {
        (0..20_000).map(|seed| Plan::draw(&mut Rng::with_seed(seed), SALE, HOLD_TTL, 8)).collect()
    }

    fn percent(plans: &[Plan], is: impl Fn(&Plan) -> bool) -> f64 {
        plans.iter().filter(|plan| is(plan)).count() as f64 * 100.0 / plans.len() as f64
    }

    #[test]
    fn endings_have_their_shares() {
        let plans = plans();
        let near =
            |share: f64, expected: f64| assert!((share - expected).abs() < 1.0, "{share} is not {expected}");
        near(percent(&plans, |plan| matches!(plan.ending, Ending::Confirm { .. })), 70.0);
        near(percent(&plans, |plan| plan.ending == Ending::Leave), 10.0);
        near(percent(&plans, |plan| matches!(plan.ending, Ending::RunOut | Ending::TooLate)), 20.0);
        near(percent(&plans, |plan| matches!(plan.ending, Ending::Confirm { cancels: true, .. })), 2.0);
        near(percent(&plans, |plan| plan.among_the_best), 80.0);
    }

    #[test]
    fn times_are_within_the_sale_and_the_hold() {
        for plan in plans() {
            assert!(plan.arrives_after < SALE && (1..=4).contains(&plan.party));
            assert_eq!(plan.ending == Ending::TooLate, plan.decides_after > HOLD_TTL);
        }
        assert!(percent(&plans(), |plan| plan.arrives_after < SALE / 6) > 45.0, "most come early");
    }

    #[test]
    fn a_party_is_no_larger_than_the_limit() {
        let plan = |seed| Plan::draw(&mut Rng::with_seed(seed), SALE, HOLD_TTL, 2);
        assert!((0..100).all(|seed| plan(seed).party <= 2));
    }

    #[test]
    fn the_same_seed_draws_the_same_plan() {
        let plan = || format!("{:?}", Plan::draw(&mut Rng::with_seed(7), SALE, HOLD_TTL, 8));
        assert_eq!(plan(), plan());
    }
}

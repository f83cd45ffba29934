//! Contenders in turn, slice by slice: what a shared machine does to one it does to the other, so ratios hold where
//! absolute figures wander.

use crate::error::Error;

/// What contenders reached, round by round.
#[derive(Clone, Debug)]
pub(crate) struct Rounds {
    /// By contender, then by round.
    values: Vec<Vec<f64>>,
}

/// A median with the least and the most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The middle one; of an even number, the mean of both.
    pub(crate) median: f64,
    /// The least and the most.
    pub(crate) range: [f64; 2],
}

impl Spread {
    /// Of some values; not a number where there are none.
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        Self { median, range: [end(sorted.first()), end(sorted.last())] }
    }
}

/// Runs `slice(contender, round)` for each contender in each round; every other round goes backwards, so that none is
/// always the first.
pub(crate) async fn alternate(
    contenders: usize,
    rounds: usize,
    mut slice: impl AsyncFnMut(usize, usize) -> Result<f64, Error>,
) -> Result<Rounds, Error> {
    let mut values = vec![Vec::with_capacity(rounds); contenders];
    for round in 0..rounds {
        for turn in 0..contenders {
            let contender = if round % 2 == 0 { turn } else { contenders - 1 - turn };
            values[contender].push(slice(contender, round).await?);
        }
    }
    Ok(Rounds { values })
}

impl Rounds {
    /// What a contender reached.
    pub(crate) fn of(&self, contender: usize) -> Spread {
        Spread::of(self.each(contender))
    }

    /// What a contender reached, round by round.
    pub(crate) fn each(&self, contender: usize) -> &[f64] {
        &self.values[contender]
    }

    /// One against another of the same round.
    pub(crate) fn ratio(&self, of: usize, to: usize) -> Spread {
        let pairs = self.values[of].iter().zip(&self.values[to]);
        Spread::of(&pairs.map(|(of, to)| of / to).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn contenders_take_turns_and_the_order_turns_round() {
        let mut order = Vec::new();
        let rounds = alternate(2, 3, async |contender, round| {
            order.push((round, contender));
            // The machine is half as fast in round 1; the second contender is always 4 times as fast.
            Ok([100.0, 50.0, 120.0][round] * [1.0, 4.0][contender])
        });
        let rounds = rounds.await.unwrap();
        assert_eq!(order, [(0, 0), (0, 1), (1, 1), (1, 0), (2, 0), (2, 1)]);
        assert_eq!(rounds.of(0), Spread { median: 100.0, range: [50.0, 120.0] });
        assert_eq!(rounds.ratio(1, 0), Spread { median: 4.0, range: [4.0, 4.0] });
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(Spread::of(&[3.0, 1.0, 10.0, 2.0]).median, 2.5);
        assert_eq!(Spread::of(&[3.0]), Spread { median: 3.0, range: [3.0, 3.0] });
        assert!(Spread::of(&[]).median.is_nan());
    }
}

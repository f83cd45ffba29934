//! Counts the votes for one hold.

use std::time::Duration;

use crate::domain::Epoch;

/// So many of the nodes are a majority: any two share one.
pub(in crate::gate) const fn majority(nodes: usize) -> usize {
    nodes / 2 + 1
}

/// What a node says to a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Vote {
    /// It has the lock, and will still know of it when it is asked.
    Locked,
    /// It has the lock, but may have forgotten others: it does not count.
    Forgetful,
    /// Another hold's lock lasts for so long yet.
    Taken { left: Duration, by: String },
    /// It has promised to vote for nothing older than this epoch, of this carrier.
    Fenced { epoch: Epoch, carrier: String },
    /// It does not answer, or too late.
    Silent,
}

/// The votes for a hold so far. The carrier has voted for it: it has granted it.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    nodes: usize,
    asked: usize,
    locked: usize,
    /// How long the other holds in the way last, at most, and one of them.
    pub(super) taken: Option<(Duration, String)>,
    /// The latest epoch that anybody has promised to, and its carrier.
    pub(super) fenced: Option<(Epoch, String)>,
}

impl Tally {
    pub(super) fn new(nodes: usize) -> Self {
        Self { nodes, asked: 1, locked: 1, taken: None, fenced: None }
    }

    pub(super) fn count(&mut self, vote: Vote) {
        self.asked += 1;
        match vote {
            Vote::Locked => self.locked += 1,
            Vote::Taken { left, by } => {
                let longer = self.taken.take().filter(|(longest, _)| *longest >= left);
                self.taken = Some(longer.unwrap_or((left, by)));
            }
            Vote::Fenced { epoch, carrier } => {
                let later = self.fenced.take().filter(|(latest, _)| *latest >= epoch);
                self.fenced = Some(later.unwrap_or((epoch, carrier)));
            }
            Vote::Forgetful | Vote::Silent => {}
        }
    }

    /// Whether a majority has the hold, the carrier being one of it.
    pub(super) fn is_won(&self) -> bool {
        self.locked >= majority(self.nodes)
    }

    /// Whether no vote that is still to come could change that.
    pub(super) fn is_lost(&self) -> bool {
        self.locked + self.nodes - self.asked < majority(self.nodes)
    }

    /// What came of it, for who is to repeat the call.
    pub(super) fn describe(&self) -> String {
        format!("{} of {} nodes have the hold", self.locked, self.nodes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::subsequence};

    use super::*;

    fn tally(nodes: usize, votes: &[Vote]) -> Tally {
        let mut tally = Tally::new(nodes);
        votes.iter().cloned().for_each(|vote| tally.count(vote));
        tally
    }

    fn taken(ms: u64) -> Vote {
        Vote::Taken { left: Duration::from_millis(ms), by: format!("1.{ms}") }
    }

    #[test]
    fn only_votes_that_count_make_a_majority() {
        use Vote::{Forgetful, Locked, Silent};
        assert!(tally(3, &[Locked]).is_won());
        assert!(!tally(5, &[Locked]).is_won());
        assert!(tally(5, &[Silent, Locked, Silent, Locked]).is_won());
        assert!(!tally(5, &[Forgetful, Locked, Forgetful, Forgetful]).is_won());
        assert!(!tally(5, &[Silent, Silent]).is_lost());
        assert!(tally(5, &[Silent, Forgetful, taken(1)]).is_lost());
    }

    #[test]
    fn what_lasts_longest_and_the_latest_epoch_are_remembered() {
        let fenced = |epoch, carrier: &str| Vote::Fenced { epoch: Epoch(epoch), carrier: carrier.into() };
        let tally = tally(5, &[taken(5), fenced(7, "b"), taken(9), fenced(6, "a")]);
        assert_eq!(tally.taken, Some((Duration::from_millis(9), "1.9".into())));
        assert_eq!(tally.fenced, Some((Epoch(7), "b".into())));
    }

    proptest! {
        #[test]
        fn any_two_majorities_share_a_node(
            (a, b) in prop_oneof![Just(3_usize), Just(5), Just(7)].prop_flat_map(|nodes| {
                let some = || subsequence((0..nodes).collect::<Vec<_>>(), majority(nodes)..=nodes);
                (some(), some())
            }),
        ) {
            prop_assert!(a.iter().any(|node| b.contains(node)), "{a:?} {b:?}");
        }
    }
}

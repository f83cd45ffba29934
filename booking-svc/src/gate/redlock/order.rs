//! Which node carries an event, and which takes over.

use super::majority;
use crate::domain::EventId;

/// What is known of a node that may carry an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It answers, and knows all that it voted for.
    Whole,
    /// It answers, and may have forgotten votes, or is new to the event.
    Forgetful,
    /// It did not answer this time.
    Late,
    /// It has not answered for a while.
    Silent,
}

/// Where an event is carried as long as nobody knows better. Each replica has to say the same.
pub(in crate::gate) fn first(event: &EventId, nodes: usize) -> usize {
    usize::from(crc16::State::<crc16::XMODEM>::calculate(event.as_str().as_bytes())) % nodes
}

/// Who is to carry the event: the node that does, as long as that can be, else the next that has not lost anything. Replicas
/// that see different nodes go round, and so meet at one that all of them see.
pub(super) fn choose(carrier: usize, nodes: &[State]) -> Result<usize, &'static str> {
    let answers = |state: State| matches!(state, State::Whole | State::Forgetful);
    if nodes.iter().filter(|state| answers(**state)).count() < majority(nodes.len()) {
        return Err("less than a majority of the nodes answers");
    }
    if nodes[carrier] == State::Late {
        return Err("the carrier may come back at once");
    }
    let round = || (0..nodes.len()).map(|step| (carrier + step) % nodes.len());
    let whole = round().find(|node| nodes[*node] == State::Whole);
    let any = || round().find(|node| answers(nodes[*node]));
    whole.or_else(any).ok_or("no node answers")
}

#[cfg(test)]
mod tests {
    use super::{
        State::{Forgetful, Late, Silent, Whole},
        *,
    };

    #[test]
    fn the_carrier_stays_while_it_is_whole() {
        assert_eq!(choose(2, &[Whole, Whole, Whole]), Ok(2));
        assert_eq!(choose(2, &[Whole, Silent, Whole]), Ok(2));
        assert!(choose(2, &[Whole, Whole, Late]).is_err(), "it has not been silent for long");
    }

    #[test]
    fn the_next_whole_node_takes_over() {
        assert_eq!(choose(1, &[Whole, Silent, Whole]), Ok(2));
        assert_eq!(choose(2, &[Whole, Whole, Forgetful]), Ok(0), "what it has forgotten others know");
        assert_eq!(choose(0, &[Silent, Forgetful, Late, Whole, Whole]), Ok(3));
        assert_eq!(choose(1, &[Forgetful, Forgetful, Forgetful]), Ok(1), "a new event");
    }

    #[test]
    fn a_minority_takes_over_nothing() {
        assert!(choose(0, &[Whole, Silent, Silent]).is_err());
        assert!(choose(0, &[Whole, Whole, Silent, Late, Silent]).is_err());
    }

    #[test]
    fn events_are_spread() {
        let mut counts = [0; 5];
        for n in 0..1_000 {
            counts[first(&format!("event-{n}").parse().unwrap(), 5)] += 1;
        }
        assert!(counts.iter().all(|count| (120..280).contains(count)), "{counts:?}");
    }
}

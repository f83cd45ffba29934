//! Which primary has which slots, as a node of a cluster tells it.

use bb8_redis::redis::Value;

use crate::domain::EventId;

/// Slots of a cluster.
const SLOTS: usize = 16_384;
/// Primaries of a cluster, at most: a slot has the number of its primary in a byte.
pub(super) const PRIMARIES_MAX: usize = 200;
/// Stands for "nobody has it".
const NOBODY: u8 = u8::MAX;

/// A node's host and port.
pub(super) type Address = (String, u16);

/// The slot of an event: all its keys have the event's id as their hash tag.
fn slot(event: &EventId) -> usize {
    crc16::State::<crc16::XMODEM>::calculate(event.as_str().as_bytes()) as usize % SLOTS
}

/// Primaries by slot.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Slots {
    primaries: Vec<Address>,
    owners: Box<[u8]>,
}

impl Slots {
    /// Nobody has any.
    pub(super) fn none() -> Self {
        Self { primaries: Vec::new(), owners: vec![NOBODY; SLOTS].into() }
    }

    /// Reads an answer to CLUSTER SLOTS, and which nodes it names. A node that names no host of its own is where it was `asked`.
    pub(super) fn read(answer: &Value, asked: &str) -> Option<(Self, Vec<Address>)> {
        let Value::Array(answer) = answer else { return None };
        let (mut slots, mut nodes, mut ranges) = (Self::none(), Vec::new(), Vec::new());
        for range in answer {
            let Value::Array(range) = range else { return None };
            let [Value::Int(first), Value::Int(last), primary, replicas @ ..] = range.as_slice() else {
                return None;
            };
            let (first, last) = (usize::try_from(*first).ok()?, usize::try_from(*last).ok()?);
            let Some(primary) = address(primary, asked) else { continue };
            nodes.push(primary.clone());
            nodes.extend(replicas.iter().filter_map(|replica| address(replica, asked)));
            ranges.push((first, last, primary));
        }
        // So that whoever says the same makes the same of it.
        ranges.sort();
        for (first, last, primary) in ranges {
            slots.give(first, last, primary)?;
        }
        Some((slots, nodes))
    }

    fn give(&mut self, first: usize, last: usize, primary: Address) -> Option<()> {
        let known = self.primaries.iter().position(|known| *known == primary);
        let number = known.unwrap_or_else(|| {
            self.primaries.push(primary);
            self.primaries.len() - 1
        });
        let owners = self.owners.get_mut(first..=last).filter(|owners| !owners.is_empty())?;
        owners.fill(u8::try_from(number).ok().filter(|number| (*number as usize) < PRIMARIES_MAX)?);
        Some(())
    }

    /// All who have slots.
    pub(super) fn primaries(&self) -> &[Address] {
        &self.primaries
    }

    /// Which of the primaries has the event.
    pub(super) fn owner(&self, event: &EventId) -> Option<usize> {
        Some(self.owners[slot(event)]).filter(|owner| *owner != NOBODY).map(usize::from)
    }
}

/// `[host, port, id, metadata]`; an empty or absent host is the one that was asked, `?` is not known.
fn address(node: &Value, asked: &str) -> Option<Address> {
    let Value::Array(fields) = node else { return None };
    let [host, Value::Int(port), ..] = fields.as_slice() else { return None };
    let host = match host {
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        Value::Nil => "",
        _ => return None,
    };
    let host = if ["", "0.0.0.0", "::"].contains(&host) { asked } else { host };
    (host != "?").then(|| Some((host.to_owned(), u16::try_from(*port).ok()?)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, port: i64) -> Value {
        Value::Array(vec![Value::BulkString(host.into()), Value::Int(port), Value::BulkString("id".into())])
    }

    fn range(first: i64, last: i64, nodes: &[(&str, i64)]) -> Value {
        let mut fields = vec![Value::Int(first), Value::Int(last)];
        fields.extend(nodes.iter().map(|(host, port)| node(host, *port)));
        Value::Array(fields)
    }

    fn event(name: &str) -> EventId {
        name.parse().unwrap()
    }

    #[test]
    fn an_events_slot_is_that_of_its_hash_tag() {
        // By redis-cli: CLUSTER KEYSLOT te:{rock}:meta, and so on.
        assert_eq!(["rock", "jazz", "a"].map(|name| slot(&event(name))), [7155, 9581, 15495]);
    }

    #[test]
    fn slots_lead_to_primaries_and_replicas_are_known() {
        let answer = Value::Array(vec![
            range(0, 8000, &[("a", 1), ("b", 2)]),
            range(15000, 16383, &[("", 3), ("a", 9)]),
            range(8001, 8002, &[("a", 1), ("b", 2)]),
        ]);
        let (slots, nodes) = Slots::read(&answer, "asked").unwrap();
        assert_eq!(slots.primaries(), [("a".into(), 1), ("asked".into(), 3)]);
        assert_eq!(nodes.len(), 6);
        let Value::Array(mut ranges) = answer else { unreachable!() };
        ranges.rotate_left(1);
        let (same, _) = Slots::read(&Value::Array(ranges), "asked").unwrap();
        assert!(same == slots, "in another order");
        let owner = |name| slots.owner(&event(name));
        assert_eq!((owner("rock"), owner("jazz"), owner("a")), (Some(0), None, Some(1)));
    }

    #[test]
    fn a_primary_without_an_address_has_nothing() {
        for nowhere in [("?", 1), ("a", 65536)] {
            let answer = Value::Array(vec![range(0, 8000, &[nowhere]), range(8001, 16383, &[("b", 2)])]);
            let (slots, nodes) = Slots::read(&answer, "asked").unwrap();
            assert_eq!((slots.owner(&event("rock")), slots.owner(&event("jazz"))), (None, Some(0)));
            assert_eq!(nodes, [("b".into(), 2)]);
        }
    }

    #[test]
    fn what_is_not_an_answer_is_no_map() {
        let hosts: Vec<_> = (0..=PRIMARIES_MAX as i64).map(|n| range(n, n, &[("h", n + 1)])).collect();
        for answer in [
            Value::Nil,
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![range(0, 16384, &[("a", 1)])]),
            Value::Array(vec![range(5, 4, &[("a", 1)])]),
            Value::Array(vec![range(0, 5, &[])]),
            Value::Array(vec![range(-1, 5, &[("a", 1)])]),
            Value::Array(hosts),
        ] {
            assert!(Slots::read(&answer, "asked").is_none(), "{answer:?}");
        }
    }
}

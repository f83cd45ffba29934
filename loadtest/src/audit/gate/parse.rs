use std::collections::HashMap;

use super::{Change, Gate, Reservation, Seat};

/// The gate's records as Redis hands them out.
pub(super) struct Raw {
    pub(super) time: (i64, i64),
    pub(super) epoch: Option<u64>,
    pub(super) seats: HashMap<String, String>,
    pub(super) map: Option<Vec<u8>>,
    pub(super) reservations: HashMap<String, String>,
    pub(super) due: Vec<(String, f64)>,
    pub(super) customers: HashMap<String, i64>,
    /// Newest first, each with its fields and values in turn.
    pub(super) log: Vec<(String, Vec<String>)>,
}

impl Raw {
    pub(super) fn into_gate(self, epoch: u64) -> Gate {
        let (seconds, micros) = self.time;
        let mut gate = Gate {
            epoch,
            now_ms: seconds * 1000 + micros / 1000,
            map: self.map.unwrap_or_default(),
            due_ms: self.due.into_iter().map(|(id, at)| (id, at as i64)).collect(),
            customers: self.customers,
            ..Gate::default()
        };
        for (field, value) in self.seats {
            if field == "v" {
                match value.parse() {
                    Ok(version) => gate.version = version,
                    Err(_) => gate.unreadable.push(format!("seats v = {value}")),
                }
                continue;
            }
            match (field.parse(), seat(&value)) {
                (Ok(number), Some(seat)) => drop(gate.seats.insert(number, seat)),
                _ => gate.unreadable.push(format!("seat {field} = {value}")),
            }
        }
        for (id, value) in self.reservations {
            match reservation(&value) {
                Some(reservation) => drop(gate.reservations.insert(id, reservation)),
                None => gate.unreadable.push(format!("reservation {id} = {value}")),
            }
        }
        for (id, fields) in self.log.iter().rev() {
            match change(id, fields) {
                Some(change) => gate.log.push(change),
                None => gate.unreadable.push(format!("log {id} = {}", fields.join(" "))),
            }
        }
        gate
    }
}

/// `H <deadline> <id>`, `C <deadline> <id>`, `S <id>`, `B`.
fn seat(value: &str) -> Option<Seat> {
    let words: Vec<&str> = value.split(' ').collect();
    match words[..] {
        ["H", deadline, id] => Some(Seat::Held { deadline_ms: deadline.parse().ok()?, id: id.to_owned() }),
        ["C", _, id] => Some(Seat::Confirming { id: id.to_owned() }),
        ["S", id] => Some(Seat::Sold { id: id.to_owned() }),
        ["B"] => Some(Seat::Blocked),
        _ => None,
    }
}

/// `<state> <deadline> <extend limit> <seat,seat,..> <request_id> <customer>`; the customer may hold spaces.
fn reservation(value: &str) -> Option<Reservation> {
    let words: Vec<&str> = value.splitn(6, ' ').collect();
    let [state, deadline, _extend_limit, list, _request, customer] = words[..] else { return None };
    let mut letters = state.chars();
    let (state, None) = (letters.next()?, letters.next()) else { return None };
    if !"HCBRXKL".contains(state) {
        return None;
    }
    let deadline_ms = deadline.parse().ok()?;
    Some(Reservation { state, deadline_ms, seats: seats(list)?, customer: customer.to_owned() })
}

fn change(id: &str, fields: &[String]) -> Option<Change> {
    let (version, "0") = id.split_once('-')? else { return None };
    let field = |name| fields.chunks_exact(2).find(|pair| pair[0] == name).map(|pair| pair[1].as_str());
    let state = field("s")?.parse().ok().filter(|state| *state < 4)?;
    Some(Change { version: version.parse().ok()?, state, seats: seats(field("n")?)? })
}

fn seats(list: &str) -> Option<Vec<u32>> {
    list.split(',').map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_read() {
        assert_eq!(seat("H 17 1.2"), Some(Seat::Held { deadline_ms: 17, id: "1.2".into() }));
        assert_eq!(seat("C 17 1.2"), Some(Seat::Confirming { id: "1.2".into() }));
        assert_eq!(seat("S 1.2"), Some(Seat::Sold { id: "1.2".into() }));
        assert_eq!(seat("B"), Some(Seat::Blocked));
        for wrong in ["", "H", "H x 1.2", "S", "B 1", "F"] {
            assert_eq!(seat(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn reservations_are_read() {
        let expected =
            Reservation { state: 'H', deadline_ms: 5, seats: vec![1, 2], customer: "Ann Lee".into() };
        assert_eq!(reservation("H 5 9 1,2 req Ann Lee"), Some(expected));
        for wrong in ["", "H 5 9 1,2 req", "Z 5 9 1 req ann", "HH 5 9 1 req ann", "H 5 9 1,, req ann"] {
            assert_eq!(reservation(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn changes_are_read() {
        let fields = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let expected = Change { version: 7, state: 1, seats: vec![3, 4] };
        assert_eq!(change("7-0", &fields("s 1 n 3,4 d 99")), Some(expected));
        assert_eq!(change("7-1", &fields("s 1 n 3,4")), None);
        assert_eq!(change("7-0", &fields("s 4 n 3")), None);
        assert_eq!(change("7-0", &fields("n 3")), None);
    }

    #[test]
    fn what_is_unreadable_is_kept() {
        let raw = Raw {
            time: (1, 500_000),
            epoch: Some(1),
            seats: [("v", "3"), ("0", "B"), ("1", "?")].map(|(k, v)| (k.into(), v.into())).into(),
            map: None,
            reservations: [("1.1".to_owned(), "?".to_owned())].into(),
            due: Vec::new(),
            customers: HashMap::new(),
            log: vec![("2-0".into(), vec![]), ("1-0".into(), ["s", "3", "n", "0"].map(String::from).into())],
        };
        let gate = raw.into_gate(1);
        assert_eq!((gate.now_ms, gate.version, gate.seats.len(), gate.log.len()), (1500, 3, 1, 1));
        assert_eq!(gate.unreadable.len(), 3);
    }
}

use std::collections::HashMap;

use super::{Change, Gate, Reservation, Seat};

/// The field or member that every key keeps, so that a lost key is seen.
const SENTINEL: &str = "";
/// The field of the seats that holds the version; it is their sentinel, too.
const VERSION: &str = "v";

/// The gate's records as Redis hands them out.
pub(super) struct Raw {
    pub(super) time: (i64, i64),
    /// What INFO says.
    pub(super) redis: String,
    pub(super) meta: HashMap<String, String>,
    pub(super) seats: HashMap<String, String>,
    pub(super) map: Option<Vec<u8>>,
    pub(super) reservations: HashMap<String, String>,
    pub(super) due: Vec<(String, f64)>,
    pub(super) customers: HashMap<String, i64>,
    /// Newest first, each with its fields and values in turn.
    pub(super) log: Vec<(String, Vec<String>)>,
}

impl Raw {
    /// Why the gate is no witness now: what it says is a hint until it is rebuilt.
    pub(super) fn cold(&self, epoch: u64) -> Option<&'static str> {
        if self.meta.get("epoch") != Some(&epoch.to_string()) || self.meta.contains_key("frozen") {
            return Some("it is being rebuilt");
        }
        // As the service spells it: the process, and the replication id of its last promotion.
        let field = |name| self.redis.lines().find_map(|line| line.strip_prefix(name)).map_or("", str::trim);
        let incarnation = format!("{}/{}", field("run_id:"), field("master_replid2:"));
        if Some(&incarnation) != self.meta.get("incarnation") {
            return Some("Redis restarted, and the gate was not rebuilt yet");
        }
        let whole = self.seats.contains_key(VERSION)
            && self.map.is_some()
            && self.reservations.contains_key(SENTINEL)
            && self.customers.contains_key(SENTINEL)
            && self.due.iter().any(|(id, _)| id == SENTINEL);
        (!whole).then_some("some of its keys are lost")
    }

    pub(super) fn into_gate(mut self, epoch: u64) -> Gate {
        self.reservations.remove(SENTINEL);
        self.customers.remove(SENTINEL);
        self.due.retain(|(id, _)| id != SENTINEL);
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
            if field == VERSION {
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
        ["C", deadline, id] => {
            Some(Seat::Confirming { deadline_ms: deadline.parse().ok()?, id: id.to_owned() })
        }
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
        assert_eq!(seat("C 17 1.2"), Some(Seat::Confirming { deadline_ms: 17, id: "1.2".into() }));
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

    fn text<const N: usize>(pairs: [(&str, &str); N]) -> HashMap<String, String> {
        pairs.map(|(k, v)| (k.into(), v.into())).into()
    }

    fn raw() -> Raw {
        Raw {
            time: (1, 500_000),
            redis: "# Server\r\nrun_id:abc\r\n# Replication\r\nmaster_replid2:000\r\n".into(),
            meta: text([("epoch", "1"), ("incarnation", "abc/000")]),
            seats: text([("v", "3"), ("0", "B")]),
            map: Some(vec![0b1100_0000]),
            reservations: text([("", "1")]),
            due: vec![("1.1".into(), 7.0), (String::new(), f64::INFINITY)],
            customers: [(String::new(), 1), ("ann".to_owned(), 2)].into(),
            log: vec![("2-0".into(), vec![]), ("1-0".into(), ["s", "3", "n", "0"].map(String::from).into())],
        }
    }

    #[test]
    fn sentinels_are_no_records() {
        let gate = raw().into_gate(1);
        assert_eq!((gate.now_ms, gate.version, gate.seats.len(), gate.log.len()), (1500, 3, 1, 1));
        assert_eq!((gate.reservations.len(), gate.due_ms.len(), gate.customers.len()), (0, 1, 1));
    }

    #[test]
    fn what_is_unreadable_is_kept() {
        let mut raw = raw();
        raw.seats.insert("1".into(), "?".into());
        raw.reservations.insert("1.1".into(), "?".into());
        assert_eq!(raw.into_gate(1).unreadable.len(), 3, "and an entry of the log");
    }

    #[test]
    fn a_cold_gate_is_no_witness() {
        assert_eq!(raw().cold(1), None);
        let cold = |breaks: fn(&mut Raw)| {
            let mut raw = raw();
            breaks(&mut raw);
            raw.cold(1).is_some()
        };
        assert!(raw().cold(2).is_some());
        assert!(cold(|raw| drop(raw.meta.insert("frozen".into(), "2".into()))));
        assert!(cold(|raw| raw.redis = "run_id:def\r\nmaster_replid2:000".into()));
        assert!(cold(|raw| drop(raw.seats.remove("v"))));
        assert!(cold(|raw| raw.map = None));
        assert!(cold(|raw| drop(raw.reservations.remove(""))));
        assert!(cold(|raw| raw.customers.clear()));
        assert!(cold(|raw| raw.due.clear()));
    }
}

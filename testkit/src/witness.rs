//! Looks into both stores, past the service, and names what does not fit.

use std::collections::HashMap;

use redis::{AsyncConnectionConfig, FromRedisValue, aio::MultiplexedConnection};

use crate::{STORE_LIMIT, holds_within, postgres::reach};

/// Reads both stores of a test.
#[derive(Clone)]
pub struct Witness {
    /// Where the gate is.
    pub redis_url: String,
    /// Where the vault is.
    pub database_url: String,
}

impl Witness {
    /// "booked", "void", "cancelled", or nothing yet.
    pub async fn outcome(&self, reservation: &str) -> Option<String> {
        let sql = "SELECT CASE WHEN cancelled_at IS NULL THEN outcome ELSE 'cancelled' END
                     FROM bookings WHERE reservation_id = $1";
        let vault = reach(&self.database_url).await;
        vault.query_opt(sql, &[&reservation]).await.unwrap().map(|row| row.get(0))
    }

    /// Who has a seat booked, by the vault.
    pub async fn owners(&self, event: &str) -> HashMap<i32, String> {
        let sql = "SELECT seat_id, reservation_id FROM booked_seats WHERE event_id = $1 AND active";
        let vault = reach(&self.database_url).await;
        let rows = vault.query(sql, &[&event]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// The gate's epoch: 0 where there is none.
    pub async fn epoch(&self, event: &str) -> u64 {
        let meta = format!("te:{{{event}}}:meta");
        let epoch: Option<u64> = self.ask(&["HGET", &meta, "epoch"]).await;
        epoch.unwrap_or(0)
    }

    /// The event's key of the gate's present epoch.
    pub async fn key(&self, event: &str, name: &str) -> String {
        format!("te:{{{event}}}:{}:{name}", self.epoch(event).await)
    }

    /// A seat as the gate has it; empty where it is free.
    pub async fn seat(&self, event: &str, seat: u32) -> String {
        let seats = self.key(event, "seats").await;
        let value: Option<String> = self.ask(&["HGET", &seats, &seat.to_string()]).await;
        value.unwrap_or_default()
    }

    /// Waits until nothing is under way any more and both stores say the same.
    pub async fn agree(&self, event: &str) {
        let mut found = Vec::new();
        let agree = holds_within(STORE_LIMIT, async || {
            found = self.differences(event).await;
            found.is_empty()
        });
        assert!(agree.await, "gate and vault of {event} differ: {found:#?}");
    }

    /// What does not fit: between the stores, and within the gate. Seats that leaked are among it.
    pub async fn differences(&self, event: &str) -> Vec<String> {
        let mut found = Vec::new();
        let vault = reach(&self.database_url).await;
        let row =
            vault.query_one("SELECT epoch, seat_count FROM events WHERE event_id = $1", &[&event]).await;
        let (epoch, seat_count): (i64, i32) = row.map(|row| (row.get(0), row.get(1))).unwrap();
        if epoch as u64 != self.epoch(event).await {
            return vec![format!("the vault is at epoch {epoch}")];
        }
        let seats: HashMap<String, String> = self.hash(event, "seats").await;
        let records: HashMap<String, String> = self.hash(event, "reservations").await;
        let counters: HashMap<String, String> = self.hash(event, "customers").await;
        let map: Vec<u8> = self.ask(&["GET", &self.key(event, "map").await]).await;

        let owners = self.owners(event).await;
        for seat in 0..seat_count {
            let value = seats.get(&seat.to_string()).map_or("", String::as_str);
            let bits = map.get(seat as usize / 4).map_or(9, |byte| byte >> (6 - 2 * (seat % 4)) & 3);
            let expected = match owners.get(&seat) {
                Some(id) => (format!("S {}", id.split_once('.').unwrap().1), 2),
                None if value.starts_with("H ") => (value.to_owned(), 1),
                None if value == "B" => ("B".to_owned(), 3),
                None => (String::new(), 0),
            };
            if (value.to_owned(), bits) != expected {
                found.push(format!("seat {seat} is {value:?} with bits {bits}, not {expected:?}"));
            }
        }
        let mut counts: HashMap<String, usize> = HashMap::new();
        let sql = "SELECT customer_id, cardinality(seat_ids) FROM bookings
                    WHERE event_id = $1 AND outcome = 'booked' AND cancelled_at IS NULL";
        for row in vault.query(sql, &[&event]).await.unwrap() {
            *counts.entry(row.get(0)).or_default() += row.get::<_, i32>(1) as usize;
        }
        let expiry = self.key(event, "expiry").await;
        let due: HashMap<String, String> = self.ask(&["ZRANGE", &expiry, "0", "-1", "WITHSCORES"]).await;
        for (id, record) in records.iter().filter(|(id, _)| !id.is_empty()) {
            let fields: Vec<&str> = record.splitn(6, ' ').collect();
            if !due.contains_key(id) {
                found.push(format!("nobody will look after reservation {id}: {record}"));
            }
            match fields[0] {
                "C" => found.push(format!("a Confirm of {id} is open")),
                "H" => {
                    *counts.entry(fields[5].to_owned()).or_default() += fields[3].split(',').count();
                    let value = format!("H {} {id}", fields[1]);
                    for seat in fields[3].split(',').filter(|seat| seats.get(*seat) != Some(&value)) {
                        found.push(format!("seat {seat} is not held by {id}: {record}"));
                    }
                }
                _ => {}
            }
        }
        for (seat, value) in seats.iter().filter(|(_, value)| value.starts_with("H ")) {
            let id = value.splitn(3, ' ').last().unwrap();
            if !records.get(id).is_some_and(|record| record.starts_with("H ")) {
                found.push(format!("seat {seat} leaked: {value}"));
            }
        }
        let counts: HashMap<String, String> =
            counts.into_iter().map(|(customer, count)| (customer, count.to_string())).collect();
        let counters: HashMap<String, String> =
            counters.into_iter().filter(|(key, _)| !key.is_empty()).collect();
        if counts != counters {
            found.push(format!("customers have {counts:?}, the gate counts {counters:?}"));
        }
        found
    }

    async fn hash(&self, event: &str, name: &str) -> HashMap<String, String> {
        self.ask(&["HGETALL", &self.key(event, name).await]).await
    }

    /// A command to Redis.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(self.redis_url.as_str()).unwrap();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(STORE_LIMIT))
            .set_response_timeout(Some(STORE_LIMIT));
        let mut connection: MultiplexedConnection =
            client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await.unwrap()
    }
}

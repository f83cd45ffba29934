//! Bookings and seats, told by a real Kafka: run by `./dev test-kafka`.

mod consumer;
mod faults;
mod load;
mod metrics;
mod records;
mod seats;

use std::time::Duration;

use booking_svc::config::{Kafka, KafkaSeats};
use testkit::kafka::Broker;

use self::{consumer::Consumer, load::Load};
use crate::support::{
    wait_until,
    world::{Replica, Settings, World},
};

const TOPIC: &str = "ticketengine.bookings";
const SEATS_TOPIC: &str = "ticketengine.seats";

/// Stores whose outbox is on, and a broker.
struct Stage {
    world: World,
    broker: Broker,
}

impl Stage {
    async fn new() -> Self {
        Self::with(Broker::start().await).await
    }

    async fn with(broker: Broker) -> Self {
        let world = World::new().await;
        world.database.client().await.execute("SELECT vault_outbox(true)", &[]).await.unwrap();
        Self { world, broker }
    }

    /// Settings of a replica that tells this broker.
    fn settings(&self) -> Settings {
        let brokers = self.broker.address();
        let kafka = Kafka { brokers, topic: TOPIC.into(), seats: None, options: Vec::new() };
        Settings { kafka: Some(kafka), ..self.world.settings() }
    }

    /// The same, and it tells of seats.
    fn with_seats(&self, snapshot_every: Duration) -> Settings {
        let mut settings = self.settings();
        let seats = KafkaSeats { topic: SEATS_TOPIC.into(), snapshot_every };
        settings.kafka.as_mut().unwrap().seats = Some(seats);
        settings
    }

    async fn relay(&self) -> Replica {
        Replica::start(self.settings()).await
    }

    async fn waiting(&self) -> i64 {
        let client = self.world.database.client().await;
        client.query_one("SELECT count(*) FROM outbox", &[]).await.unwrap().get(0)
    }

    /// Waits until further changes have been told.
    async fn relays(&self) {
        let client = self.world.database.client().await;
        let told = async || -> i64 {
            let gone = "SELECT last_value - (SELECT count(*) FROM outbox) FROM outbox_outbox_id_seq";
            client.query_one(gone, &[]).await.unwrap().get(0)
        };
        let before = told().await;
        wait_until("changes are told", load::LIMIT, async || told().await > before).await;
    }

    /// Waits until Kafka was told everything, and has a consumer that dedupes read it from the beginning: it ends with
    /// exactly the vault's bookings.
    async fn assert_all_is_told(&self) -> Consumer {
        wait_until("the outbox is empty", load::LIMIT, async || self.waiting().await == 0).await;
        let changes = "SELECT count(*) + count(cancelled_at) FROM bookings WHERE outcome = 'booked'";
        let client = self.world.database.client().await;
        let changes: i64 = client.query_one(changes, &[]).await.unwrap().get(0);
        let mut consumer = Consumer::new(&self.broker.address());
        consumer.read_until(usize::try_from(changes).unwrap()).await;
        let all = "SELECT reservation_id, cancelled_at IS NOT NULL FROM bookings WHERE outcome = 'booked' ORDER BY 1";
        let rows = client.query(all, &[]).await.unwrap();
        let vault: Vec<(String, bool)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(consumer.bookings(), vault);
        consumer
    }
}

//! Faults of Kafka.

use testkit::kafka::Broker;
use tokio::time::sleep;

use super::{Kind, schedule::Planned};

pub(super) async fn strike(broker: &Broker, fault: &Planned) {
    if fault.kind == Kind::KafkaPaused {
        broker.pause();
        sleep(fault.lasts).await;
        broker.resume();
    } else {
        broker.kill().await;
        sleep(fault.lasts).await;
        broker.restart().await;
    }
}

//! With TLS nobody is served without it; with a CA of clients nobody without a certificate of it.

use ticketengine::v1::{ListEventsRequest, event_service_client::EventServiceClient};
use tonic::{
    Status,
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity, ServerTlsConfig},
};

use crate::support::{
    STORE_LIMIT,
    calls::Caller,
    wait_until,
    world::{Replica, World},
};

const CA: &[u8] = include_bytes!("testdata/ca.pem");
/// Of `booking`, for either side.
const CERTIFICATE: &[u8] = include_bytes!("testdata/cert.pem");
const KEY: &[u8] = include_bytes!("testdata/key.pem");
/// A certificate that signs itself, and its key.
const STRANGERS_CERTIFICATE: &[u8] = include_bytes!("testdata/stranger_cert.pem");
const STRANGERS_KEY: &[u8] = include_bytes!("testdata/stranger_key.pem");

fn trusting() -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(CA)).domain_name("booking")
}

async fn list(replica: &Replica, tls: ClientTlsConfig) -> Result<(), Status> {
    let endpoint = Endpoint::new(format!("https://{}", replica.address)).unwrap().tls_config(tls).unwrap();
    let mut events = EventServiceClient::new(endpoint.connect_lazy());
    events.list_events(ListEventsRequest::default()).await.map(drop)
}

async fn replica(world: &World, tls: ServerTlsConfig) -> Replica {
    let mut settings = world.settings();
    settings.tls = Some(tls.identity(Identity::from_pem(CERTIFICATE, KEY)));
    Replica::start(settings).await
}

#[tokio::test]
async fn who_speaks_plainly_or_trusts_another_is_not_served() {
    let world = World::new().await;
    let a = replica(&world, ServerTlsConfig::new()).await;
    wait_until("TLS is served", STORE_LIMIT, async || list(&a, trusting()).await.is_ok()).await;
    let plain = Caller::new(&a.address).events().list_events(ListEventsRequest::default()).await;
    plain.expect_err("plain text");
    let other = Certificate::from_pem(STRANGERS_CERTIFICATE);
    list(&a, ClientTlsConfig::new().ca_certificate(other)).await.expect_err("another CA");
}

#[tokio::test]
async fn who_shows_no_certificate_of_the_client_ca_is_not_served() {
    let world = World::new().await;
    let a = replica(&world, ServerTlsConfig::new().client_ca_root(Certificate::from_pem(CA))).await;
    let showing = |certificate, key| trusting().identity(Identity::from_pem(certificate, key));
    wait_until("TLS is served", STORE_LIMIT, async || list(&a, showing(CERTIFICATE, KEY)).await.is_ok())
        .await;
    list(&a, trusting()).await.expect_err("no certificate");
    list(&a, showing(STRANGERS_CERTIFICATE, STRANGERS_KEY)).await.expect_err("another's certificate");
}

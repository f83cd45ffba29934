//! A flash sale: thousands of customers want the same best seats.

mod caller;
mod customer;
mod house;
mod plan;
mod progress;
mod sale;
mod screen;
mod summary;
mod tally;
mod view;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ticketengine::v1::{Event, GetEventRequest, SalesSettings, event_service_client::EventServiceClient};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, timeout},
};
use tonic::transport::Channel;

use self::{
    caller::CALL_WAIT,
    sale::{CALLS_IN_FLIGHT_MAX, Sale},
    screen::Screen,
    tally::Tally,
    view::View,
};
use crate::{
    audit,
    cli::Demo,
    client::{Connections, Minter, Token},
    error::Error,
    ledger::Ledger,
    report,
};

/// How long customers may take, after the last hold of the sale has ended, to hear what became of their calls.
const FINISH_WAIT: Duration = Duration::from_secs(60);
/// A hold is free again one second after its deadline at the latest; twice that, for a slow machine.
const HOLD_END_WAIT: Duration = Duration::from_secs(2);

/// Runs the sale and audits it. True when every promise is kept.
pub(crate) async fn run(options: &Demo) -> Result<bool, Error> {
    let doors = open_doors(options).await?;
    let sale = Arc::clone(&doors.sale);
    let begin = Instant::now();
    let cut_off = hold_sale(doors, options.customers).await?;

    let counts = sale.tally.counts();
    let selling = counts.last_reserve.map_or(Duration::ZERO, |last| last - begin.into_std());
    summary::show(&counts, selling)?;
    if cut_off > 0 {
        report::print(format_args!(
            "{cut_off} customers came to no end in time; their last calls count as open."
        ))?;
    }
    let record = sale.ledger.record();
    if let Some(path) = &options.acks {
        record.save(path)?;
    }
    if counts.confirms == 0 {
        return Err(Error::NothingSold);
    }
    if !audit::holds_ended(&options.stores, &sale.event, sale.hold_ttl + HOLD_END_WAIT).await? {
        report::print("Some seats are still held; the audit says whether they may be.")?;
    }
    let checks = audit::run(&options.stores, &sale.event, Some(&record)).await?;
    report::audit(&sale.event, &checks)
}

/// A sale that is about to begin.
struct Doors {
    sale: Arc<Sale>,
    screen: Screen,
    screens: watch::Sender<Arc<View>>,
}

async fn open_doors(options: &Demo) -> Result<Doors, Error> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    // Customers of another run are other people, also with the same seed: a customer has a limit of seats.
    let customer_prefix = format!("customer-{now_ms:x}-");
    let seed = options.seed.unwrap_or_else(|| u64::try_from(now_ms).unwrap_or_default());
    let minter = Minter::new(&options.tokens);
    let connections = Connections::open(&options.targets, options.connections).await?;
    let token = minter.mint(&format!("{customer_prefix}screen"))?;

    let event = get_event(connections.channel(0), &token, &options.event).await?;
    let settings = event.sales_settings.ok_or(Error::Incomplete("GetEvent", "sales_settings"))?;
    let hold_ttl = hold_ttl(&settings)?;
    let mut screen = Screen::open(connections.booking(0), token, &options.event).await?;
    let (screens, view) = watch::channel(Arc::new(screen.look().await?));
    report::print(format_args!(
        "Flash sale of {} ({}): {} seats, holds of {} s, {} seats a customer\n\
         {} customers on {} connections to {}, at most {} s, --seed {seed}",
        event.name,
        options.event,
        screen.seat_count(),
        hold_ttl.as_secs_f64(),
        settings.seats_per_customer,
        options.customers,
        connections.count(),
        options.targets.join(", "),
        options.seconds,
    ))?;
    let length = Duration::from_secs(options.seconds.into());
    let sale = Sale {
        event: options.event.clone(),
        hold_ttl,
        seats_per_customer: settings.seats_per_customer as usize,
        ledger: Ledger::new(&options.event, &customer_prefix),
        customer_prefix,
        seed,
        length,
        ends_at: Instant::now() + length,
        minter,
        connections,
        in_flight: Semaphore::new(CALLS_IN_FLIGHT_MAX),
        view,
        tally: Tally::new(),
    };
    Ok(Doors { sale: Arc::new(sale), screen, screens })
}

/// Lets the customers in and waits for them. Says how many did not come to an end.
async fn hold_sale(doors: Doors, customers: u32) -> Result<usize, Error> {
    let Doors { sale, screen, screens } = doors;
    // Dropped at the end of this function: that stops them.
    let mut helpers = JoinSet::new();
    helpers.spawn(screen.keep_fresh(screens));
    helpers.spawn(progress::show(Arc::clone(&sale), customers));

    let mut visits = JoinSet::new();
    for number in 0..customers {
        visits.spawn(customer::visit(Arc::clone(&sale), number));
    }
    let wait = sale.length + sale.hold_ttl + FINISH_WAIT;
    let all_done = async {
        let mut panicked = 0;
        while let Some(visit) = visits.join_next().await {
            match visit {
                Ok(done) => done?,
                Err(_) => panicked += 1, // What it said is on standard error.
            }
        }
        Ok(panicked)
    };
    match timeout(wait, all_done).await {
        Ok(panicked) => panicked,
        Err(_) => {
            let cut_off = visits.len();
            visits.shutdown().await;
            Ok(cut_off)
        }
    }
}

async fn get_event(channel: Channel, token: &Token, event: &str) -> Result<Event, Error> {
    let message = GetEventRequest { event_id: event.to_owned() };
    let answer = EventServiceClient::new(channel).get_event(token.request(message, CALL_WAIT)).await;
    let refused = |status| Error::Refused { call: "GetEvent", status: Box::new(status) };
    answer.map_err(refused)?.into_inner().event.ok_or(Error::Incomplete("GetEvent", "event"))
}

fn hold_ttl(settings: &SalesSettings) -> Result<Duration, Error> {
    let ttl = settings.hold_ttl.as_ref().and_then(|ttl| {
        Some(Duration::new(u64::try_from(ttl.seconds).ok()?, u32::try_from(ttl.nanos).ok()?))
    });
    ttl.ok_or(Error::Incomplete("GetEvent", "hold_ttl"))
}

#[cfg(test)]
mod tests;

use std::sync::Arc;

use moka::{future::Cache, policy::EvictionPolicy};
use ticketengine::v1::{
    GetEventRequest, GetSeatMapRequest, ListEventsRequest, booking_service_client::BookingServiceClient,
    event_service_client::EventServiceClient,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::spawn_blocking,
    time::timeout,
};
use tonic::Code;

use super::{
    Error, Event, EventList, Layout, Targets,
    calls::{Service, ask},
};
use crate::limits::{
    CALL_WAIT, CATALOG_CALLS_MAX, EVENT_AGE_MAX, EVENT_STALE_AGE_MAX, EVENTS_KEPT_MAX, LAYOUT_BYTES_MAX,
    LAYOUT_CALLS_MAX, LAYOUT_SEATS_KEPT_MAX, LAYOUT_WAIT, LISTS_KEPT_MAX,
};

/// The events and their seats, as booking-svc knows them. Asks once for all who ask at the same time. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    targets: Targets,
    /// One permit a question under way.
    calls: Arc<Semaphore>,
    /// Of their own for layouts, so that questions about invented events do not keep real seats from anybody.
    layout_calls: Arc<Semaphore>,
    /// Answers of the last second, also that there is no such event.
    events: Cache<String, Option<Arc<Event>>>,
    /// The last answers, for when nobody answers.
    stale: Cache<String, Arc<Event>>,
    /// By event and its creation; weighed by seats.
    layouts: Cache<(String, (i64, i32)), Arc<Layout>>,
    /// By page token and size.
    lists: Cache<(String, u32), Arc<EventList>>,
}

impl Catalog {
    /// Knows nothing yet.
    pub fn new(targets: Targets) -> Self {
        let seats = |_: &_, layout: &Arc<Layout>| layout.seat_count;
        Self {
            targets,
            calls: Arc::new(Semaphore::new(CATALOG_CALLS_MAX)),
            layout_calls: Arc::new(Semaphore::new(LAYOUT_CALLS_MAX)),
            events: Cache::builder().max_capacity(EVENTS_KEPT_MAX).time_to_live(EVENT_AGE_MAX).build(),
            stale: Cache::builder().max_capacity(EVENTS_KEPT_MAX).time_to_live(EVENT_STALE_AGE_MAX).build(),
            // What was asked for last stays: by frequency, a large house would never displace several that are in use.
            layouts: Cache::builder()
                .max_capacity(LAYOUT_SEATS_KEPT_MAX)
                .weigher(seats)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            lists: Cache::builder().max_capacity(LISTS_KEPT_MAX).time_to_live(EVENT_AGE_MAX).build(),
        }
    }

    /// An event as it was at most [`EVENT_AGE_MAX`] ago; older only where nobody answers.
    pub async fn event(&self, event_id: &str) -> Result<Arc<Event>, Error> {
        let unknown = || Error::NoEvent(event_id.to_owned());
        if !is_event_id(event_id) {
            return Err(unknown());
        }
        let found = self.events.try_get_with_by_ref(event_id, self.ask_event(event_id)).await;
        match found.map_err(|error| Error::clone(&error)) {
            Ok(event) => event.ok_or_else(unknown),
            Err(error) => self.stale.get(event_id).await.ok_or(error),
        }
    }

    /// The seats of an event.
    pub async fn layout(&self, event_id: &str) -> Result<Arc<Layout>, Error> {
        let event = self.event(event_id).await?;
        let key = (event_id.to_owned(), event.created);
        let found = self.layouts.try_get_with(key, self.ask_layout(event_id, event.seat_count)).await;
        found.map_err(|error| Error::clone(&error))
    }

    /// A page of all events.
    pub async fn events(&self, page_token: &str, page_size: u32) -> Result<Arc<EventList>, Error> {
        let key = (page_token.to_owned(), page_size);
        let found = self.lists.try_get_with(key, self.ask_events(page_token, page_size)).await;
        found.map_err(|error| Error::clone(&error))
    }

    async fn ask_event(&self, event_id: &str) -> Result<Option<Arc<Event>>, Error> {
        let answer = self.ask("ticketengine.booking.v1.EventService/GetEvent", |channel| async move {
            let request = GetEventRequest { event_id: event_id.to_owned() };
            EventServiceClient::new(channel).get_event(request).await
        });
        let answer = match answer.await {
            Err(Error::Refused(status)) if status.code() == Code::NotFound => {
                self.stale.invalidate(event_id).await;
                return Ok(None);
            }
            answer => answer?,
        };
        let event = Arc::new(Event::new(&answer.event.ok_or(Error::Malformed("event"))?)?);
        self.stale.insert(event_id.to_owned(), Arc::clone(&event)).await;
        Ok(Some(event))
    }

    async fn ask_events(&self, page_token: &str, page_size: u32) -> Result<Arc<EventList>, Error> {
        let page_size = page_size.try_into().unwrap_or(i32::MAX);
        let answer = self.ask("ticketengine.booking.v1.EventService/ListEvents", |channel| async move {
            let request = ListEventsRequest { page_size, page_token: page_token.to_owned() };
            EventServiceClient::new(channel).list_events(request).await
        });
        Ok(Arc::new(EventList::new(&answer.await?)?))
    }

    async fn ask_layout(&self, event_id: &str, seat_count: u32) -> Result<Arc<Layout>, Error> {
        let _call = permit(&self.layout_calls).await?;
        let rpc = "ticketengine.booking.v1.BookingService/GetSeatMap";
        let answer = ask(&self.targets, rpc, LAYOUT_WAIT, |channel| async move {
            let client = BookingServiceClient::new(channel).max_decoding_message_size(LAYOUT_BYTES_MAX);
            let request = GetSeatMapRequest { event_id: event_id.to_owned(), states_only: false };
            { client }.get_seat_map(request).await
        });
        let layout = answer.await?.layout.ok_or(Error::Malformed("layout"))?;
        let event_id = event_id.to_owned();
        let layout = spawn_blocking(move || Layout::new(&event_id, &layout)).await;
        let layout = layout.map_err(|_| Error::Malformed("layout that can be read"))??;
        if layout.seat_count == seat_count {
            Ok(Arc::new(layout))
        } else {
            Err(Error::Malformed("layout of the event"))
        }
    }

    async fn ask<T, Answer>(
        &self,
        rpc: &'static str,
        question: impl Fn(Service) -> Answer,
    ) -> Result<T, Error>
    where
        Answer: Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    {
        let _call = permit(&self.calls).await?;
        ask(&self.targets, rpc, CALL_WAIT, question).await
    }
}

async fn permit(calls: &Semaphore) -> Result<SemaphorePermit<'_>, Error> {
    let permit = timeout(CALL_WAIT, calls.acquire()).await;
    permit.ok().and_then(Result::ok).ok_or(Error::Busy)
}

/// What booking-svc would refuse anyway is not worth a question, nor a place in the cache.
fn is_event_id(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let whole = !text.starts_with('-') && !text.ends_with('-');
    (1..=63).contains(&text.len()) && text.bytes().all(good) && whole
}

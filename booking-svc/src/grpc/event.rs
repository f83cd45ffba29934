use ticketengine::v1::{self, event_service_server::EventService};
use tonic::{Request, Response, Status};

use super::convert;
use crate::{
    booking::Engine,
    domain::{self, EventId},
};

/// `EventService`. The front layer has checked already that the caller may.
pub(super) struct Events {
    pub(super) engine: Engine,
}

fn event_id(text: &str) -> Result<EventId, Status> {
    Ok(convert::id("event_id", text)?)
}

fn wire(event: domain::Event) -> Option<v1::Event> {
    Some(convert::event(event))
}

#[tonic::async_trait]
impl EventService for Events {
    async fn create_event(
        &self,
        request: Request<v1::CreateEventRequest>,
    ) -> Result<Response<v1::CreateEventResponse>, Status> {
        let new = convert::new_event(request.into_inner())?;
        let event = self.engine.create_event(new).await?;
        Ok(Response::new(v1::CreateEventResponse { event: wire(event) }))
    }

    async fn get_event(
        &self,
        request: Request<v1::GetEventRequest>,
    ) -> Result<Response<v1::GetEventResponse>, Status> {
        let id = event_id(&request.get_ref().event_id)?;
        let event = self.engine.event(&id).await?;
        Ok(Response::new(v1::GetEventResponse { event: wire(event) }))
    }

    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Result<Response<v1::ListEventsResponse>, Status> {
        let request = request.get_ref();
        let (limit, after) = convert::page(request.page_size, &request.page_token)?;
        let page = self.engine.events(after, limit).await?;
        let next = convert::next_page(page.more, page.items.last(), |last| last.id.to_string());
        let events = page.items.into_iter().map(convert::event).collect();
        Ok(Response::new(v1::ListEventsResponse { events, next_page_token: next }))
    }

    async fn update_event(
        &self,
        request: Request<v1::UpdateEventRequest>,
    ) -> Result<Response<v1::UpdateEventResponse>, Status> {
        let request = request.into_inner();
        let id = event_id(&request.event_id)?;
        let settings = request.sales_settings.map(convert::settings).transpose()?;
        let event = self.engine.update_event(&id, request.name, settings).await?;
        Ok(Response::new(v1::UpdateEventResponse { event: wire(event) }))
    }

    async fn open_sales(
        &self,
        request: Request<v1::OpenSalesRequest>,
    ) -> Result<Response<v1::OpenSalesResponse>, Status> {
        let id = event_id(&request.get_ref().event_id)?;
        let event = self.engine.set_sales_open(&id, true).await?;
        Ok(Response::new(v1::OpenSalesResponse { event: wire(event) }))
    }

    async fn close_sales(
        &self,
        request: Request<v1::CloseSalesRequest>,
    ) -> Result<Response<v1::CloseSalesResponse>, Status> {
        let id = event_id(&request.get_ref().event_id)?;
        let event = self.engine.set_sales_open(&id, false).await?;
        Ok(Response::new(v1::CloseSalesResponse { event: wire(event) }))
    }

    async fn block_seats(
        &self,
        request: Request<v1::BlockSeatsRequest>,
    ) -> Result<Response<v1::BlockSeatsResponse>, Status> {
        let request = request.into_inner();
        let id = event_id(&request.event_id)?;
        let changed_seats = self.engine.block(&id, convert::seats(request.seat_ids)?).await?;
        Ok(Response::new(v1::BlockSeatsResponse { changed_seats }))
    }

    async fn unblock_seats(
        &self,
        request: Request<v1::UnblockSeatsRequest>,
    ) -> Result<Response<v1::UnblockSeatsResponse>, Status> {
        let request = request.into_inner();
        let id = event_id(&request.event_id)?;
        let changed_seats = self.engine.unblock(&id, convert::seats(request.seat_ids)?).await?;
        Ok(Response::new(v1::UnblockSeatsResponse { changed_seats }))
    }
}

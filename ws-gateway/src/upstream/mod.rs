//! booking-svc as the gateway sees it: its replicas, its events, its changes.

mod calls;
mod catalog;
mod error;
mod event;
mod layout;
pub mod live;
mod targets;
mod url;
pub mod watch;

pub use calls::Service;
pub use catalog::Catalog;
pub use error::{DOMAIN, Error};
pub use event::{Event, EventList};
pub use layout::Layout;
pub use targets::{Resolve, Settings, Target, Targets};
pub use url::{NoTarget, TargetUrl};

use std::fmt;

/// Defines [`Rpc`] with the path of each, in one place.
macro_rules! rpcs {
    ($($name:ident = $path:literal),+ $(,)?) => {
        /// A call that the service answers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // The schema has them.
        pub enum Rpc { $($name),+ }

        impl Rpc {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// `service/method`, as metrics and logs name it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $path),+ }
            }
        }
    };
}

rpcs! {
    Reserve = "ticketengine.booking.v1.BookingService/Reserve",
    Extend = "ticketengine.booking.v1.BookingService/Extend",
    Release = "ticketengine.booking.v1.BookingService/Release",
    Confirm = "ticketengine.booking.v1.BookingService/Confirm",
    Cancel = "ticketengine.booking.v1.BookingService/Cancel",
    GetReservation = "ticketengine.booking.v1.BookingService/GetReservation",
    GetBooking = "ticketengine.booking.v1.BookingService/GetBooking",
    ListBookings = "ticketengine.booking.v1.BookingService/ListBookings",
    GetSeatMap = "ticketengine.booking.v1.BookingService/GetSeatMap",
    WatchSeats = "ticketengine.booking.v1.BookingService/WatchSeats",
    CreateEvent = "ticketengine.booking.v1.EventService/CreateEvent",
    GetEvent = "ticketengine.booking.v1.EventService/GetEvent",
    ListEvents = "ticketengine.booking.v1.EventService/ListEvents",
    UpdateEvent = "ticketengine.booking.v1.EventService/UpdateEvent",
    OpenSales = "ticketengine.booking.v1.EventService/OpenSales",
    CloseSales = "ticketengine.booking.v1.EventService/CloseSales",
    BlockSeats = "ticketengine.booking.v1.EventService/BlockSeats",
    UnblockSeats = "ticketengine.booking.v1.EventService/UnblockSeats",
    HealthCheck = "grpc.health.v1.Health/Check",
    HealthWatch = "grpc.health.v1.Health/Watch",
    Reflect = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ReflectAlpha = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
}

impl Rpc {
    /// The call that an HTTP/2 path names.
    pub fn from_path(path: &str) -> Option<Self> {
        let name = path.strip_prefix('/')?;
        Self::ALL.iter().copied().find(|rpc| rpc.name() == name)
    }

    /// Whether it is a health check: probes must get through when the service is full.
    pub fn is_health(self) -> bool {
        matches!(self, Self::HealthCheck | Self::HealthWatch)
    }
}

impl fmt::Display for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn every_method_of_the_schema_is_known() {
        let files = prost_types::FileDescriptorSet::decode(ticketengine::FILE_DESCRIPTOR_SET).unwrap();
        let mut methods = 0;
        for file in &files.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    let rpc = Rpc::from_path(&path).unwrap_or_else(|| panic!("{path} has no access rule"));
                    assert_eq!(format!("/{rpc}"), path);
                    methods += 1;
                }
            }
        }
        assert_eq!(methods, 18);
        assert_eq!(Rpc::from_path("/ticketengine.booking.v1.BookingService/Steal"), None);
    }
}

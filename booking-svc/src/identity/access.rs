//! Who may call what, and for whom.

use super::{Caller, Error, Role, Rpc};
use crate::{booking::Owner, domain::CustomerId};

/// The roles that may make a call; `None` means everybody, without a token.
pub fn roles(rpc: Rpc) -> Option<&'static [Role]> {
    match rpc {
        Rpc::GetSeatMap | Rpc::WatchSeats | Rpc::GetEvent | Rpc::ListEvents => None,
        Rpc::HealthCheck | Rpc::HealthWatch | Rpc::Reflect | Rpc::ReflectAlpha => None,
        Rpc::Reserve
        | Rpc::Extend
        | Rpc::Release
        | Rpc::Confirm
        | Rpc::Cancel
        | Rpc::GetReservation
        | Rpc::GetBooking
        | Rpc::ListBookings => Some(&[Role::Customer, Role::Service, Role::Admin]),
        Rpc::CreateEvent
        | Rpc::UpdateEvent
        | Rpc::OpenSales
        | Rpc::CloseSales
        | Rpc::BlockSeats
        | Rpc::UnblockSeats => Some(&[Role::Admin]),
    }
}

/// Refuses a caller that has none of the roles of a call.
pub fn admit(rpc: Rpc, caller: &Caller) -> Result<(), Error> {
    match roles(rpc) {
        Some(roles) if !roles.iter().any(|role| caller.roles.has(*role)) => {
            Err(Error::RoleRequired { rpc, roles })
        }
        _ => Ok(()),
    }
}

/// The customer for whom a caller holds and buys seats: Reserve, Extend, Release, Confirm.
///
/// A caller with several roles acts in the strongest that allows the call.
pub fn customer(caller: &Caller, named: &str) -> Result<CustomerId, Error> {
    let named = parse(named)?;
    let mut refusal = None;
    for role in caller.roles.strongest_first() {
        let customer = match role {
            Role::Service => named.clone().ok_or(Error::CustomerIdRequired),
            Role::Admin | Role::Customer => himself(caller, named.as_ref()),
        };
        match customer {
            Ok(customer) => return Ok(customer),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.unwrap_or(Error::NotOwner))
}

/// Whose reservations and bookings a caller may see and cancel: an admin everybody's, the others their customer's.
pub fn owner(caller: &Caller, named: &str) -> Result<Owner, Error> {
    if !caller.roles.has(Role::Admin) {
        return customer(caller, named).map(Owner::Customer);
    }
    Ok(parse(named)?.map_or(Owner::Anyone, Owner::Customer))
}

fn himself(caller: &Caller, named: Option<&CustomerId>) -> Result<CustomerId, Error> {
    let subject = caller.subject.as_ref().ok_or(Error::CustomerIdRequired)?;
    match named {
        Some(named) if named != subject => Err(Error::NotOwner),
        _ => Ok(subject.clone()),
    }
}

fn parse(named: &str) -> Result<Option<CustomerId>, Error> {
    if named.is_empty() {
        return Ok(None);
    }
    named.parse().map(Some).map_err(Error::CustomerId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Roles;

    fn caller(roles: &[Role]) -> Caller {
        Caller { subject: Some("ann".parse().unwrap()), roles: roles.iter().copied().collect() }
    }

    fn id(name: &str) -> CustomerId {
        name.parse().unwrap()
    }

    #[test]
    fn each_role_against_each_rpc() {
        use Role::{Admin, Customer, Service};
        // Columns: no token, customer, service, admin.
        let table = |rpc| match rpc {
            Rpc::GetSeatMap | Rpc::WatchSeats => [true, true, true, true],
            Rpc::GetEvent | Rpc::ListEvents => [true, true, true, true],
            Rpc::HealthCheck | Rpc::HealthWatch => [true, true, true, true],
            Rpc::Reflect | Rpc::ReflectAlpha => [true, true, true, true],
            Rpc::Reserve | Rpc::Extend | Rpc::Release | Rpc::Confirm => [false, true, true, true],
            Rpc::Cancel | Rpc::GetReservation | Rpc::GetBooking => [false, true, true, true],
            Rpc::ListBookings => [false, true, true, true],
            Rpc::CreateEvent | Rpc::UpdateEvent => [false, false, false, true],
            Rpc::OpenSales | Rpc::CloseSales => [false, false, false, true],
            Rpc::BlockSeats | Rpc::UnblockSeats => [false, false, false, true],
        };
        for rpc in Rpc::ALL.iter().copied() {
            let [open, customer, service, admin] = table(rpc);
            assert_eq!(roles(rpc).is_none(), open, "{rpc}");
            for (role, allowed) in [(Customer, customer), (Service, service), (Admin, admin)] {
                assert_eq!(admit(rpc, &caller(&[role])).is_ok(), allowed, "{rpc} as {role}");
            }
            assert_eq!(admit(rpc, &caller(&[])).is_ok(), open, "{rpc} without a role");
        }
    }

    #[test]
    fn each_role_holds_and_buys_for() {
        let table: [(&[Role], &str, Result<&str, Error>); 13] = [
            (&[Role::Customer], "", Ok("ann")),
            (&[Role::Customer], "ann", Ok("ann")),
            (&[Role::Customer], "bob", Err(Error::NotOwner)),
            (&[Role::Service], "", Err(Error::CustomerIdRequired)),
            (&[Role::Service], "ann", Ok("ann")),
            (&[Role::Service], "bob", Ok("bob")),
            (&[Role::Admin], "", Ok("ann")),
            (&[Role::Admin], "bob", Err(Error::NotOwner)),
            (&[Role::Admin, Role::Service], "bob", Ok("bob")),
            (&[Role::Customer, Role::Service], "", Ok("ann")),
            (&[Role::Customer, Role::Service], "bob", Ok("bob")),
            (&[Role::Customer, Role::Admin], "bob", Err(Error::NotOwner)),
            (&[], "", Err(Error::NotOwner)),
        ];
        for (roles, named, expected) in table {
            assert_eq!(customer(&caller(roles), named), expected.map(id), "{roles:?} names {named:?}");
        }
    }

    #[test]
    fn only_an_admin_sees_everybodys() {
        let whose = |roles: &[Role], named| owner(&caller(roles), named);
        assert_eq!(whose(&[Role::Customer], ""), Ok(Owner::Customer(id("ann"))));
        assert_eq!(whose(&[Role::Customer], "bob"), Err(Error::NotOwner));
        assert_eq!(whose(&[Role::Service], ""), Err(Error::CustomerIdRequired));
        assert_eq!(whose(&[Role::Service], "bob"), Ok(Owner::Customer(id("bob"))));
        assert_eq!(whose(&[Role::Admin], ""), Ok(Owner::Anyone));
        assert_eq!(whose(&[Role::Admin], "bob"), Ok(Owner::Customer(id("bob"))));
        assert_eq!(whose(&[Role::Customer, Role::Admin], ""), Ok(Owner::Anyone));
        assert!(matches!(whose(&[Role::Admin], "a\nb"), Err(Error::CustomerId(_))));
    }

    #[test]
    fn without_authentication_the_customer_is_named() {
        let anyone = Caller::anybody();
        assert_eq!(anyone.roles, Roles::ALL);
        assert!(Rpc::ALL.iter().all(|rpc| admit(*rpc, &anyone).is_ok()));
        assert_eq!(customer(&anyone, "bob"), Ok(id("bob")));
        assert_eq!(customer(&anyone, ""), Err(Error::CustomerIdRequired));
        assert_eq!(owner(&anyone, ""), Ok(Owner::Anyone));
    }
}

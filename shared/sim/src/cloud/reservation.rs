//! Capacity reservations: so many places by zone and type, which launches fill and ends of instances free. They hold where a pool ran
//! dry and where the quota is reached.

use std::collections::BTreeMap;

use ghostnet_core::id::{InstanceType, Zone};
use ghostnet_core::observation::Offering;
use ghostnet_core::spec::Reservation;
use ghostnet_engine::error::{ErrorClass, PortError};

use super::ec2::Machine;
use super::refusal;
use crate::chance::Chance;
use crate::clock::Millis;
use crate::fleets::{RESERVATION, TYPES, ZONES};

const CALL: &str = "ec2:RunInstances";
/// Most places of one zone and type.
const PLACES_MAX: u32 = 4;

type Lot = (Reservation, Zone, InstanceType);

/// The reservations of the account.
#[derive(Debug, Default)]
pub struct Reservations {
    places: BTreeMap<Lot, u32>,
    /// The one that specs name was cancelled, and is there again from then.
    pub gone_until: Millis,
}

impl Reservations {
    /// Open ones of some types in some zones, and one of a single type and zone that specs name.
    #[must_use]
    pub fn any(chance: &mut Chance) -> Self {
        let mut reservations = Self::default();
        let lots = ZONES
            .iter()
            .flat_map(|zone| TYPES.iter().map(move |instance_type| (*zone, *instance_type)));
        for (zone, instance_type) in lots {
            if chance.once_in(2) {
                reservations.set(Reservation::Open, zone, instance_type, chance.count(0, PLACES_MAX));
            }
        }
        if let (Some(zone), Some(instance_type)) = (chance.pick(&ZONES), chance.pick(&TYPES)) {
            reservations.set(
                Reservation::Id(RESERVATION.to_owned()),
                zone,
                instance_type,
                chance.count(1, PLACES_MAX),
            );
        }
        reservations
    }

    fn set(&mut self, reservation: Reservation, zone: &str, instance_type: &str, places: u32) {
        let lot = (reservation, Zone::new(zone), InstanceType::new(instance_type));
        self.places.insert(lot, places);
    }

    /// Somebody makes one larger or smaller. Who is in it runs on.
    pub fn resize_any(&mut self, chance: &mut Chance) {
        let lots: Vec<Lot> = self.places.keys().cloned().collect();
        if let Some(lot) = chance.pick(&lots) {
            self.places.insert(lot.clone(), chance.count(0, PLACES_MAX));
        }
    }

    /// How many of `asked` a launch gets.
    ///
    /// # Errors
    /// The reservation was cancelled, has no such place, or none is free.
    pub fn admit<'a>(
        &self,
        offering: &Offering,
        asked: u32,
        machines: impl Iterator<Item = &'a Machine>,
        now: Millis,
    ) -> Result<u32, PortError> {
        let full = || Err(refusal(CALL, ErrorClass::NoCapacity, "ReservationCapacityExceeded"));
        let (Some(reservation), Some(instance_type)) = (&offering.reservation, &offering.instance_type) else {
            return full();
        };
        if now < self.gone_until && *reservation != Reservation::Open {
            return Err(refusal(CALL, ErrorClass::Invalid, "InvalidCapacityReservationId.NotFound"));
        }
        let lot = (reservation.clone(), offering.zone.clone(), instance_type.clone());
        let places = self.places.get(&lot).copied().unwrap_or(0);
        let taken = machines
            .filter(|machine| machine.exists(now) && machine.offering() == *offering)
            .count();
        let free = places.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
        // what EC2 does with a launch of more than there is room for is not documented: here it is one or the other
        let is_divided = asked % 2 == 1;
        if free == 0 || (free < asked && !is_divided) {
            return full();
        }
        Ok(free.min(asked))
    }
}

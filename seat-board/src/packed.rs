//! Two bits a seat.

/// What a watcher sees of a seat; the numbers are its two bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SeatState {
    /// On sale.
    Free = 0,
    /// Held by a customer, or being confirmed.
    Held = 1,
    /// Sold.
    Sold = 2,
    /// Taken off sale by the organiser.
    Blocked = 3,
}

impl SeatState {
    /// The state of the lowest two bits.
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0 => Self::Free,
            1 => Self::Held,
            2 => Self::Sold,
            _ => Self::Blocked,
        }
    }
}

/// The status of all seats: four seats a byte, the lowest seat id in the two most significant bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedStates(Vec<u8>);

impl PackedStates {
    /// From the wire.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// For the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many seats fit: up to three more than the event has.
    pub fn capacity(&self) -> u32 {
        self.0.len() as u32 * 4
    }

    /// The state of a seat; free beyond the end.
    pub fn get(&self, seat: u32) -> SeatState {
        let byte = self.0.get(seat as usize / 4).copied().unwrap_or(0);
        SeatState::from_bits(byte >> shift(seat))
    }

    /// Changes the state of a seat; nothing beyond the end.
    pub fn set(&mut self, seat: u32, state: SeatState) {
        if let Some(byte) = self.0.get_mut(seat as usize / 4) {
            *byte = *byte & !(0b11 << shift(seat)) | (state as u8) << shift(seat);
        }
    }

    /// The seats that differ in `other`, ascending, with their states there.
    pub(crate) fn difference<'a>(&'a self, other: &'a [u8]) -> impl Iterator<Item = (u32, SeatState)> + 'a {
        let bytes = self.0.iter().zip(other).enumerate().filter(|(_, (mine, theirs))| mine != theirs);
        bytes.flat_map(|(index, (mine, theirs))| {
            let seats = (0..4).map(move |place| index as u32 * 4 + place);
            seats
                .map(move |seat| (seat, mine >> shift(seat) & 0b11, theirs >> shift(seat) & 0b11))
                .filter(|(_, mine, theirs)| mine != theirs)
                .map(|(seat, _, theirs)| (seat, SeatState::from_bits(theirs)))
        })
    }

    /// CRC-32 (ISO-HDLC).
    pub fn checksum(&self) -> u32 {
        crc32fast::hash(&self.0)
    }
}

const fn shift(seat: u32) -> u32 {
    6 - 2 * (seat % 4)
}

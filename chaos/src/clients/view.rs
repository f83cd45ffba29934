//! Messages and frames as what a watcher writes down.

use testkit::frame::Frame;
use ticketengine::v1::{SeatChanges, SeatStates, WatchSeatsResponse, watch_seats_response::Message};

use crate::history::Sight;

pub(crate) fn of_message(message: WatchSeatsResponse) -> Option<Sight> {
    Some(match message.message? {
        Message::Snapshot(snapshot) => of_snapshot(snapshot),
        Message::Changes(changes) => of_changes(&changes),
        Message::Heartbeat(beat) => Sight::Heartbeat {
            epoch: beat.epoch,
            version: beat.version,
            checksum: beat.checksum,
            stale: beat.stale,
        },
    })
}

pub(crate) fn of_frame(frame: Frame) -> Option<Sight> {
    Some(match frame {
        Frame::Snapshot(snapshot) => of_snapshot(snapshot),
        Frame::Changes(changes) => of_changes(&changes),
        Frame::Heartbeat(beat) => Sight::Heartbeat {
            epoch: beat.epoch,
            version: beat.version,
            checksum: beat.checksum,
            stale: beat.stale,
        },
        Frame::Hello { .. } | Frame::Reply(_) | Frame::Reservation(_) | Frame::Goodbye { .. } => return None,
    })
}

fn of_snapshot(snapshot: SeatStates) -> Sight {
    Sight::Snapshot { epoch: snapshot.epoch, version: snapshot.version, packed: snapshot.packed }
}

fn of_changes(changes: &SeatChanges) -> Sight {
    let lists = [&changes.free, &changes.held, &changes.sold, &changes.blocked];
    let seats = (0..).zip(lists).flat_map(|(state, seats)| seats.iter().map(move |seat| (*seat, state)));
    Sight::Changes {
        epoch: changes.epoch,
        after: changes.after_version,
        version: changes.version,
        seats: seats.collect(),
    }
}

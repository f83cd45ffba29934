//! What a replica tells the gateway: the board and its watchers stay right whatever it says.
//!
//! An input is a list of messages, each with its length before it, and before that a byte that says what to do with it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message as _;
use seat_board::Position;
use ticketengine::v1::{WatchSeatsResponse, watch_seats_response::Message};
use ws_gateway::rooms::fuzzing::Gateway;

/// The replica was set back.
const SET_BACK: u8 = 1;
/// The message continues the board, whatever it says: else few would.
const FITS: u8 = 2;
const TICK: u8 = 4;
const BEAT: u8 = 8;
const READ: u8 = 16;
/// The watcher comes back first.
const ANEW: u8 = 32;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes;
    let mut gateway = Gateway::default();
    let mut turn = 0;
    while let Some((how, rest)) = bytes.split_first() {
        bytes = rest;
        let Ok(mut message) = WatchSeatsResponse::decode_length_delimited(&mut bytes) else { return };
        let is = |flag| how & flag != 0;
        if is(FITS) {
            fit(&mut message, &gateway);
        }
        gateway.hear(message, is(SET_BACK));
        if is(TICK) {
            gateway.tick(is(BEAT));
        }
        if is(READ) {
            gateway.read(turn, is(ANEW));
        }
        turn += 1;
    }
    gateway.tick(true);
    (0..3).for_each(|reader| gateway.read(reader, false));
});

fn fit(message: &mut WatchSeatsResponse, gateway: &Gateway) {
    let Some((Position { epoch, version }, checksum)) = gateway.at() else { return };
    match &mut message.message {
        Some(Message::Changes(changes)) => {
            (changes.epoch, changes.after_version) = (epoch, version);
            changes.version = version.saturating_add(1 + changes.version % 3);
        }
        Some(Message::Heartbeat(heartbeat)) => {
            (heartbeat.epoch, heartbeat.version, heartbeat.checksum) = (epoch, version, checksum);
        }
        Some(Message::Snapshot(snapshot)) => {
            (snapshot.epoch, snapshot.version) = (epoch, version.saturating_add(snapshot.version % 3));
        }
        None => {}
    }
}

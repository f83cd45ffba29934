//! Compiles the schema in `proto/` with a compiler written in Rust: no `protoc` to install.

use std::{env, error::Error, fs, path::PathBuf};

const ROOT: &str = "proto";
const FILES: [&str; 4] = [
    "proto/ticketengine/booking/v1/booking_service.proto",
    "proto/ticketengine/booking/v1/event_service.proto",
    "proto/ticketengine/events/v1/booking_events.proto",
    "proto/ticketengine/events/v1/seat_events.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ROOT}");
    let descriptors = protox::compile(FILES, [ROOT])?;

    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("ticketengine.bin"), prost_bytes(&descriptors))?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}

fn prost_bytes(descriptors: &impl protox::prost::Message) -> Vec<u8> {
    descriptors.encode_to_vec()
}

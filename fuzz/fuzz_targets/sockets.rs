//! The bytes that a browser sends after its upgrade. The first one says how many of the others came together with it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ws_gateway::session::fuzzing::wire;

fuzz_target!(|bytes: &[u8]| wire(bytes));

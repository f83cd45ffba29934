//! Text frames of a browser: each is a command whose parts may go on, or is refused in a few words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ws_gateway::session::fuzzing::command;

fuzz_target!(|text: &str| command(text));

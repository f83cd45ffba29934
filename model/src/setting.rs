//! How large a model is: what may happen in it, and how often.

use crate::guards::Guards;

/// One configuration. Each bound multiplies the states, so there are several small ones.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What it is called in the output.
    pub name: &'static str,
    /// The seats that each customer wants, as bits.
    pub wants: &'static [u8],
    /// How many reservations there may ever be.
    pub reservations: usize,
    /// How far the clock goes.
    pub ticks: u8,
    /// How long a hold lasts.
    pub ttl: u8,
    /// The highest epoch: one more than rebuilds may begin.
    pub epochs: u8,
    /// How many calls and sweeps may be under way at once.
    pub tasks: usize,
    /// How many rebuilds may be under way at once.
    pub rebuilds: usize,
    /// How often Redis may lose everything: by FLUSHALL, or by a restart.
    pub losses: u8,
    /// Whether an old file of Redis may be put back, once.
    pub rewinds: bool,
    /// It begins with a Confirm that nobody finishes and with a file that has it, which may be put back after a rebuild, too.
    /// The product is not safe from that: see `README.md`.
    pub older_file: bool,
    /// Whether customers release.
    pub releases: bool,
    /// Whether customers extend.
    pub extends: bool,
    /// Whether customers cancel.
    pub cancels: bool,
    /// Whether the gate forgets what has ended.
    pub forgets: bool,
    /// What is switched on.
    pub guards: Guards,
}

impl Setting {
    /// Two customers, one seat, two things at once; nothing is lost.
    pub const PLAIN: Self = Self {
        name: "plain",
        wants: &[1, 1],
        reservations: 2,
        ticks: 1,
        ttl: 1,
        epochs: 1,
        tasks: 2,
        rebuilds: 0,
        losses: 0,
        rewinds: false,
        older_file: false,
        releases: true,
        extends: false,
        cancels: false,
        forgets: false,
        guards: Guards::ALL,
    };
}

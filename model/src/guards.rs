//! What keeps the promises: each guard can be taken out.

/// The guards of the funnel. A model without one of them has to fall, or another guard stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// The vault books a seat only where nobody else has it booked.
    pub unique: bool,
    /// The vault decides only for callers of its own epoch.
    pub epoch_check_in_vault: bool,
    /// The scripts ask whether Redis is still the one that the epoch was published on.
    pub incarnation_check: bool,
    /// `settle` touches only seats that the reservation still owns.
    pub owner_check_in_settle: bool,
    /// The sweeper has the vault decide; without it, it reads, and frees the seats where it finds no row.
    pub sweeper_decides_void: bool,
    /// Time frees held seats, and never confirming ones.
    pub confirming_not_freed_by_time: bool,
    /// Release decides void in the vault before it settles.
    pub release_writes_void: bool,
    /// A rebuild stops the old epoch before it reads it; without it, publish is "set if higher".
    pub freeze_before_read: bool,
    /// After a loss newcomers wait until every lost hold is over.
    pub quarantine: bool,
    /// The same request finds its own reservation.
    pub request_index: bool,
    /// A rebuild asks the vault about a hold before it says that its time is over.
    pub vault_before_clock: bool,
    /// What a rebuild remembers of what has seats is written over what it remembers of what ended.
    pub living_over_ended: bool,
}

impl Guards {
    /// As the product is.
    pub const ALL: Self = Self {
        unique: true,
        epoch_check_in_vault: true,
        incarnation_check: true,
        owner_check_in_settle: true,
        sweeper_decides_void: true,
        confirming_not_freed_by_time: true,
        release_writes_void: true,
        freeze_before_read: true,
        quarantine: true,
        request_index: true,
        vault_before_clock: true,
        living_over_ended: true,
    };
}

use crate::domain::{Epoch, EventId};

/// The keys of one epoch of an event. All share the hash tag `{event}`, so that they live in one slot of a cluster.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) epoch: Epoch,
    /// `KEYS` of every script, in its order; the first, `meta`, is of the event and not of the epoch.
    pub(super) all: [String; 8],
}

impl Keys {
    pub(super) fn new(prefix: &str, event: &EventId, epoch: Epoch) -> Self {
        let of_epoch = |name: &str| format!("{prefix}:{{{event}}}:{epoch}:{name}");
        Self {
            epoch,
            all: [
                format!("{prefix}:{{{event}}}:meta"),
                of_epoch("seats"),
                of_epoch("map"),
                of_epoch("reservations"),
                of_epoch("requests"),
                of_epoch("expiry"),
                of_epoch("customers"),
                log(prefix, event, epoch),
            ],
        }
    }

    /// The keys that belong to the epoch.
    pub(super) fn of_epoch(&self) -> &[String] {
        &self.all[1..]
    }

    pub(super) fn meta(&self) -> &str {
        &self.all[0]
    }

    pub(super) fn seats(&self) -> &str {
        &self.all[1]
    }

    pub(super) fn map(&self) -> &str {
        &self.all[2]
    }

    pub(super) fn reservations(&self) -> &str {
        &self.all[3]
    }

    pub(super) fn requests(&self) -> &str {
        &self.all[4]
    }

    pub(super) fn expiry(&self) -> &str {
        &self.all[5]
    }

    pub(super) fn customers(&self) -> &str {
        &self.all[6]
    }
}

/// The log alone, for those who read many.
pub(super) fn log(prefix: &str, event: &EventId, epoch: Epoch) -> String {
    format!("{prefix}:{{{event}}}:{epoch}:log")
}

/// Held by the replica that rebuilds the event, as a courtesy: the others wait instead of racing it.
pub(super) fn rebuild_lease(prefix: &str, event: &EventId) -> String {
    format!("{prefix}:{{{event}}}:rebuild")
}

/// Written before replicas are waited for: see `nodes/replicas.rs`.
pub(super) fn fence(prefix: &str, event: &EventId) -> String {
    format!("{prefix}:{{{event}}}:fence")
}

/// Whom a node of Redlock votes for, and what it has locked: see `lua/votes.lua`.
pub(super) fn votes(prefix: &str, event: &EventId) -> [String; 2] {
    ["vote", "locks"].map(|name| format!("{prefix}:{{{event}}}:{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_share_the_hash_tag_and_all_but_meta_the_epoch() {
        let keys = Keys::new("te", &"rock".parse().unwrap(), Epoch(7));
        assert_eq!(keys.meta(), "te:{rock}:meta");
        assert!(keys.of_epoch().iter().all(|key| key.starts_with("te:{rock}:7:")));
    }
}

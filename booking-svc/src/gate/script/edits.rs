//! The guards in scripts that a [`Mutant`] takes out: what is written there instead. And the log, where it is written late.

use bb8_redis::redis::{FromRedisValue, Value, cmd};

use super::{super::connection::Connection, Error, Reply};
use crate::mutants::{self, Mutant};

/// Replaces what stands once in a file.
struct Edit {
    mutant: Mutant,
    /// The file's text: a script is edited where it holds all of it.
    file: &'static str,
    old: &'static str,
    new: &'static str,
}

macro_rules! edits {
    ($($mutant:ident in $file:literal: $old:literal => $new:literal;)*) => {
        const EDITS: &[Edit] = &[$(Edit {
            mutant: Mutant::$mutant,
            file: include_str!(concat!("../lua/", $file)),
            old: $old,
            new: $new,
        },)*];
    };
}

edits! {
    SettleWithoutOwnerCheck in "reservations.lua":
        "if owner == id and string.find(states, state, 1, true) then" => "if true then";
    SettleWithoutOwnerCheck in "settle.lua":
        "local live = r.state == 'H' or r.state == 'C' or r.state == '-'" => "local live = true";
    SettleWithoutOwnerCheck in "settle.lua": "if r.state ~= 'K' then" => "if true then";
    ConfirmingFreedByTime in "prelude.lua":
        "if state == 'H' and deadline <= now then" => "if (state == 'H' or state == 'C') and deadline <= now then";
    ConfirmingFreedByTime in "reservations.lua":
        "if r.state == 'H' and r.deadline <= now then end_reservation(id, r, 'H', 'X') end"
        => "if (r.state == 'H' or r.state == 'C') and r.deadline <= now then end_reservation(id, r, 'HC', 'X') end";
    ConfirmingFreedByTime in "reservations.lua":
        "elseif r.state == 'H' then" => "elseif r.state == 'H' or r.state == 'C' and r.deadline <= now then";
    ConfirmingFreedByTime in "block.lua":
        "if state == 'H' and deadline <= now then" => "if (state == 'H' or state == 'C') and deadline <= now then";
    ConfirmingFreedByTime in "begin.lua": "digits(now + tonumber(window))" => "digits(r.deadline)";
    LogOutsideScript in "writes.lua":
        "redis.call('XADD', LOG, 'MAXLEN', '~', LOG_LENGTH, place, 's', state, 'n', list, 'd', deadline)"
        => "late[#late + 1] = { LOG, LOG_LENGTH, place, 's', state, 'n', list, 'd', deadline }";
    LogOutsideScript in "writes.lua":
        "redis.call('XADD', LOG, 'MAXLEN', '~', LOG_LENGTH, place, 's', state, 'n', list)"
        => "late[#late + 1] = { LOG, LOG_LENGTH, place, 's', state, 'n', list }";
    ReplayIgnored in "refuse.lua": "call.known = known[2]" => "call.known = nil";
    NoFreeze in "prelude.lua": "if meta[3] then return { 'COLD', 'frozen' } end" => "";
}

/// Stands in place of the end of a script that leaves its log entries to the service: they are the reply's last item.
const WITH_LATE_ENTRIES: [&str; 2] = [
    "local late = {}\nlocal function script()\n",
    "\nend\nlocal reply = script()\nreply[#reply + 1] = late\nreturn reply\n",
];

/// The script without the guard that is out.
pub(super) fn edited(script: &str) -> String {
    mutants::out().map_or_else(|| script.to_owned(), |mutant| without(mutant, script))
}

fn without(mutant: Mutant, script: &str) -> String {
    let mut text = script.to_owned();
    for file in files(mutant).into_iter().filter(|file| script.contains(file)) {
        let mut edited = file.to_owned();
        for Edit { old, new, .. } in EDITS.iter().filter(|edit| edit.mutant == mutant && edit.file == file) {
            assert_eq!(file.matches(old).count(), 1, "{mutant:?}: not exactly once in its file: {old}");
            edited = edited.replace(old, new);
        }
        text = text.replace(file, &edited);
        if mutant == Mutant::LogOutsideScript {
            let flags = text.find('\n').filter(|_| text.starts_with("#!")).map_or(0, |end| end + 1);
            text.insert_str(flags, WITH_LATE_ENTRIES[0]);
            text.push_str(WITH_LATE_ENTRIES[1]);
        }
    }
    text
}

/// The files that the mutant edits.
fn files(mutant: Mutant) -> Vec<&'static str> {
    let mut files: Vec<_> = EDITS.iter().filter(|edit| edit.mutant == mutant).map(|edit| edit.file).collect();
    files.dedup();
    files
}

impl Reply {
    /// Writes the log entries that the script has left to the service. Those that come too late for their place, or find
    /// no Redis, are lost.
    pub(in crate::gate) async fn log_late(mut self, connection: &Connection) -> Result<Self, Error> {
        if !Mutant::LogOutsideScript.is_out() {
            return Ok(self);
        }
        let late = self.rest.next_back().unwrap_or(Value::Nil);
        let late = <Vec<Vec<String>>>::from_redis_value(late)
            .map_err(|error| Error::Corrupt(format!("late log entries: {error}")))?;
        for entry in &late {
            let [log, length, place, fields @ ..] = entry.as_slice() else { continue };
            let mut add = cmd("XADD");
            add.arg(log).arg("MAXLEN").arg("~").arg(length).arg(place).arg(fields);
            if let Err(error) = connection.query::<String>(&add).await {
                tracing::debug!(place, %error, "a log entry is lost");
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_edit_changes_a_script() {
        for Edit { mutant, file, old, new } in EDITS {
            let edited = without(*mutant, file);
            assert!(!edited.contains(old), "{mutant:?}: {old}");
            assert!(edited.contains(new), "{mutant:?}: {new}");
        }
    }

    #[test]
    fn a_script_of_other_files_stays_as_it_is() {
        let freeze = include_str!("../lua/freeze.lua");
        assert!(EDITS.iter().all(|edit| without(edit.mutant, freeze) == freeze));
    }
}

//! Whom servers run as that refuse to be root.

use std::{
    env,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::Command,
};

/// `TE_TEST_PG_USER`, or PostgreSQL's user.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    uid: u32,
    gid: u32,
}

impl User {
    /// None where the tests are not run by root: then it is whoever runs them.
    pub(crate) fn needed() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let name = env::var("TE_TEST_PG_USER").unwrap_or_else(|_| "postgres".to_owned());
        let id = |which| {
            let output = Command::new("id").arg(which).arg(&name).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            text.trim().parse().unwrap_or_else(|_| panic!("no user {name:?}; set TE_TEST_PG_USER"))
        };
        let (uid, gid) = (id("-u"), id("-g"));
        Some(Self { name, uid, gid })
    }

    /// Has a command run as this user.
    pub(crate) fn runs(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives it a file or a folder.
    pub(crate) fn owns(&self, path: &Path) {
        chown(path, Some(self.uid), Some(self.gid)).unwrap();
    }
}

//! A small file system of one's own, which can be full.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// What is written at once while it is filled.
const PIECE_BYTES: usize = 64 * 1024;

/// A folder; a tmpfs of limited size where the machine permits it.
pub(crate) struct Disk {
    folder: PathBuf,
    is_small: bool,
}

impl Disk {
    /// Makes the folder. Mounting needs root.
    pub(crate) fn make(folder: PathBuf, bytes: u64) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let size = std::ffi::CString::new(format!("size={bytes},mode=0755")).unwrap();
        let mounted = mount("none", &folder, "tmpfs", MountFlags::empty(), Some(size.as_c_str()));
        Self { folder, is_small: mounted.is_ok() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it can be filled without harm to the machine.
    pub(crate) fn is_small(&self) -> bool {
        self.is_small
    }

    /// Leaves no byte free.
    pub(crate) fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        let piece = vec![1; PIECE_BYTES];
        while ballast.write_all(&piece).is_ok() {}
        while ballast.write_all(&[1]).is_ok() {}
    }

    /// Gives the room back.
    pub(crate) fn relieve(&self) {
        let _ = fs::remove_file(self.ballast());
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_small {
            let _ = unmount(&self.folder, UnmountFlags::DETACH);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

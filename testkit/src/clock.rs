//! A clock that a test can set: a small library, preloaded into a process, shifts what it takes for the time of day.

use std::{fs, os::unix::fs::FileExt, path::Path, process::Command, sync::Arc};

use tempfile::TempDir;

use crate::place::Place;

/// Who links programs has a C compiler.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../chaos/skew/skew.c");

/// The library, compiled.
pub struct Clocks(TempDir);

/// The clock of one process.
pub struct Clock {
    file: fs::File,
    _folder: TempDir,
}

impl Clocks {
    /// Compiles the library.
    pub fn compile() -> Self {
        let folder = TempDir::new().unwrap();
        let library = folder.path().join("skew.so");
        let compiled =
            Command::new("cc").args(["-O2", "-shared", "-fPIC", SOURCE, "-o"]).arg(library).status();
        assert!(
            compiled.is_ok_and(|status| status.success()),
            "{SOURCE} can not be compiled; is cc installed?"
        );
        Self(folder)
    }

    /// A place whose process has a clock of its own; right, to begin with.
    pub fn place(&self) -> (Arc<Place>, Clock) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("ahead_ms");
        fs::write(&path, 0_i64.to_ne_bytes()).unwrap();
        let place = Place::default();
        let text = |path: &Path| path.display().to_string();
        place.set_environment(vec![
            ("LD_PRELOAD".into(), text(&self.0.path().join("skew.so"))),
            ("TE_SKEW_FILE".into(), text(&path)),
        ]);
        let file = fs::File::options().write(true).open(path).unwrap();
        (Arc::new(place), Clock { file, _folder: folder })
    }
}

impl Clock {
    /// Sets it so far ahead of the right time, while the process runs.
    pub fn set_ahead_ms(&self, ms: i64) {
        self.file.write_all_at(&ms.to_ne_bytes(), 0).unwrap();
    }
}

//! Where a store keeps its data, and what its process finds around it.

use std::{env, path::PathBuf, sync::Mutex};

/// A folder for the data, and environment variables for the process.
pub struct Place {
    folder: PathBuf,
    environment: Mutex<Vec<(String, String)>>,
}

impl Default for Place {
    fn default() -> Self {
        Self::new(env::temp_dir())
    }
}

impl Place {
    /// In this folder, which others can enter.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), environment: Mutex::default() }
    }

    /// What the process finds in its environment, from its next start on.
    pub fn set_environment(&self, environment: Vec<(String, String)>) {
        *self.environment.lock().unwrap() = environment;
    }

    /// Where the folder is.
    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }

    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.environment.lock().unwrap().clone()
    }
}

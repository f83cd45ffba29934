//! The checker: holds a history against the promises.

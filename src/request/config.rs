//! `mdctl config`: mdadm.conf.

use std::path::PathBuf;

/// `mdctl config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigRequest {
    /// What is read, and what of it is understood.
    Show,
    /// What is wrong in it, beside the arrays that there are.
    Check,
    /// Adds the ARRAY lines that are lacking.
    Write {
        /// To this file; else to the one that is read.
        file: Option<PathBuf>,
    },
}

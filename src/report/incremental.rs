//! `--incremental`: what became of the array, for udev's rules and for programs.

use std::fmt::Write as _;

use serde::Serialize;

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct IncrementalReport {
    schema: &'static str,
    /// The device that came.
    pub device: Option<String>,
    /// Each array that something was done about.
    pub arrays: Vec<IncrementalArray>,
}

/// One array.
#[derive(Clone, Debug, Serialize)]
pub struct IncrementalArray {
    /// Its path.
    pub array: String,
    /// The kernel's name of it.
    pub kernel_name: String,
    /// It may be another host's.
    pub foreign: bool,
    /// `no`, `unsafe`, `already`, `yes`; `None` where it did not start although it should have.
    pub started: Option<&'static str>,
    /// The sentence for people.
    pub message: String,
}

impl IncrementalReport {
    /// Of a device and its array.
    #[must_use]
    pub fn new(device: Option<String>, arrays: Vec<IncrementalArray>) -> Self {
        Self { schema: "mdctl.incremental.1", device, arrays }
    }

    /// `KEY=value` lines, as udev imports them. A name in /dev/md stands without its directory.
    #[must_use]
    pub fn export(&self) -> String {
        let mut text = String::new();
        for array in &self.arrays {
            let name = array.array.strip_prefix("/dev/md/").unwrap_or(&array.array);
            let foreign = if array.foreign { "yes" } else { "no" };
            let _ =
                writeln!(text, "MD_DEVICE={}\nMD_DEVNAME={name}\nMD_FOREIGN={foreign}", array.kernel_name);
            if let Some(started) = array.started {
                let _ = writeln!(text, "MD_STARTED={started}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_udev() {
        let array = |path: &str, foreign, started| IncrementalArray {
            array: path.into(),
            kernel_name: "md127".into(),
            foreign,
            started,
            message: String::new(),
        };
        let lines = |array| IncrementalReport::new(None, vec![array]).export();
        assert_eq!(
            lines(array("/dev/md/one", false, Some("unsafe"))),
            "MD_DEVICE=md127\nMD_DEVNAME=one\nMD_FOREIGN=no\nMD_STARTED=unsafe\n"
        );
        assert_eq!(
            lines(array("/dev/md7", true, None)),
            "MD_DEVICE=md127\nMD_DEVNAME=/dev/md7\nMD_FOREIGN=yes\n"
        );
    }
}

//! Of two monitors that move spares, the second one ends.

use crate::plan::Refusal;

/// What a monitor that moves spares says where another process, given by its number, does so already.
///
/// # Errors
/// The new one would watch all arrays, as the other one does.
pub fn beside(other: Option<u32>, scan: bool) -> Result<Option<String>, Refusal> {
    match other {
        None => Ok(None),
        Some(_) if scan => Err(Refusal::new("Only one autorebuild process allowed in scan mode, aborting")),
        Some(pid) => Ok(Some(format!("Warning: One autorebuild process already running (process {pid})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_two_that_scan_ends() {
        assert_eq!(beside(None, true).unwrap(), None);
        assert!(beside(Some(7), false).unwrap().unwrap().contains("process 7"));
        assert!(beside(Some(7), true).unwrap_err().text.contains("Only one"));
    }
}

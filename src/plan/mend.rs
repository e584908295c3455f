//! One stripe of an array while nobody writes to it: compared with what was seen, and put right. One act: what is held back
//! goes on whatever comes of it.

use std::fmt;

use superblock::{Sectors, Write};

use super::ArrayName;
use crate::words::DevId;

/// Hold writes to the stripe back, compare, write, go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mend {
    /// The array.
    pub array: ArrayName,
    /// Which stripe.
    pub stripe: u64,
    /// Its sectors of the array: from, and up to.
    pub sectors: (Sectors, Sectors),
    /// Its members, by slot.
    pub members: Vec<MendMember>,
}

/// What one member has of the stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MendMember {
    /// Its path.
    pub path: String,
    /// Its number.
    pub dev: DevId,
    /// What was seen there.
    pub seen: Write,
    /// What is right.
    pub right: Vec<Write>,
}

impl Mend {
    /// Whether it writes anything: without, what was seen is only confirmed.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.members.iter().any(|member| !member.right.is_empty())
    }
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { array, stripe, .. } = self;
        write!(f, "hold writes to stripe {stripe} of {array} back and compare it")?;
        let mut joint = "; write";
        for member in self.members.iter().filter(|member| !member.right.is_empty()) {
            let bytes: usize = member.right.iter().map(|write| write.data.len()).sum();
            write!(f, "{joint} {bytes} bytes of {}", member.path)?;
            joint = ",";
        }
        Ok(())
    }
}

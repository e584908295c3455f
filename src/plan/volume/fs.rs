//! File systems in volumes: their own tools resize them.

use std::fmt;

use superblock::Bytes;

/// One run of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FsStep {
    /// `e2fsck`: an ext file system that is not mounted is made sure of before it is resized.
    CheckExt {
        /// The volume's device.
        device: String,
    },
    /// `resize2fs`: to this size, or to the size of its device. Mounted, it can only grow.
    ResizeExt {
        /// The volume's device.
        device: String,
        /// The new size; `None` for all of the device.
        size: Option<Bytes>,
    },
    /// `xfs_growfs`: to the size of its device.
    GrowXfs {
        /// Where it is mounted.
        mounted: String,
    },
}

impl FsStep {
    /// What takes it back: a file system that was made smaller fills its device again.
    #[must_use]
    pub fn undo(&self) -> Option<Self> {
        match self {
            Self::ResizeExt { device, size: Some(_) } => {
                Some(Self::ResizeExt { device: device.clone(), size: None })
            }
            Self::CheckExt { .. } | Self::ResizeExt { .. } | Self::GrowXfs { .. } => None,
        }
    }

    /// The program and its words.
    #[must_use]
    pub fn command(&self) -> (&'static str, Vec<String>) {
        match self {
            Self::CheckExt { device } => ("e2fsck", vec!["-f".to_owned(), "-p".to_owned(), device.clone()]),
            Self::ResizeExt { device, size } => {
                let size = size.map(|size| format!("{}K", size.0 / 1024));
                ("resize2fs", std::iter::once(device.clone()).chain(size).collect())
            }
            Self::GrowXfs { mounted } => ("xfs_growfs", vec![mounted.clone()]),
        }
    }

    /// The highest exit status that is a success: `e2fsck` answers 1 where it put something right.
    #[must_use]
    pub fn highest(&self) -> i32 {
        match self {
            Self::CheckExt { .. } => 1,
            Self::ResizeExt { .. } | Self::GrowXfs { .. } => 0,
        }
    }
}

impl fmt::Display for FsStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (program, words) = self.command();
        write!(f, "run {program} {}", words.join(" "))
    }
}

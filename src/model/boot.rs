//! What the next start of the machine rests on: images with their contents, the command line, what is mounted from where.

use superblock::{Level, MdUuid};

/// All that is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootSeen {
    /// The kernel that runs.
    pub release: String,
    /// The words that it was started with. The next start is taken to have the same.
    pub command_line: Vec<String>,
    /// Every kernel that has drivers here, the newest version first.
    pub kernels: Vec<BootKernel>,
    /// What is mounted now or by fstab: the places that a start needs.
    pub mounts: Vec<BootMount>,
    /// What fstab mounts.
    pub table: Vec<BootEntry>,
    /// All arrays.
    pub arrays: Vec<BootArray>,
    /// mdadm.conf of the system: path and text, in the order in which the files count.
    pub config: Vec<(String, String)>,
    /// Names of udev's rules in the system.
    pub rules: Vec<String>,
    /// The unit that starts what lacks members is there.
    pub has_last_resort: bool,
    /// GRUB's own directory, where there is one.
    pub grub: Option<String>,
    /// Devices with metadata of an array that runs without them.
    pub left_over: Vec<LeftOver>,
}

/// A line of fstab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootEntry {
    /// From where.
    pub source: String,
    /// The place.
    pub at: String,
    /// A start stops without it: neither `nofail` nor `noauto`.
    pub needed: bool,
    /// It is mounted, or its device is there, or it is on no device.
    pub there: bool,
}

/// A kernel with its image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootKernel {
    /// `6.12.6-amd64`.
    pub release: String,
    /// Drivers that are a part of the kernel itself: `raid1`.
    pub builtin: Vec<String>,
    /// Its initial RAM disk.
    pub image: Option<BootImage>,
}

/// An initial RAM disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootImage {
    /// Its file.
    pub path: String,
    /// What is in it, or why that cannot be told.
    pub contents: Result<BootContents, String>,
}

/// What is in an initial RAM disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootContents {
    /// Every file, without a slash at the beginning.
    pub names: Vec<String>,
    /// mdadm.conf and the kernel's words of dracut, with their texts.
    pub texts: Vec<(String, String)>,
}

/// Who made an image, by what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootMaker {
    /// Debian's.
    InitramfsTools,
    /// Fedora's, SUSE's and others'.
    Dracut,
    /// Arch's.
    Mkinitcpio,
    /// Another one.
    Unknown,
}

/// Something that is mounted, and what it stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootMount {
    /// Where: `/`, `/boot/efi`.
    pub at: String,
    /// From what: `/dev/md/root`.
    pub source: String,
    /// `ext4`.
    pub kind: String,
    /// The kernel's names of arrays below.
    pub arrays: Vec<String>,
    /// Devices of device-mapper below, with the kinds of their targets.
    pub mapped: Vec<(String, Vec<String>)>,
}

/// One array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootArray {
    /// The kernel's name.
    pub kernel: String,
    /// The path that people use.
    pub path: String,
    /// Its identity.
    pub uuid: Option<MdUuid>,
    /// `alpha:root`.
    pub name: Option<String>,
    /// Its level.
    pub level: Option<Level>,
    /// `1.2`.
    pub metadata: String,
    /// Slots without a working member.
    pub missing: u64,
    /// It changes its shape.
    pub reshapes: bool,
    /// It has a journal.
    pub journal: bool,
}

/// A device with metadata of an array that runs without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOver {
    /// The device.
    pub device: String,
    /// The array.
    pub array: MdUuid,
    /// It has a slot by its own account.
    pub has_slot: bool,
}

impl BootContents {
    /// Whether a file of this name is anywhere in it.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|path| path.rsplit('/').next() == Some(name))
    }

    /// Whether a program is in it.
    #[must_use]
    pub fn has_program(&self, name: &str) -> bool {
        let is_it = |path: &String| {
            path.rsplit_once('/').is_some_and(|(dir, own)| own == name && dir.ends_with("bin"))
        };
        self.names.iter().any(is_it)
    }

    /// Whether a driver is in it, packed or not.
    #[must_use]
    pub fn has_driver(&self, name: &str) -> bool {
        let is_it = |path: &String| {
            let own = path.rsplit('/').next().unwrap_or_default();
            own.split_once(".ko")
                .is_some_and(|(driver, _)| driver.replace('-', "_") == name.replace('-', "_"))
        };
        self.names.iter().any(is_it)
    }

    /// Who made it.
    #[must_use]
    pub fn maker(&self) -> BootMaker {
        let has = |part: &str| self.names.iter().any(|path| path.starts_with(part));
        if has("usr/lib/dracut") || has("lib/dracut") {
            BootMaker::Dracut
        } else if has("scripts/local") || has("conf/initramfs.conf") {
            BootMaker::InitramfsTools
        } else if has("hooks/") && has("init_functions") {
            BootMaker::Mkinitcpio
        } else {
            BootMaker::Unknown
        }
    }
}

impl BootSeen {
    /// An array by the kernel's name.
    #[must_use]
    pub fn array(&self, kernel: &str) -> Option<&BootArray> {
        self.arrays.iter().find(|array| array.kernel == kernel)
    }

    /// What is at a place.
    #[must_use]
    pub fn at(&self, place: &str) -> Option<&BootMount> {
        self.mounts.iter().find(|mount| mount.at == place)
    }

    /// The arrays below some place.
    pub fn below<'a>(&'a self, mount: &'a BootMount) -> impl Iterator<Item = &'a BootArray> {
        mount.arrays.iter().filter_map(|kernel| self.array(kernel))
    }
}

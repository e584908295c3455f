//! One md array and its members in sysfs.

use std::path::PathBuf;

use superblock::{Kib, Sectors};

use super::{
    ArrayAttr, ArrayState, Changing, KernelError, MemberAttr, MemberState, SlotText, SyncAction,
    SyncProgress, Sysfs, values,
};
use crate::kernel::{DevId, error::ErrorCause};

type Answer<T> = Result<Option<T>, KernelError>;

/// An array by its kernel name. Every getter answers `None` where the kernel has no such attribute now.
#[derive(Clone, Copy, Debug)]
pub struct Array<'a> {
    sysfs: &'a Sysfs,
    name: &'a str,
}

/// A member of an array, `dev-NAME`.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    array: Array<'a>,
    name: String,
}

impl Sysfs {
    /// The array with this kernel name (`md127`, `md_home`).
    pub fn array<'a>(&'a self, name: &'a str) -> Array<'a> {
        Array { sysfs: self, name }
    }

    /// The kernel names of all md devices.
    pub fn arrays(&self) -> Result<Vec<String>, KernelError> {
        let mut names = self.names("block")?;
        // All of them are called so; asking each of many disks costs a call.
        names.retain(|name| {
            name.starts_with("md") && self.exists(PathBuf::from("block").join(name).join("md"))
        });
        Ok(names)
    }
}

impl<'a> Array<'a> {
    /// The kernel's name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    fn below(&self, rest: &str) -> PathBuf {
        PathBuf::from("block").join(self.name).join(rest)
    }

    fn attr(&self, attr: ArrayAttr) -> PathBuf {
        self.below("md").join(attr.path())
    }

    /// Whether the kernel has this device and it is an array.
    pub fn exists(&self) -> bool {
        self.sysfs.exists(self.below("md"))
    }

    /// The device number.
    pub fn dev(&self) -> Answer<DevId> {
        self.sysfs.value(self.below("dev"), |text| text.parse().ok())
    }

    /// The size of the block device; 0 while it does not run.
    pub fn size(&self) -> Answer<Sectors> {
        self.sysfs.value(self.below("size"), |text| text.parse().ok().map(Sectors))
    }

    /// One attribute as text.
    pub fn read(&self, attr: ArrayAttr) -> Answer<String> {
        self.sysfs.read(self.attr(attr)).map_err(|error| KernelError {
            device: self.name.to_owned(),
            operation: format!("read {}", attr.path()).into(),
            cause: error.cause,
        })
    }

    /// Writes one attribute.
    pub fn write(&self, attr: ArrayAttr, value: &str) -> Result<(), KernelError> {
        self.sysfs.write(self.attr(attr), value).map_err(|error| KernelError {
            device: self.name.to_owned(),
            operation: format!("{}={value}", attr.path()).into(),
            cause: error.cause,
        })
    }

    /// One attribute that is a number.
    pub fn number(&self, attr: ArrayAttr) -> Answer<u64> {
        self.value(attr, |text| text.parse().ok())
    }

    fn value<T>(&self, attr: ArrayAttr, parse: impl FnOnce(&str) -> Option<T>) -> Answer<T> {
        let Some(text) = self.read(attr)? else { return Ok(None) };
        match parse(text.trim()) {
            Some(value) => Ok(Some(value)),
            None => Err(KernelError::other(self.name, attr.path(), ErrorCause::Unexpected(text))),
        }
    }

    /// `array_state`.
    pub fn state(&self) -> Answer<ArrayState> {
        self.value(ArrayAttr::ArrayState, |text| Some(ArrayState::parse(text)))
    }

    /// `level`, the kernel's word; empty text (no level yet) is `None`.
    pub fn level(&self) -> Answer<String> {
        Ok(self.read(ArrayAttr::Level)?.filter(|text| !text.is_empty()))
    }

    /// `metadata_version`: `1.2`, `0.90`, `none`, `external:…`.
    pub fn metadata_version(&self) -> Answer<String> {
        self.read(ArrayAttr::MetadataVersion)
    }

    /// `raid_disks`; empty before the configuration began.
    pub fn raid_disks(&self) -> Answer<Changing> {
        self.changing(ArrayAttr::RaidDisks)
    }

    /// `layout`.
    pub fn layout(&self) -> Answer<Changing> {
        self.changing(ArrayAttr::Layout)
    }

    /// `chunk_size`, bytes.
    pub fn chunk_size(&self) -> Answer<Changing> {
        self.changing(ArrayAttr::ChunkSize)
    }

    fn changing(&self, attr: ArrayAttr) -> Answer<Changing> {
        // Empty text: not configured, or the level has none.
        let value = |text: &str| if text.is_empty() { Some(None) } else { Changing::parse(text).map(Some) };
        Ok(self.value(attr, value)?.flatten())
    }

    /// `component_size`.
    pub fn component_size(&self) -> Answer<Kib> {
        Ok(self.number(ArrayAttr::ComponentSize)?.map(Kib))
    }

    /// `array_size`; `Some(None)` is `default`.
    pub fn array_size(&self) -> Answer<Option<Kib>> {
        let parse = |text: &str| {
            if text == "default" { Some(None) } else { text.parse().ok().map(|n| Some(Kib(n))) }
        };
        self.value(ArrayAttr::ArraySize, parse)
    }

    /// `resync_start`; `Some(None)` is `none`: in sync.
    pub fn resync_start(&self) -> Answer<Option<Sectors>> {
        self.value(ArrayAttr::ResyncStart, values::sectors_or_none)
    }

    /// `reshape_position`; `Some(None)` is `none`: no reshape.
    pub fn reshape_position(&self) -> Answer<Option<Sectors>> {
        self.value(ArrayAttr::ReshapePosition, values::sectors_or_none)
    }

    /// `sync_action`; levels without redundancy have none.
    pub fn sync_action(&self) -> Answer<SyncAction> {
        self.value(ArrayAttr::SyncAction, |text| Some(SyncAction::parse(text)))
    }

    /// `last_sync_action`.
    pub fn last_sync_action(&self) -> Answer<SyncAction> {
        self.value(ArrayAttr::LastSyncAction, |text| Some(SyncAction::parse(text)))
    }

    /// `sync_completed`.
    pub fn sync_completed(&self) -> Answer<SyncProgress> {
        self.value(ArrayAttr::SyncCompleted, SyncProgress::parse)
    }

    /// `sync_speed`, KiB a second; `Some(None)` while nothing runs.
    pub fn sync_speed(&self) -> Answer<Option<u64>> {
        let parse = |text: &str| if text == "none" { Some(None) } else { text.parse().ok().map(Some) };
        self.value(ArrayAttr::SyncSpeed, parse)
    }

    /// `degraded`: how many slots have no working member.
    pub fn degraded(&self) -> Answer<u64> {
        self.number(ArrayAttr::Degraded)
    }

    /// `mismatch_cnt`.
    pub fn mismatch_count(&self) -> Answer<Sectors> {
        Ok(self.number(ArrayAttr::MismatchCount)?.map(Sectors))
    }

    /// The words of a choice such as `[bitmap] llbitmap`, and the one that is chosen.
    pub fn choice(&self, attr: ArrayAttr) -> Answer<(Vec<String>, Option<String>)> {
        let Some(text) = self.read(attr)? else { return Ok(None) };
        let chosen = |word: &str| Some(word.strip_prefix('[')?.strip_suffix(']')?.to_owned());
        let words: Vec<&str> = text.split_whitespace().collect();
        let active = words.iter().find_map(|word| chosen(word));
        Ok(Some((words.iter().map(|w| w.trim_matches(['[', ']']).to_owned()).collect(), active)))
    }

    /// The members, by kernel name.
    pub fn members(&self) -> Result<Vec<Member<'a>>, KernelError> {
        let names = self.sysfs.names(self.below("md"))?;
        let members = names.iter().filter_map(|name| name.strip_prefix("dev-"));
        Ok(members.map(|name| Member { array: *self, name: name.to_owned() }).collect())
    }

    /// One member, whether it is there or not.
    pub fn member(&self, name: &str) -> Member<'a> {
        Member { array: *self, name: name.to_owned() }
    }

    /// The member that is this device.
    pub fn member_of(&self, dev: DevId) -> Answer<Member<'a>> {
        for member in self.members()? {
            if member.dev()? == Some(dev) {
                return Ok(Some(member));
            }
        }
        Ok(None)
    }

    /// Sends a uevent (`change`, `add`).
    pub fn uevent(&self, action: &str) -> Result<(), KernelError> {
        self.sysfs.write(self.below("uevent"), action).map_err(|error| KernelError {
            device: self.name.to_owned(),
            operation: format!("uevent={action}").into(),
            cause: error.cause,
        })
    }
}

impl Member<'_> {
    /// The kernel's name of the member device, with `!` for `/` as sysfs has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn below(&self, rest: &str) -> PathBuf {
        self.array.below("md").join(format!("dev-{}", self.name)).join(rest)
    }

    /// The device number; `None` once the device itself is gone.
    pub fn dev(&self) -> Answer<DevId> {
        self.array.sysfs.value(self.below("block/dev"), |text| text.parse().ok())
    }

    /// One attribute as text.
    pub fn read(&self, attr: MemberAttr) -> Answer<String> {
        self.array.sysfs.read(self.below(attr.path())).map_err(|error| KernelError {
            device: self.array.name.to_owned(),
            operation: format!("read dev-{}/{}", self.name, attr.path()).into(),
            cause: error.cause,
        })
    }

    /// Writes one attribute.
    pub fn write(&self, attr: MemberAttr, value: &str) -> Result<(), KernelError> {
        self.array.sysfs.write(self.below(attr.path()), value).map_err(|error| KernelError {
            device: self.array.name.to_owned(),
            operation: format!("dev-{}/{}={value}", self.name, attr.path()).into(),
            cause: error.cause,
        })
    }

    fn value<T>(&self, attr: MemberAttr, parse: impl FnOnce(&str) -> Option<T>) -> Answer<T> {
        let Some(text) = self.read(attr)? else { return Ok(None) };
        match parse(text.trim()) {
            Some(value) => Ok(Some(value)),
            None => {
                let operation = format!("dev-{}/{}", self.name, attr.path());
                Err(KernelError::other(self.array.name, operation, ErrorCause::Unexpected(text)))
            }
        }
    }

    /// `state`, its words.
    pub fn state(&self) -> Answer<Vec<MemberState>> {
        let words = |text: &str| {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            Some(words.map(MemberState::parse).collect())
        };
        self.value(MemberAttr::State, words)
    }

    /// `slot`.
    pub fn slot(&self) -> Answer<SlotText> {
        self.value(MemberAttr::Slot, SlotText::parse)
    }

    /// `offset`: where its data begins.
    pub fn offset(&self) -> Answer<Sectors> {
        self.value(MemberAttr::Offset, |text| text.parse().ok().map(Sectors))
    }

    /// `size`: how much of it is used.
    pub fn size(&self) -> Answer<Kib> {
        self.value(MemberAttr::Size, |text| text.parse().ok().map(Kib))
    }

    /// `errors`: read errors that were corrected.
    pub fn errors(&self) -> Answer<u64> {
        self.value(MemberAttr::Errors, |text| text.parse().ok())
    }

    /// `recovery_start`; `Some(None)` is `none`: complete.
    pub fn recovery_start(&self) -> Answer<Option<Sectors>> {
        self.value(MemberAttr::RecoveryStart, values::sectors_or_none)
    }

    /// `offset`: where the data begins.
    pub fn data_offset(&self) -> Answer<Sectors> {
        self.value(MemberAttr::Offset, |text| text.parse().ok().map(Sectors))
    }

    /// `unacknowledged_bad_blocks`: those that are in no superblock yet.
    pub fn unacknowledged_bad_blocks(&self) -> Answer<Vec<(Sectors, Sectors)>> {
        self.value(MemberAttr::UnacknowledgedBadBlocks, values::ranges)
    }

    /// `bad_blocks`: first sector and length of each.
    pub fn bad_blocks(&self) -> Answer<Vec<(Sectors, Sectors)>> {
        self.value(MemberAttr::BadBlocks, values::ranges)
    }
}

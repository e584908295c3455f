//! The md driver's requests, one method each, and their arguments as `md_u.h` declares them.

use std::{
    ffi::{OsString, c_int},
    fs::File,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::ffi::OsStringExt,
    },
    path::PathBuf,
};

use nix::errno::Errno;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::{
    DevId, KernelError,
    ioctl::{self, Request, Word},
    recorded::RecordedArray,
};

/// The driver's version triple (`mdu_version_t`); 0.90.3 for many years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct MduVersion {
    pub major: i32,
    pub minor: i32,
    pub patchlevel: i32,
}

/// `mdu_array_info_t`. `size` is in KiB and wraps above 2 TiB: sysfs has the true one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct ArrayInfo {
    pub major_version: i32,
    pub minor_version: i32,
    pub patch_version: i32,
    pub ctime: u32,

    pub level: i32,
    pub size: i32,
    pub nr_disks: i32,
    pub raid_disks: i32,

    pub md_minor: i32,
    pub not_persistent: i32,
    pub utime: u32,
    /// [`ArrayFlags`].
    pub state: i32,

    pub active_disks: i32,
    pub working_disks: i32,
    pub failed_disks: i32,
    pub spare_disks: i32,

    pub layout: i32,
    pub chunk_size: i32,
}

/// `mdu_disk_info_t`: one member. `major` and `minor` are 0 where a number has no device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct MduDiskInfo {
    /// `dev_number`: the index in the metadata.
    pub number: i32,
    pub major: i32,
    pub minor: i32,
    /// The slot, −1 for none; with [`DiskFlags::JOURNAL`] 0.
    pub raid_disk: i32,
    /// [`DiskFlags`].
    pub state: i32,
}

/// `mdu_param_t`, the argument of `RUN_ARRAY`; the driver does not look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Param {
    pub personality: i32,
    pub chunk_size: i32,
    pub max_fault: i32,
}

/// `mdu_bitmap_file_t`: a path, ended by a zero byte.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct BitmapFile {
    pub pathname: [u8; 4096],
}

const _: () = assert!(size_of::<MduVersion>() == 12 && size_of::<ArrayInfo>() == 72);
const _: () = assert!(size_of::<MduDiskInfo>() == 20 && size_of::<Param>() == 12);
const _: () = assert!(size_of::<BitmapFile>() == 4096);

bitflags::bitflags! {
    /// `ArrayInfo::state`, bits of `md_p.h` (`MD_SB_*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ArrayFlags: i32 {
        const CLEAN = 1 << 0;
        const ERRORS = 1 << 1;
        const CLUSTERED = 1 << 5;
        const BITMAP_PRESENT = 1 << 8;
        const _ = !0;
    }

    /// `DiskInfo::state`, bits of `md_p.h` (`MD_DISK_*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct DiskFlags: i32 {
        const FAULTY = 1 << 0;
        const ACTIVE = 1 << 1;
        const SYNC = 1 << 2;
        const REMOVED = 1 << 3;
        const CLUSTER_ADD = 1 << 4;
        const CANDIDATE = 1 << 5;
        const WRITE_MOSTLY = 1 << 9;
        const FAILFAST = 1 << 10;
        const REPLACEMENT = 1 << 17;
        const JOURNAL = 1 << 18;
        const _ = !0;
    }
}

impl ArrayInfo {
    pub fn flags(&self) -> ArrayFlags {
        ArrayFlags::from_bits_retain(self.state)
    }
}

impl MduDiskInfo {
    pub fn flags(&self) -> DiskFlags {
        DiskFlags::from_bits_retain(self.state)
    }

    /// The device; `None` where there is none.
    pub fn dev(&self) -> Option<DevId> {
        let part = |number| u32::try_from(number).ok();
        let dev = DevId { major: part(self.major)?, minor: part(self.minor)? };
        (dev != DevId { major: 0, minor: 0 }).then_some(dev)
    }

    /// The record that describes `dev`; the other fields as given.
    pub fn of(dev: DevId, number: i32, raid_disk: i32, flags: DiskFlags) -> Self {
        let part = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        Self { number, major: part(dev.major), minor: part(dev.minor), raid_disk, state: flags.bits() }
    }
}

/// An opened md device.
#[derive(Debug)]
pub struct MdDevice {
    file: Opened,
    name: String,
}

#[derive(Debug)]
enum Opened {
    File(File),
    Recorded(DevId, Box<RecordedArray>),
}

/// Requests that the header declares, or once did, and that no kernel of this century carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obsolete {
    PrintRaidDebug,
    ClearArray,
    SetDiskInfo,
    WriteRaidInfo,
    UnprotectArray,
    ProtectArray,
    HotGenerateError,
    StartArray,
}

impl Obsolete {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::PrintRaidDebug,
        Self::ClearArray,
        Self::SetDiskInfo,
        Self::WriteRaidInfo,
        Self::UnprotectArray,
        Self::ProtectArray,
        Self::HotGenerateError,
        Self::StartArray,
    ];
}

impl MdDevice {
    /// `name` is how errors call it.
    pub fn new(file: File, name: impl Into<String>) -> Self {
        Self { file: Opened::File(file), name: name.into() }
    }

    pub(super) fn recorded(dev: DevId, array: RecordedArray, name: String) -> Self {
        Self { file: Opened::Recorded(dev, Box::new(array)), name }
    }

    /// The descriptor; a recorded array has none, and knows the answers.
    fn file(&self, operation: &'static str) -> Result<&File, KernelError> {
        match &self.file {
            Opened::File(file) => Ok(file),
            Opened::Recorded(..) => Err(KernelError::new(&self.name, operation, Errno::ENOTTY)),
        }
    }

    /// How errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The device number behind the descriptor.
    pub fn dev(&self) -> Result<DevId, KernelError> {
        let file = match &self.file {
            Opened::File(file) => file,
            Opened::Recorded(dev, _) => return Ok(*dev),
        };
        let stat = nix::sys::stat::fstat(file);
        stat.map(|s| DevId::from_raw(s.st_rdev)).map_err(|errno| KernelError::new(&self.name, "fstat", errno))
    }

    fn ask<R: Request>(&self, arg: &mut R::Arg) -> Result<c_int, KernelError> {
        ioctl::call::<R>(self.file(R::NAME)?.as_fd(), arg)
            .map_err(|errno| KernelError::new(&self.name, R::NAME, errno))
    }

    fn filled<R: Request<Arg: FromZeros>>(&self, mut arg: R::Arg) -> Result<R::Arg, KernelError> {
        self.ask::<R>(&mut arg).map(|_| arg)
    }

    fn member<R: Request<Arg = Word>>(&self, dev: DevId) -> Result<(), KernelError> {
        let number = dev.encoded().and_then(|number| usize::try_from(number).ok());
        let number = number.ok_or_else(|| KernelError::new(&self.name, R::NAME, Errno::EOVERFLOW))?;
        self.ask::<R>(&mut Word(number)).map(drop)
    }

    /// `RAID_VERSION`.
    pub fn version(&self) -> Result<MduVersion, KernelError> {
        self.filled::<ioctl::RaidVersion>(MduVersion::new_zeroed())
    }

    /// `GET_ARRAY_INFO`; `ENODEV` is "nothing is running here".
    pub fn array_info(&self) -> Result<ArrayInfo, KernelError> {
        if let Opened::Recorded(_, array) = &self.file {
            let refused = |errno| KernelError::new(&self.name, ioctl::GetArrayInfo::NAME, errno);
            return array.info.ok_or_else(|| refused(array.refusal().unwrap_or(Errno::ENODEV)));
        }
        self.filled::<ioctl::GetArrayInfo>(ArrayInfo::new_zeroed())
    }

    /// `GET_DISK_INFO` of one `dev_number`.
    pub fn disk_info(&self, number: i32) -> Result<MduDiskInfo, KernelError> {
        if let Opened::Recorded(_, array) = &self.file {
            if let Some(errno) = array.refusal() {
                return Err(KernelError::new(&self.name, ioctl::GetDiskInfo::NAME, errno));
            }
            let none = MduDiskInfo {
                number,
                state: DiskFlags::REMOVED.bits(),
                raid_disk: -1,
                ..MduDiskInfo::default()
            };
            return Ok(array.disks.get(&number).copied().unwrap_or(none));
        }
        self.filled::<ioctl::GetDiskInfo>(MduDiskInfo { number, ..MduDiskInfo::default() })
    }

    /// `GET_BITMAP_FILE`: the path of an external bitmap; empty where there is none.
    pub fn bitmap_file(&self) -> Result<PathBuf, KernelError> {
        if let Opened::Recorded(_, array) = &self.file {
            return Ok(array.bitmap_file.clone());
        }
        let file = self.filled::<ioctl::GetBitmapFile>(BitmapFile::new_zeroed())?;
        let path = file.pathname.split(|&b| b == 0).next().unwrap_or_default();
        Ok(OsString::from_vec(path.to_vec()).into())
    }

    /// `SET_BITMAP_FILE`; `None` removes it.
    pub fn set_bitmap_file(&self, file: Option<BorrowedFd<'_>>) -> Result<(), KernelError> {
        let fd = file.and_then(|fd| usize::try_from(fd.as_raw_fd()).ok());
        self.ask::<ioctl::SetBitmapFile>(&mut Word(fd.unwrap_or(usize::MAX))).map(drop)
    }

    /// `SET_ARRAY_INFO`: on an empty array it starts the configuration, on a running one it changes it.
    pub fn set_array_info(&self, info: &ArrayInfo) -> Result<(), KernelError> {
        self.ask::<ioctl::SetArrayInfo>(&mut info.clone()).map(drop)
    }

    /// `ADD_NEW_DISK`: a member before the start, a hot add after it.
    pub fn add_new_disk(&self, disk: &MduDiskInfo) -> Result<(), KernelError> {
        self.ask::<ioctl::AddNewDisk>(&mut disk.clone()).map(drop)
    }

    /// `HOT_ADD_DISK`; 0.90 only.
    pub fn hot_add_disk(&self, dev: DevId) -> Result<(), KernelError> {
        self.member::<ioctl::HotAddDisk>(dev)
    }

    /// `HOT_REMOVE_DISK`.
    pub fn hot_remove_disk(&self, dev: DevId) -> Result<(), KernelError> {
        self.member::<ioctl::HotRemoveDisk>(dev)
    }

    /// `SET_DISK_FAULTY`.
    pub fn set_disk_faulty(&self, dev: DevId) -> Result<(), KernelError> {
        self.member::<ioctl::SetDiskFaulty>(dev)
    }

    /// `RUN_ARRAY`.
    pub fn run_array(&self) -> Result<(), KernelError> {
        self.ask::<ioctl::RunArray>(&mut Param::default()).map(drop)
    }

    /// `STOP_ARRAY`.
    pub fn stop_array(&self) -> Result<(), KernelError> {
        self.ask::<ioctl::StopArray>(&mut ()).map(drop)
    }

    /// `STOP_ARRAY_RO`: to read-only.
    pub fn stop_array_ro(&self) -> Result<(), KernelError> {
        self.ask::<ioctl::StopArrayRo>(&mut ()).map(drop)
    }

    /// `RESTART_ARRAY_RW`: back to read-write.
    pub fn restart_array_rw(&self) -> Result<(), KernelError> {
        self.ask::<ioctl::RestartArrayRw>(&mut ()).map(drop)
    }

    /// `RAID_AUTORUN`.
    pub fn raid_autorun(&self) -> Result<(), KernelError> {
        self.ask::<ioctl::RaidAutorun>(&mut ()).map(drop)
    }

    /// `CLUSTERED_DISK_NACK`.
    pub fn clustered_disk_nack(&self) -> Result<(), KernelError> {
        self.ask::<ioctl::ClusteredDiskNack>(&mut ()).map(drop)
    }

    /// A request that is expected to be `ENOTTY`.
    pub fn obsolete(&self, request: Obsolete) -> Result<(), KernelError> {
        match request {
            Obsolete::PrintRaidDebug => self.ask::<ioctl::PrintRaidDebug>(&mut ()),
            Obsolete::ClearArray => self.ask::<ioctl::ClearArray>(&mut ()),
            Obsolete::SetDiskInfo => self.ask::<ioctl::SetDiskInfo>(&mut ()),
            Obsolete::WriteRaidInfo => self.ask::<ioctl::WriteRaidInfo>(&mut ()),
            Obsolete::UnprotectArray => self.ask::<ioctl::UnprotectArray>(&mut ()),
            Obsolete::ProtectArray => self.ask::<ioctl::ProtectArray>(&mut ()),
            Obsolete::HotGenerateError => self.ask::<ioctl::HotGenerateError>(&mut Word(0)),
            Obsolete::StartArray => self.ask::<ioctl::StartArray>(&mut Word(0)),
        }
        .map(drop)
    }
}

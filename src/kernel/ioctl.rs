//! Every ioctl of this program as a type: its name, its number, its argument. Wrong pairings do not compile.

use std::{
    ffi::c_int,
    mem,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

use nix::{errno::Errno, libc, libc::c_void, sys::ioctl::ioctl_num_type};
use zerocopy::{FromBytes, IntoBytes};

use super::{
    dm::{Command, DmBuffer},
    loopback::LoopConfig,
    md::{ArrayInfo, BitmapFile, MduDiskInfo, MduVersion, Param},
};

/// One ioctl.
///
/// # Safety
/// `CODE` must be a request for which the kernel reads and writes at most `size_of::<Arg>()` bytes where `Arg`
/// is passed by pointer, and dereferences nothing where it is passed by value.
pub(super) unsafe trait Request {
    /// As the kernel header names it.
    const NAME: &'static str;
    /// The number.
    const CODE: ioctl_num_type;
    /// What the third argument is.
    type Arg: Argument;
}

/// How an argument is passed.
///
/// # Safety
/// `word` returns a pointer to all of `self`, or a value that is not a pointer.
pub(super) unsafe trait Argument {
    /// The third argument of ioctl(2).
    fn word(&mut self) -> *mut c_void;
}

/// Calls it; the answer is the ioctl's own non-negative result.
pub(super) fn call<R: Request>(fd: BorrowedFd<'_>, arg: &mut R::Arg) -> Result<c_int, Errno> {
    // SAFETY: by the contract of `Request`, the kernel touches no more than `arg`, which is borrowed for the call.
    Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), R::CODE, arg.word()) })
}

/// An argument that is a number in the word itself: a device number or a file descriptor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word(pub(super) usize);

// SAFETY: not a pointer.
unsafe impl Argument for Word {
    fn word(&mut self) -> *mut c_void {
        ptr::without_provenance_mut(self.0)
    }
}

// SAFETY: not a pointer.
unsafe impl Argument for () {
    fn word(&mut self) -> *mut c_void {
        ptr::null_mut()
    }
}

macro_rules! by_pointer {
    ($($type:ty),*) => {$(
        // SAFETY: a pointer to all of it; the bounds below say that any bytes are a value.
        unsafe impl Argument for $type {
            fn word(&mut self) -> *mut c_void {
                const fn plain<T: FromBytes + IntoBytes>() {}
                const { plain::<$type>() }
                ptr::from_mut(self).cast()
            }
        }
    )*};
}

/// `struct blkpg_ioctl_arg` with its `struct blkpg_partition` behind it, to which its pointer leads.
#[repr(C)]
pub(super) struct PartitionChange {
    op: c_int,
    flags: c_int,
    datalen: c_int,
    data: *mut c_void,

    start: i64,
    length: i64,
    pno: c_int,
    devname: [u8; 64],
    volname: [u8; 64],
}
const PARTITION_RECORD: c_int = 152;
const _: () = assert!(size_of::<PartitionChange>() - mem::offset_of!(PartitionChange, start) == 152);

impl PartitionChange {
    /// `BLKPG_DEL_PARTITION`.
    pub(super) fn delete(number: c_int) -> Self {
        let (data, op, flags) = (ptr::null_mut(), 2, 0);
        let (devname, volname) = ([0; 64], [0; 64]);
        Self {
            op,
            flags,
            datalen: PARTITION_RECORD,
            data,
            start: 0,
            length: 0,
            pno: number,
            devname,
            volname,
        }
    }
}

// SAFETY: a pointer to all of it, and the pointer inside leads to its own second half.
unsafe impl Argument for PartitionChange {
    fn word(&mut self) -> *mut c_void {
        let base: *mut u8 = ptr::from_mut(self).cast();
        self.data = base.wrapping_add(mem::offset_of!(Self, start)).cast();
        ptr::from_mut(self).cast()
    }
}

// SAFETY: a pointer to all of it; the kernel reads and writes as many bytes as the header's own size field says, which
// is set to the buffer's size here.
unsafe impl Argument for DmBuffer {
    fn word(&mut self) -> *mut c_void {
        self.seal();
        self.words().as_mut_ptr().cast()
    }
}

macro_rules! requests {
    ($($(#[$doc:meta])* $type:ident = $name:ident: $code:expr, $arg:ty;)*) => {$(
        $(#[$doc])*
        pub(super) enum $type {}
        // SAFETY: the number is computed from the argument's size, or listed below with its kernel header.
        unsafe impl Request for $type {
            const NAME: &'static str = stringify!($name);
            const CODE: ioctl_num_type = $code;
            type Arg = $arg;
        }
    )*};
}

by_pointer!(ArrayInfo, BitmapFile, MduDiskInfo, LoopConfig, Param, MduVersion, u64, c_int, [u64; 2]);

/// The type byte of md's requests (`MD_MAJOR`).
const MD: u8 = 9;
/// The type byte of the block layer's requests.
const BLK: u8 = 0x12;

/// `_IO`.
const fn plain(kind: u8, number: u8) -> ioctl_num_type {
    nix::request_code_none!(kind, number)
}
/// `_IOR`: the kernel fills `T`.
const fn read<T>(kind: u8, number: u8) -> ioctl_num_type {
    nix::request_code_read!(kind, number, size_of::<T>())
}
/// `_IOW`: the kernel takes `T`.
const fn write<T>(kind: u8, number: u8) -> ioctl_num_type {
    nix::request_code_write!(kind, number, size_of::<T>())
}

// include/uapi/linux/raid/md_u.h, this and older kernels: every request that was ever declared there.
requests! {
    RaidVersion = RAID_VERSION: read::<MduVersion>(MD, 0x10), MduVersion;
    GetArrayInfo = GET_ARRAY_INFO: read::<ArrayInfo>(MD, 0x11), ArrayInfo;
    /// `number` goes in, the rest comes out, whatever the direction bits say.
    GetDiskInfo = GET_DISK_INFO: read::<MduDiskInfo>(MD, 0x12), MduDiskInfo;
    PrintRaidDebug = PRINT_RAID_DEBUG: plain(MD, 0x13), ();
    RaidAutorun = RAID_AUTORUN: plain(MD, 0x14), ();
    GetBitmapFile = GET_BITMAP_FILE: read::<BitmapFile>(MD, 0x15), BitmapFile;
    ClearArray = CLEAR_ARRAY: plain(MD, 0x20), ();
    AddNewDisk = ADD_NEW_DISK: write::<MduDiskInfo>(MD, 0x21), MduDiskInfo;
    HotRemoveDisk = HOT_REMOVE_DISK: plain(MD, 0x22), Word;
    SetArrayInfo = SET_ARRAY_INFO: write::<ArrayInfo>(MD, 0x23), ArrayInfo;
    SetDiskInfo = SET_DISK_INFO: plain(MD, 0x24), ();
    WriteRaidInfo = WRITE_RAID_INFO: plain(MD, 0x25), ();
    UnprotectArray = UNPROTECT_ARRAY: plain(MD, 0x26), ();
    ProtectArray = PROTECT_ARRAY: plain(MD, 0x27), ();
    HotAddDisk = HOT_ADD_DISK: plain(MD, 0x28), Word;
    SetDiskFaulty = SET_DISK_FAULTY: plain(MD, 0x29), Word;
    HotGenerateError = HOT_GENERATE_ERROR: plain(MD, 0x2a), Word;
    /// The argument is the descriptor itself, not a pointer to it.
    SetBitmapFile = SET_BITMAP_FILE: write::<c_int>(MD, 0x2b), Word;
    RunArray = RUN_ARRAY: write::<Param>(MD, 0x30), Param;
    StartArray = START_ARRAY: plain(MD, 0x31), Word;
    StopArray = STOP_ARRAY: plain(MD, 0x32), ();
    StopArrayRo = STOP_ARRAY_RO: plain(MD, 0x33), ();
    RestartArrayRw = RESTART_ARRAY_RW: plain(MD, 0x34), ();
    ClusteredDiskNack = CLUSTERED_DISK_NACK: plain(MD, 0x35), ();
}

// include/uapi/linux/fs.h.
requests! {
    /// An `int`.
    BlkRoGet = BLKROGET: plain(BLK, 94), c_int;
    /// The logical block size: an `int`.
    BlkSszGet = BLKSSZGET: plain(BLK, 104), c_int;
    /// Declared with `size_t` as its argument, fills a `u64`.
    BlkGetSize64 = BLKGETSIZE64: read::<usize>(BLK, 114), u64;
    /// The physical block size: an unsigned `int`.
    BlkPbszGet = BLKPBSZGET: plain(BLK, 123), c_int;
    /// One partition of the device, by number.
    BlkPg = BLKPG: plain(BLK, 105), PartitionChange;
    /// Offset and length in bytes.
    BlkZeroOut = BLKZEROOUT: plain(BLK, 127), [u64; 2];
}

/// The type byte of loop devices' requests.
const LOOP: u8 = 0x4c;

// include/uapi/linux/loop.h. They are numbers without direction and size.
requests! {
    /// The argument is the number.
    LoopCtlAdd = LOOP_CTL_ADD: plain(LOOP, 0x80), Word;
    LoopConfigure = LOOP_CONFIGURE: plain(LOOP, 0x0a), LoopConfig;
}

/// `sizeof(struct dm_ioctl)`, which is what the number says; the buffer may be larger.
const DM_HEADER: usize = 312;
/// device-mapper: in and out, always the same structure.
const fn dm_number(number: u8) -> ioctl_num_type {
    nix::request_code_readwrite!(0xfd, number, DM_HEADER)
}

macro_rules! dm_requests {
    ($($type:ident = $command:ident, $name:ident: $number:expr;)*) => {
        requests! {$($type = $name: dm_number($number), DmBuffer;)*}

        /// Calls a request of device-mapper.
        pub(super) fn dm(fd: BorrowedFd<'_>, command: Command, buffer: &mut DmBuffer) -> Result<(), Errno> {
            match command {
                $(Command::$command => call::<$type>(fd, buffer).map(drop),)*
            }
        }

        impl Command {
            /// As the kernel header names it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$command => <$type as Request>::NAME,)*
                }
            }
        }
    };
}

// include/uapi/linux/dm-ioctl.h.
dm_requests! {
    DmVersion = Version, DM_VERSION: 0;
    DmRemoveAll = RemoveAll, DM_REMOVE_ALL: 1;
    DmListDevices = List, DM_LIST_DEVICES: 2;
    DmDevCreate = Create, DM_DEV_CREATE: 3;
    DmDevRemove = Remove, DM_DEV_REMOVE: 4;
    DmDevRename = Rename, DM_DEV_RENAME: 5;
    DmDevSuspend = Suspend, DM_DEV_SUSPEND: 6;
    DmDevStatus = Info, DM_DEV_STATUS: 7;
    DmDevWait = Wait, DM_DEV_WAIT: 8;
    DmTableLoad = Load, DM_TABLE_LOAD: 9;
    DmTableClear = Clear, DM_TABLE_CLEAR: 10;
    DmTableDeps = Deps, DM_TABLE_DEPS: 11;
    DmTableStatus = Status, DM_TABLE_STATUS: 12;
    DmListVersions = Versions, DM_LIST_VERSIONS: 13;
    DmTargetMsg = Message, DM_TARGET_MSG: 14;
    DmDevSetGeometry = SetGeometry, DM_DEV_SET_GEOMETRY: 15;
    DmDevArmPoll = ArmPoll, DM_DEV_ARM_POLL: 16;
    DmGetTargetVersion = TargetVersion, DM_GET_TARGET_VERSION: 17;
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
const _: () = {
    assert!(RaidVersion::CODE == 0x800c_0910);
    assert!(GetArrayInfo::CODE == 0x8048_0911);
    assert!(GetDiskInfo::CODE == 0x8014_0912);
    assert!(PrintRaidDebug::CODE == 0x913 && RaidAutorun::CODE == 0x914);
    assert!(GetBitmapFile::CODE == 0x9000_0915);
    assert!(ClearArray::CODE == 0x920);
    assert!(AddNewDisk::CODE == 0x4014_0921);
    assert!(HotRemoveDisk::CODE == 0x922);
    assert!(SetArrayInfo::CODE == 0x4048_0923);
    assert!(SetDiskInfo::CODE == 0x924 && WriteRaidInfo::CODE == 0x925);
    assert!(UnprotectArray::CODE == 0x926 && ProtectArray::CODE == 0x927);
    assert!(HotAddDisk::CODE == 0x928 && SetDiskFaulty::CODE == 0x929 && HotGenerateError::CODE == 0x92a);
    assert!(SetBitmapFile::CODE == 0x4004_092b);
    assert!(RunArray::CODE == 0x400c_0930);
    assert!(StartArray::CODE == 0x931 && StopArray::CODE == 0x932 && StopArrayRo::CODE == 0x933);
    assert!(RestartArrayRw::CODE == 0x934 && ClusteredDiskNack::CODE == 0x935);
    assert!(BlkGetSize64::CODE == 0x8008_1272);
    assert!(BlkPg::CODE == 0x1269 && BlkPbszGet::CODE == 0x127b);
    assert!(DmVersion::CODE == 0xc138_fd00 && DmGetTargetVersion::CODE == 0xc138_fd11);
    assert!(BlkSszGet::CODE == 0x1268 && BlkRoGet::CODE == 0x125e && BlkZeroOut::CODE == 0x127f);
};

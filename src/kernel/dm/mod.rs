//! device-mapper's own ioctls, typed. One request, one call; what a device is for is nobody's business here.

mod buffer;
mod calls;
mod flags;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod prepared;
mod reply;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use nix::errno::Errno;

pub use buffer::DmBuffer;
pub use calls::{DmCallManner, Geometry, Info, NewRow};
pub use flags::DmFlags;
pub use prepared::{Prepared, PreparedRequest};
pub use reply::{DmListed, Reported, TargetType};

use super::{
    DevId, ErrorCause, KernelError, Places, files,
    ioctl::{self},
    module, node, recorded, wait,
};

/// The control node's number: the misc driver's, and the minor that the driver reserves (`MAPPER_CTRL_MINOR`).
const CONTROL: DevId = DevId { major: 10, minor: 236 };
/// The driver's module.
const MODULE: &str = "dm_mod";
/// Answers of unknown length get this much room first.
const FIRST: usize = 16 << 10;

/// A device as a request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who<'a> {
    /// By name.
    Name(&'a str),
    /// By UUID.
    Uuid(&'a str),
    /// By number.
    Dev(DevId),
}

impl Who<'_> {
    /// For messages.
    fn shown(self) -> String {
        match self {
            Self::Name(text) | Self::Uuid(text) => text.to_owned(),
            Self::Dev(dev) => dev.to_string(),
        }
    }
}

/// The driver's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DmDriverVersion(pub [u32; 3]);

impl std::fmt::Display for DmDriverVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// The requests, by the kernel's names and numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `DM_VERSION`.
    Version,
    /// `DM_REMOVE_ALL`.
    RemoveAll,
    /// `DM_LIST_DEVICES`.
    List,
    /// `DM_DEV_CREATE`.
    Create,
    /// `DM_DEV_REMOVE`.
    Remove,
    /// `DM_DEV_RENAME`.
    Rename,
    /// `DM_DEV_SUSPEND`, which also resumes.
    Suspend,
    /// `DM_DEV_STATUS`.
    Info,
    /// `DM_DEV_WAIT`.
    Wait,
    /// `DM_TABLE_LOAD`.
    Load,
    /// `DM_TABLE_CLEAR`.
    Clear,
    /// `DM_TABLE_DEPS`.
    Deps,
    /// `DM_TABLE_STATUS`.
    Status,
    /// `DM_LIST_VERSIONS`.
    Versions,
    /// `DM_TARGET_MSG`.
    Message,
    /// `DM_DEV_SET_GEOMETRY`.
    SetGeometry,
    /// `DM_DEV_ARM_POLL`.
    ArmPoll,
    /// `DM_GET_TARGET_VERSION`.
    TargetVersion,
}

impl Command {
    /// The first driver that has it.
    fn since(self) -> DmDriverVersion {
        DmDriverVersion(match self {
            Self::Versions => [4, 1, 0],
            Self::Message => [4, 2, 0],
            Self::SetGeometry => [4, 6, 0],
            Self::ArmPoll => [4, 37, 0],
            Self::TargetVersion => [4, 41, 0],
            _ => [4, 0, 0],
        })
    }
}

/// The control node, open.
#[derive(Clone, Debug)]
pub struct Control {
    file: Arc<File>,
    /// A recorded machine's driver answers itself.
    recorded: Option<&'static recorded::Driver>,
    /// The largest answer so far, so that the next list fits at once.
    room: Arc<AtomicUsize>,
}

impl Control {
    /// Opens it; where the driver is missing it is asked for, where the node is missing it is made.
    pub fn open(places: &Places) -> Result<Self, KernelError> {
        let room = Arc::new(AtomicUsize::new(FIRST));
        if let Some(recorded) = recorded::entered() {
            let nothing = File::open("/dev/null")
                .map_err(|error| KernelError::io(Path::new("/dev/null"), "open", &error))?;
            return Ok(Self { file: Arc::new(nothing), recorded: Some(recorded.driver()), room });
        }
        let path = places.dev.join("mapper/control");
        let opened = match open_node(&path) {
            Err(error) if error.is(Errno::ENOENT) || error.is(Errno::ENODEV) || error.is(Errno::ENXIO) => {
                module::load(MODULE)?;
                make_node(&path)?;
                open_node(&path)
            }
            opened => opened,
        };
        let file = opened.map_err(|error| match error.errno() {
            Some(errno @ (Errno::EACCES | Errno::EPERM)) => not_root(&error.device, "open", errno),
            _ => error,
        })?;
        Ok(Self { file: Arc::new(file), recorded: None, room })
    }

    /// Waits for the next event of any device since [`Self::arm_poll`]; whether there is one in time.
    pub fn event(&self, slice: Duration) -> Result<bool, KernelError> {
        wait::readable(&[self.file.as_fd()], slice)
    }

    /// Calls once. The answer is in the buffer, its version even where the call failed.
    fn call(&self, command: Command, who: &str, buffer: &mut DmBuffer) -> Result<(), KernelError> {
        ioctl::dm(self.file.as_fd(), command, buffer)
            .map_err(|errno| explain(who, command, errno, DmDriverVersion(buffer.version())))
    }

    /// Calls until the answer fits.
    fn ask(&self, command: Command, who: &str, request: &DmBuffer) -> Result<DmBuffer, KernelError> {
        let mut room = self.room.load(Ordering::Relaxed);
        loop {
            let mut buffer = request.with_room(room);
            self.call(command, who, &mut buffer)?;
            if !buffer.is_full() {
                self.room.fetch_max(room, Ordering::Relaxed);
                return Ok(buffer);
            }
            if room >= buffer::LARGEST {
                let cause = ErrorCause::Unexpected("an answer of more than a GiB".to_owned());
                return Err(KernelError::other(who, command.name(), cause));
            }
            room = room.saturating_mul(2).min(buffer::LARGEST);
        }
    }
}

fn open_node(path: &Path) -> Result<File, KernelError> {
    let fail = |error: &std::io::Error| KernelError::io(path, "open", error);
    let file = File::options().read(true).write(true).open(path).map_err(|error| fail(&error))?;
    let meta = file.metadata().map_err(|error| fail(&error))?;
    let is_control = meta.file_type().is_char_device() && DevId::from_raw(meta.rdev()) == CONTROL;
    if is_control {
        return Ok(file);
    }
    let cause =
        ErrorCause::Unexpected("not device-mapper's control node (character device 10:236)".to_owned());
    Err(KernelError::other(path.display().to_string(), "open", cause))
}

/// Makes the node where devtmpfs has not.
fn make_node(path: &Path) -> Result<(), KernelError> {
    if path.exists() {
        return Ok(());
    }
    let dir = path.parent().map(PathBuf::from).unwrap_or_default();
    files::make_dirs(&dir, 0o755)?;
    node::make_char_node(path, CONTROL, 0o600)
}

fn not_root(who: &str, operation: &'static str, errno: Errno) -> KernelError {
    let why = "device-mapper serves root (CAP_SYS_ADMIN) only".to_owned();
    KernelError::other(who, operation, ErrorCause::Explained(errno, why))
}

/// Three answers of the driver have nothing to do with the device: the caller, the request, the version.
fn explain(who: &str, command: Command, errno: Errno, kernel: DmDriverVersion) -> KernelError {
    let name = command.name();
    let because = |why: String| KernelError::other(who, name, ErrorCause::Explained(errno, why));
    let older = kernel < command.since() || kernel.0[0] != 4;
    match errno {
        Errno::EACCES | Errno::EPERM => not_root(who, name, errno),
        Errno::ENOTTY | Errno::EINVAL if older && kernel != DmDriverVersion([0; 3]) => {
            because(format!("the kernel's device-mapper is version {kernel}, this needs {}", command.since()))
        }
        Errno::ENOTTY => because("this kernel's device-mapper has no such request".to_owned()),
        _ => KernelError::new(who, name, errno),
    }
}

//! How things are said to the machine. Nothing here decides, and nothing knows what an array is for.
//!
//! Every failure is a [`KernelError`]: the device, the operation, the errno. What the environment says
//! (paths of /sys, /proc, /dev and /run, whether udev is there) is an argument, so that a recorded machine
//! can be replayed and a test can make one up under a temporary directory.

#[expect(unsafe_code, reason = "the system calls of asynchronous I/O have no safe form")]
pub mod aio;
pub mod appear;
pub mod bell;
pub mod block;
pub mod cookie;
pub mod devdir;
pub mod dm;
pub mod error;
pub mod files;
pub mod holders;
pub mod host;
pub mod initrd;
pub mod interrupt;
#[expect(unsafe_code, reason = "the one place where an ioctl is called")]
mod ioctl;
pub mod kmsg;
pub mod lock;
pub mod locked;
pub mod loopback;
pub mod machine;
pub mod md;
pub mod mdstat;
pub mod message;
pub mod module;
pub mod node;
pub mod notes;
mod page;
pub mod parallel;
pub mod procfs;
pub mod program;
pub mod ready;
pub mod recorded;
pub mod second;
pub mod sysfs;
#[expect(unsafe_code, reason = "semaphores have no safe form")]
mod sysv;
pub mod terminal;
pub mod udev;
pub mod uevent;
pub mod wait;
pub mod watch;

pub use crate::words::DevId;
pub use block::{Access, BlockDevice};
pub use error::{ErrorCause, KernelError};
pub use holders::Holder;
pub use lock::Lock;
pub use machine::{Machine, Meanwhile};
pub use md::MdDevice;
pub use node::Places;
pub use procfs::Procfs;
pub use sysfs::Sysfs;
pub use wait::Deadline;
pub use watch::Watched;

//! device-mapper on paper: names, UUIDs, tables, what targets report, what udev is asked to do.

mod cookie;
mod device;
pub mod name;
mod node;
mod overview;
mod status;
mod table;
mod target;
mod udev;
pub mod uuid;
mod words;

pub use cookie::{UdevCookie, UdevCookies};
pub use device::{DeviceInfo, Listed};
pub use name::{BadDmName, Mangling};
pub use node::{Owner, ReadAhead};
pub use overview::{DmSeen, Overview, ToldRow};
pub use status::{SnapshotStatus, Status};
pub use table::{BadTable, Row, Table};
pub use target::{Dev, Leg, MirrorLog, Snapshot, Store, Target};
pub use udev::UdevFlags;

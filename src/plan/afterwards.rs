//! What a plan leaves to be done when a step fails that comes after its commit.

use super::{
    DiskStep, MdStep, Step, SystemStep,
    dm::DmStep,
    volume::{fs::FsStep, metadata::LvmStep},
};
use crate::{
    model::{dm::name, overlay},
    words::ArrayAttr,
};

/// What is left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// What was asked for is done all the same: only udev, the map or others who wait were not told.
    pub minor: bool,
    /// The command that does it later.
    pub later: Option<String>,
    /// Steps that failed besides, with their reasons.
    pub others: Vec<String>,
}

impl Rest {
    /// Of this step.
    #[must_use]
    pub fn of(step: &Step) -> Self {
        Self { minor: is_minor(step), later: later(step), others: Vec::new() }
    }
}

/// Of these the reference warns at most, and ends with 0.
fn is_minor(step: &Step) -> bool {
    matches!(
        step,
        Step::Disk(DiskStep::Share { .. })
            | Step::Disk(DiskStep::Release { .. })
            | Step::System(SystemStep::Discard { .. })
            | Step::System(SystemStep::HideFromUdev { .. })
            | Step::System(SystemStep::ShowToUdev { .. })
            // After the commit only an entry of the map is left to be written or removed under it.
            | Step::System(SystemStep::LockMap)
            | Step::System(SystemStep::UnlockMap)
            | Step::System(SystemStep::MapAdd { .. })
            | Step::System(SystemStep::MapRemove { .. })
            | Step::System(SystemStep::Node { .. })
            | Step::System(SystemStep::RemoveNode { .. })
            | Step::System(SystemStep::Uevent { .. })
            | Step::Dm(DmStep::WaitForUdev)
            | Step::Lvm(LvmStep::Unlock | LvmStep::ForgetHints)
    )
}

fn attribute(kernel: &str, attr: &str, value: &str) -> String {
    format!("echo {value} > /sys/block/{kernel}/md/{attr}")
}

fn later(step: &Step) -> Option<String> {
    Some(match step {
        Step::Fs(FsStep::CheckExt { device } | FsStep::ResizeExt { device, .. }) => {
            format!("e2fsck -f {device} (where it is not mounted), then resize2fs {device}")
        }
        Step::Fs(FsStep::GrowXfs { mounted }) => format!("xfs_growfs {mounted}"),
        Step::Lvm(LvmStep::Backup { group, .. }) => format!("mdctl volume backup {group}"),
        Step::Lvm(LvmStep::Verify { group, .. }) => format!("mdctl volume check {group}"),
        Step::Lvm(LvmStep::Devices { add, .. }) if !add.is_empty() => {
            let all = add.iter().map(|device| format!("lvmdevices --adddev {}", device.path));
            all.collect::<Vec<_>>().join("; ")
        }
        Step::Dm(
            DmStep::Create { name, .. }
            | DmStep::Load { name, .. }
            | DmStep::Resume { name, .. }
            | DmStep::Rename { name, .. },
        ) => {
            let (group, volume, _) = name::split(name);
            format!("mdctl volume activate {group}/{volume}")
        }
        Step::Md(MdStep::MakeWritable { array }) => format!("mdctl readwrite {}", array.path),
        Step::Md(MdStep::Thaw { array }) => attribute(&array.kernel, ArrayAttr::SyncAction.path(), "idle"),
        Step::Md(MdStep::Configure { array, attr, value }) => attribute(&array.kernel, attr, value),
        Step::Md(
            MdStep::SetAttr { array, attr, value, .. } | MdStep::Change { array, attr, to: value, .. },
        ) => attribute(&array.kernel, attr.path(), value),
        Step::Md(MdStep::Remove { array, member, .. }) => {
            format!("mdctl manage {} --remove {}", array.path, member.shown)
        }
        Step::Dm(DmStep::Remove { name, .. }) => match overlay::parts(name) {
            Some((set, _)) => format!("mdctl overlay discard {set}"),
            None => format!("dmsetup remove {name}"),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::dm::UdevFlags, plan::ArrayName};

    #[test]
    fn what_remains_has_a_command() {
        let grow = Step::Fs(FsStep::ResizeExt { device: "/dev/mapper/vg-v".into(), size: None });
        let rest = Rest::of(&grow);
        assert!(!rest.minor);
        assert!(rest.later.unwrap().ends_with("resize2fs /dev/mapper/vg-v"));
        let backup = Step::Lvm(LvmStep::Backup { group: "vg".into(), text: Vec::new() });
        assert_eq!(Rest::of(&backup).later.unwrap(), "mdctl volume backup vg");
        let remove = |name: &str| {
            let (name, flags) = (name.to_owned(), UdevFlags::PRIVATE);
            Rest::of(&Step::Dm(DmStep::Remove { name, flags, deferred: false })).later.unwrap()
        };
        assert_eq!(remove("vg-v"), "dmsetup remove vg-v");
        assert_eq!(remove("MDOV-try-sda"), "mdctl overlay discard try");
        let array = ArrayName { kernel: "md7".into(), path: "/dev/md/home".into() };
        let thaw = Rest::of(&Step::Md(MdStep::Thaw { array: array.clone() }));
        assert!(!thaw.minor, "recovery would never start");
        assert_eq!(thaw.later.unwrap(), "echo idle > /sys/block/md7/md/sync_action");
        let writable = Rest::of(&Step::Md(MdStep::MakeWritable { array }));
        assert_eq!(writable.later.unwrap(), "mdctl readwrite /dev/md/home");
        assert!(
            Rest::of(&Step::System(SystemStep::LockMap)).minor
                && Rest::of(&Step::System(SystemStep::UnlockMap)).minor
                && Rest::of(&Step::Dm(DmStep::WaitForUdev)).minor
        );
    }
}

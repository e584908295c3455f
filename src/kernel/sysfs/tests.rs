//! A made-up machine under a temporary directory.

use std::os::unix::fs::symlink;

use superblock::Kib;

use super::*;
use crate::kernel::DevId;

struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(dir)
    }

    fn sysfs(&self) -> Sysfs {
        Sysfs::new(self.0.path())
    }
}

#[test]
fn array_attributes() {
    let tree = Tree::new(&[
        ("block/md0/dev", "9:0\n"),
        ("block/md0/md/array_state", "clean\n"),
        ("block/md0/md/level", "raid5\n"),
        ("block/md0/md/raid_disks", "4 (3)\n"),
        ("block/md0/md/chunk_size", "524288\n"),
        ("block/md0/md/layout", "\n"),
        ("block/md0/md/component_size", "4294967296\n"),
        ("block/md0/md/array_size", "default\n"),
        ("block/md0/md/resync_start", "none\n"),
        ("block/md0/md/reshape_position", "2048\n"),
        ("block/md0/md/sync_completed", "128 / 4096\n"),
        ("block/md0/md/bitmap_type", "none [bitmap] llbitmap \n"),
        ("block/md0/md/degraded", "many\n"),
        ("block/md0/md/dev-sda/slot", "none\n"),
        ("block/md0/md/dev-sda/state", "faulty,write_mostly,new_word\n"),
        ("block/md0/md/dev-sda/bad_blocks", "128 8\n4096 16\n"),
        ("block/md0/md/dev-sda/block/dev", "8:0\n"),
        ("block/md0/md/dev-sdb/slot", "1\n"),
        ("block/md0/md/rd1/slot", "1\n"),
    ]);
    let sysfs = tree.sysfs();
    let array = sysfs.array("md0");
    assert_eq!(array.dev().unwrap(), Some(DevId { major: 9, minor: 0 }));
    assert_eq!(array.state().unwrap(), Some(ArrayState::Clean));
    assert_eq!(array.raid_disks().unwrap(), Some(Changing { new: 4, old: Some(3) }));
    assert_eq!(array.chunk_size().unwrap(), Some(Changing { new: 524_288, old: None }));
    assert_eq!(array.layout().unwrap(), None);
    assert_eq!(array.component_size().unwrap(), Some(Kib(1 << 32)));
    assert_eq!(array.array_size().unwrap(), Some(None));
    assert_eq!(array.resync_start().unwrap(), Some(None));
    assert_eq!(array.reshape_position().unwrap().flatten().map(|s| s.0), Some(2048));
    assert!(matches!(array.sync_completed().unwrap(), Some(SyncProgress::At { done, .. }) if done.0 == 128));
    let (words, chosen) = array.choice(ArrayAttr::BitmapType).unwrap().unwrap();
    assert_eq!((words.len(), chosen.as_deref()), (3, Some("bitmap")));
    assert_eq!(array.read(ArrayAttr::LogicalBlockSize).unwrap(), None);
    let error = array.degraded().unwrap_err().to_string();
    assert_eq!(error, "md0: degraded: unexpected content \"many\"");

    let members = array.members().unwrap();
    assert_eq!(members.iter().map(Member::name).collect::<Vec<_>>(), ["sda", "sdb"]);
    let states = members[0].state().unwrap().unwrap();
    let expected = [MemberState::Faulty, MemberState::WriteMostly, MemberState::Other("new_word".into())];
    assert_eq!(states, expected);
    assert_eq!(members[0].slot().unwrap(), Some(SlotText::None));
    assert_eq!(members[0].bad_blocks().unwrap().unwrap().len(), 2);
    assert_eq!(members[1].slot().unwrap(), Some(SlotText::Slot(1)));
    assert_eq!(array.member_of(DevId { major: 8, minor: 0 }).unwrap().unwrap().name(), "sda");
    assert_eq!(sysfs.arrays().unwrap(), ["md0"]);
}

#[test]
fn writes_never_create() {
    let tree =
        Tree::new(&[("block/md0/md/array_state", "clean\n"), ("module/md_mod/parameters/new_array", "")]);
    let sysfs = tree.sysfs();
    sysfs.array("md0").write(ArrayAttr::ArrayState, "readonly").unwrap();
    let error = sysfs.array("md0").write(ArrayAttr::SyncAction, "idle").unwrap_err();
    assert_eq!(error.to_string(), "md0: sync_action=idle: ENOENT: No such file or directory");
    let error = sysfs.array("md0").member("sdz").write(MemberAttr::State, "remove").unwrap_err();
    assert_eq!(error.to_string(), "md0: dev-sdz/state=remove: ENOENT: No such file or directory");
    assert!(sysfs.set_parameter("md_mod", "new_array", "md0").unwrap());
    assert!(!sysfs.set_parameter("md_mod", "legacy_async_del_gendisk", "N").unwrap());
}

#[test]
fn disks_and_partitions() {
    let tree = Tree::new(&[
        ("devices/x/block/sda/dev", "8:0\n"),
        ("devices/x/block/sda/size", "2048\n"),
        ("devices/x/block/sda/sda1/dev", "8:1\n"),
        ("devices/x/block/sda/sda1/size", "1024\n"),
        ("devices/x/block/sda/sda1/partition", "1\n"),
        ("devices/x/block/sda/sda1/start", "512\n"),
        ("devices/x/block/sda/sda1/holders/md0/dev", "9:0\n"),
    ]);
    let root = tree.0.path();
    for (link, target) in [
        ("block/sda", "../devices/x/block/sda"),
        ("class/block/sda1", "../../devices/x/block/sda/sda1"),
        ("dev/block/8:1", "../../devices/x/block/sda/sda1"),
    ] {
        fs::create_dir_all(root.join(link).parent().unwrap()).unwrap();
        symlink(target, root.join(link)).unwrap();
    }
    let sysfs = tree.sysfs();
    assert_eq!(sysfs.blocks().unwrap(), ["sda", "sda1"]);
    assert_eq!(sysfs.name_of(DevId { major: 8, minor: 1 }).as_deref(), Some("sda1"));
    let part = sysfs.block("sda1").unwrap().unwrap();
    assert_eq!(part.shape, Shape::Partition { of: "sda".into(), number: 1, start: superblock::Sectors(512) });
    let whole = sysfs.block("sda").unwrap().unwrap();
    assert_eq!(whole.shape, Shape::Whole { partitions: vec!["sda1".into()] });
    assert_eq!(sysfs.holders("sda1").unwrap(), ["md0"]);
    assert_eq!(sysfs.block("../sda").unwrap(), None);
}

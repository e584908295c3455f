use super::*;
use crate::model::boot::{BootContents, BootEntry, BootImage, BootKernel, LeftOver};
use superblock::MdUuid;

const ROOT: MdUuid = MdUuid([0xaa; 16]);
const HOME: MdUuid = MdUuid([0xbb; 16]);

const DEBIAN: [&str; 8] = [
    "conf/initramfs.conf",
    "scripts/local",
    "scripts/local-block/mdadm",
    "usr/sbin/mdadm",
    "usr/lib/udev/rules.d/63-md-raid-arrays.rules",
    "usr/lib/udev/rules.d/64-md-raid-assembly.rules",
    "usr/lib/modules/6.12/kernel/drivers/md/raid1.ko.xz",
    "usr/lib/modules/6.12/kernel/drivers/md/md-mod.ko.xz",
];

fn image(names: &[&str], texts: &[(&str, &str)]) -> BootImage {
    let contents = BootContents {
        names: names.iter().map(ToString::to_string).collect(),
        texts: texts.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect(),
    };
    BootImage { path: "/boot/initrd.img-6.12".into(), contents: Ok(contents) }
}

fn mirror(kernel: &str, path: &str, uuid: MdUuid) -> BootArray {
    BootArray {
        kernel: kernel.into(),
        path: path.into(),
        uuid: Some(uuid),
        name: Some(format!("alpha:{}", path.rsplit('/').next().unwrap())),
        level: Some(Level::Raid1),
        metadata: "1.2".into(),
        ..BootArray::default()
    }
}

fn on(at: &str, source: &str, kind: &str, arrays: &[&str]) -> BootMount {
    let arrays = arrays.iter().map(ToString::to_string).collect();
    BootMount { at: at.into(), source: source.into(), kind: kind.into(), arrays, mapped: vec![] }
}

fn entry(source: &str, at: &str) -> BootEntry {
    BootEntry { source: source.into(), at: at.into(), needed: true, there: true }
}

/// A root on a mirror, an image of Debian's, and nothing wrong.
fn sound() -> BootSeen {
    let config = format!("ARRAY /dev/md/root UUID={ROOT}\n");
    BootSeen {
        release: "6.12".into(),
        command_line: vec!["root=/dev/md/root".into(), "ro".into()],
        kernels: vec![BootKernel {
            release: "6.12".into(),
            builtin: vec![],
            image: Some(image(&DEBIAN, &[("etc/mdadm/mdadm.conf", &config)])),
        }],
        mounts: vec![on("/", "/dev/md/root", "ext4", &["md127"])],
        table: vec![entry("/dev/md/root", "/")],
        arrays: vec![mirror("md127", "/dev/md/root", ROOT)],
        config: vec![("/etc/mdadm/mdadm.conf".into(), config)],
        rules: vec!["63-md-raid-arrays.rules".into(), "64-md-raid-assembly.rules".into()],
        has_last_resort: true,
        grub: Some("/boot/grub".into()),
        left_over: vec![],
    }
}

fn contents(seen: &mut BootSeen) -> &mut BootContents {
    seen.kernels[0].image.as_mut().unwrap().contents.as_mut().unwrap()
}

#[track_caller]
fn one(seen: &BootSeen, severity: BootSeverity, part: &str) -> BootRemark {
    let remarks = check(seen);
    let [remark] = remarks.as_slice() else { panic!("{remarks:#?}") };
    assert!(remark.severity == severity && remark.text.contains(part), "{remark:#?}");
    remark.clone()
}

#[test]
fn a_sound_machine_has_nothing_to_say() {
    assert_eq!(check(&sound()), []);
    // A root that is on no array asks nothing of the image.
    let mut seen = sound();
    seen.mounts[0] = on("/", "/dev/sda1", "ext4", &[]);
    seen.kernels[0].image = None;
    assert_eq!(check(&seen), []);
}

#[test]
fn an_image_that_lacks_something() {
    let again = Some("update-initramfs -u -k 6.12".to_owned());
    let without = |part: &str| {
        let mut seen = sound();
        contents(&mut seen).names.retain(|name| !name.contains(part));
        seen
    };
    assert_eq!(one(&without("usr/sbin/mdadm"), BootSeverity::Fails, "no program mdadm").next, again);
    assert_eq!(one(&without("raid1.ko"), BootSeverity::Fails, "the driver raid1").next, again);
    one(&without("64-md"), BootSeverity::Risk, "64-md-raid-assembly.rules");
    one(&without("63-md"), BootSeverity::Risk, "63-md-raid-arrays.rules");
    let mut seen = without("raid1.ko");
    seen.kernels[0].builtin = vec!["raid1".into()];
    assert_eq!(check(&seen), [], "a part of the kernel itself");
    let mut seen = sound();
    seen.kernels[0].image = None;
    one(&seen, BootSeverity::Fails, "no initial RAM disk");
    seen.kernels[0].image =
        Some(BootImage { path: "/boot/x".into(), contents: Err("`zstd` is not here".into()) });
    one(&seen, BootSeverity::Unknown, "could not be looked into: `zstd` is not here");
}

#[test]
fn a_configuration_that_keeps_the_root_away() {
    let with = |text: String| {
        let mut seen = sound();
        contents(&mut seen).texts = vec![("etc/mdadm/mdadm.conf".into(), text)];
        seen
    };
    one(&with(format!("ARRAY <ignore> UUID={ROOT}\n")), BootSeverity::Fails, "ignored");
    one(&with(format!("AUTO -all\nARRAY /dev/md/home UUID={HOME}\n")), BootSeverity::Fails, "AUTO");
    one(
        &with(format!("ARRAY /dev/md/home UUID={HOME}\n")),
        BootSeverity::Risk,
        "does not have the system's ARRAY line",
    );
    one(
        &with(format!("ARRAY /dev/md/old UUID={ROOT}\n")),
        BootSeverity::Risk,
        "calls /dev/md/root /dev/md/old",
    );
    assert_eq!(check(&with(String::new())), [], "without lines names come from the metadata");
    assert_eq!(check(&with(format!("AUTO -all\nARRAY /dev/md/root UUID={ROOT}\n"))), []);
}

#[test]
fn dracut_starts_what_the_command_line_names() {
    let names = [
        "usr/lib/dracut/modules.txt",
        "usr/sbin/mdadm",
        "63-md-raid-arrays.rules",
        "64-md-raid-assembly.rules",
        "raid1.ko",
        "md-mod.ko",
    ];
    let with = |words: &str, own: &str| {
        let mut seen = sound();
        seen.command_line = words.split_whitespace().map(str::to_owned).collect();
        *contents(&mut seen) = image(&names, &[("etc/cmdline.d/20-mdraid.conf", own)]).contents.unwrap();
        seen
    };
    let remark = one(&with("root=UUID=1", ""), BootSeverity::Fails, "rd.auto=1");
    assert!(remark.text.ends_with(&format!("add rd.md.uuid={ROOT}")), "{remark:?}");
    assert_eq!(remark.next.as_deref(), Some("dracut --force --kver 6.12"));
    one(&with("rd.auto=0", ""), BootSeverity::Fails, "rd.auto=1");
    one(&with(&format!("rd.auto=1 rd.md.uuid={HOME}"), ""), BootSeverity::Fails, "does not name");
    one(&with("rd.auto rd.md=0", ""), BootSeverity::Fails, "switches arrays off");
    let dashes = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";
    for (words, own) in [
        ("rd.auto", ""),
        ("rd.auto=1", ""),
        (&*format!("rd.md.uuid={dashes}"), ""),
        ("", &*format!(" rd.md.uuid={ROOT} ")),
    ] {
        assert_eq!(check(&with(words, own)), [], "{words} {own}");
    }
}

#[test]
fn what_grub_and_the_firmware_cannot_read() {
    let with = |edit: &dyn Fn(&mut BootArray)| {
        let mut seen = sound();
        edit(&mut seen.arrays[0]);
        seen
    };
    let remark = one(&with(&|array| array.reshapes = true), BootSeverity::Fails, "changes its shape");
    assert_eq!(remark.next.as_deref(), Some("mdctl wait /dev/md/root"));
    one(&with(&|array| array.journal = true), BootSeverity::Risk, "journal");
    let mut seen = with(&|array| array.reshapes = true);
    seen.grub = None;
    assert_eq!(check(&seen), []);
    let mut seen = sound();
    seen.left_over = vec![
        LeftOver { device: "/dev/sdc1".into(), array: ROOT, has_slot: true },
        LeftOver { device: "/dev/sdd1".into(), array: ROOT, has_slot: false },
        LeftOver { device: "/dev/sde1".into(), array: HOME, has_slot: true },
    ];
    assert_eq!(one(&seen, BootSeverity::Risk, "GRUB may read old files").about, "/dev/sdc1");
    let mut seen = sound();
    contents(&mut seen).names.push("dm-mod.ko".into());
    seen.mounts[0].mapped = vec![("vg-root".into(), vec!["linear".into()])];
    assert_eq!(check(&seen), []);
    seen.mounts[0].mapped[0].1 = vec!["thin".into()];
    one(&seen, BootSeverity::Fails, "of the kind thin");
    let mut seen = sound();
    seen.arrays.push(mirror("md126", "/dev/md/esp", HOME));
    seen.mounts.push(on("/boot/efi", "/dev/md/esp", "vfat", &["md126"]));
    one(&seen, BootSeverity::Fails, "the firmware sees no file system");
    seen.arrays[1].metadata = "1.0".into();
    one(&seen, BootSeverity::Note, "one by one");
}

#[test]
fn names_that_may_be_others_next_time() {
    let with = |source: &str| {
        let mut seen = sound();
        seen.table.push(entry(source, "/srv"));
        seen.arrays.push(mirror("md5", "/dev/md/home", HOME));
        seen
    };
    one(&with("/dev/md5"), BootSeverity::Risk, "in the order in which arrays come up");
    one(&with("/dev/md5p1"), BootSeverity::Risk, "in the order");
    one(&with("/dev/md9"), BootSeverity::Risk, "no such array now");
    one(&with("/dev/md/other"), BootSeverity::Risk, "no array has that name");
    for fine in ["/dev/md/home", "/dev/md/homep1", "UUID=1-2", "/dev/mapper/x"] {
        assert_eq!(check(&with(fine)), [], "{fine}");
    }
    let mut seen = with("/dev/md5");
    seen.config[0].1.push_str(&format!("ARRAY /dev/md5 UUID={HOME}\n"));
    assert_eq!(check(&seen), []);
    let mut seen = with("/dev/md5");
    seen.arrays[1].metadata = "0.90".into();
    assert_eq!(check(&seen), [], "it has its number with it");
}

#[test]
fn what_fstab_mounts_is_there() {
    let with = |source: &str, needed: bool| {
        let mut seen = sound();
        seen.table.push(BootEntry { needed, there: false, ..entry(source, "/srv") });
        seen
    };
    one(
        &with("/dev/md/gone", true),
        BootSeverity::Fails,
        "no array has that name now, and the start stops there",
    );
    one(&with("UUID=1-2", true), BootSeverity::Fails, "no device has that name now");
    one(&with("UUID=1-2", false), BootSeverity::Note, "no device has that name now");
}

#[test]
fn what_is_mounted_later_and_what_is_short() {
    let mut seen = sound();
    seen.arrays.push(mirror("md5", "/dev/md/home", HOME));
    seen.mounts.push(on("/home", "/dev/md/home", "ext4", &["md5"]));
    assert_eq!(check(&seen), []);
    seen.has_last_resort = false;
    assert_eq!(one(&seen, BootSeverity::Risk, "stays off").about, "/home");
    seen.rules.clear();
    one(&seen, BootSeverity::Fails, "not installed");
    seen.mounts.push(on("/srv", "/dev/md/home", "ext4", &["md5"]));
    assert_eq!(check(&seen).len(), 2, "each place");
    seen.mounts.truncate(1);
    assert_eq!(one(&seen, BootSeverity::Risk, "nothing takes members into it").about, "/dev/md/home");
    let mut seen = sound();
    seen.arrays[0].missing = 1;
    one(&seen, BootSeverity::Note, "1 member of it is missing");
    seen.arrays[0].level = Some(Level::Raid5);
    contents(&mut seen).names.push("raid456.ko".into());
    one(&seen, BootSeverity::Risk, "after a power cut it would not start by itself");
    let mut seen = sound();
    seen.command_line.push("md_mod.start_dirty_degraded=1".into());
    one(&seen, BootSeverity::Risk, "starts without a question");
}

//! An initial RAM disk: does it have all that the root needs?

use std::collections::BTreeMap;

use superblock::MdUuid;

use super::super::explain::module;
use super::{BootRemark, early, needed};
use crate::{
    config::{
        conf::{self, ArrayLineName, Config},
        policy::{self, FormatFamily, PolicyVerdict},
    },
    model::boot::{BootArray, BootContents, BootImage, BootKernel, BootMaker, BootSeen},
};

pub(super) fn check(seen: &BootSeen, kernel: &BootKernel) -> Vec<BootRemark> {
    let needed = needed(seen);
    if needed.is_empty() {
        return Vec::new();
    }
    let release = &kernel.release;
    let Some(image) = &kernel.image else {
        let text = "it has no initial RAM disk, without which the root's array is not started";
        return vec![BootRemark::fails(&format!("kernel {release}"), text)];
    };
    let contents = match &image.contents {
        Ok(contents) => contents,
        Err(why) => {
            return vec![BootRemark::unknown(&image.path, format!("it could not be looked into: {why}"))];
        }
    };
    let look = Look { seen, kernel, image, contents, needed };
    let mut remarks: Vec<BootRemark> = look.programs().into_iter().collect();
    remarks.extend(look.rules());
    remarks.extend(look.drivers());
    remarks.extend(look.gate());
    remarks.extend(look.configuration());
    let again = match contents.maker() {
        BootMaker::InitramfsTools => Some(format!("update-initramfs -u -k {release}")),
        BootMaker::Dracut => Some(format!("dracut --force --kver {release}")),
        BootMaker::Mkinitcpio => Some("mkinitcpio -P".to_owned()),
        BootMaker::Unknown => None,
    };
    for remark in remarks.iter_mut().filter(|remark| remark.next.is_none()) {
        remark.next.clone_from(&again);
    }
    remarks
}

struct Look<'a> {
    seen: &'a BootSeen,
    kernel: &'a BootKernel,
    image: &'a BootImage,
    contents: &'a BootContents,
    needed: Vec<&'a BootArray>,
}

impl Look<'_> {
    fn fails(&self, text: impl std::fmt::Display) -> BootRemark {
        BootRemark::fails(&self.image.path, text)
    }

    fn risk(&self, text: impl std::fmt::Display) -> BootRemark {
        BootRemark::risk(&self.image.path, text)
    }

    fn programs(&self) -> Option<BootRemark> {
        // The scripts and rules of every maker call it by this name.
        let lacks = !self.contents.has_program("mdadm");
        lacks.then(|| self.fails(format!("it has no program mdadm, which has to start {}", self.shown())))
    }

    fn shown(&self) -> String {
        self.needed.iter().map(|array| array.path.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn rules(&self) -> Vec<BootRemark> {
        let has = |name: &str| self.contents.has(name);
        let scans = self.contents.names.iter().any(|name| name.ends_with("scripts/local-block/mdadm"));
        let joins = has("64-md-raid-assembly.rules")
            || has("65-md-incremental.rules")
            || has("65-md-incremental-imsm.rules");
        let mut remarks = Vec::new();
        if !joins && scans {
            remarks.push(self.risk("udev's rule 64-md-raid-assembly.rules is not in it: only a script that searches starts arrays"));
        } else if !joins {
            remarks.push(self.fails(
                "udev's rule 64-md-raid-assembly.rules is not in it: nothing takes members into arrays",
            ));
        }
        if !has("63-md-raid-arrays.rules") {
            let text = "udev's rule 63-md-raid-arrays.rules is not in it: arrays get no links, by which the root is waited for";
            remarks.push(if scans { self.risk(text) } else { self.fails(text) });
        }
        remarks
    }

    fn drivers(&self) -> Vec<BootRemark> {
        let mut wanted: BTreeMap<&str, String> = BTreeMap::new();
        for array in &self.needed {
            for driver in array.level.and_then(module).into_iter().chain(["md_mod"]) {
                wanted.insert(driver, array.path.clone());
            }
        }
        for (name, kinds) in early(self.seen).flat_map(|mount| &mount.mapped) {
            wanted.insert("dm_mod", name.clone());
            if kinds.iter().any(|kind| kind.starts_with("snapshot")) {
                wanted.insert("dm_snapshot", name.clone());
            }
        }
        let has = |driver: &str| {
            self.contents.has_driver(driver)
                || self.kernel.builtin.iter().any(|own| own.replace('-', "_") == driver)
        };
        // The one driver has two names.
        let lacks = |(driver, _): &(&str, String)| !(has(driver) || *driver == "linear" && has("md_linear"));
        let missing = wanted.into_iter().filter(lacks);
        missing
            .map(|(driver, of)| self.fails(format!("the driver {driver} is not in it, which {of} needs")))
            .collect()
    }

    /// dracut assembles nothing unless the kernel's words ask for it.
    fn gate(&self) -> Vec<BootRemark> {
        if self.contents.maker() != BootMaker::Dracut {
            return Vec::new();
        }
        let own = self.contents.texts.iter().filter(|(name, _)| name.contains("etc/cmdline"));
        let own = own.flat_map(|(_, text)| text.split_whitespace());
        let words: Vec<&str> = self.seen.command_line.iter().map(String::as_str).chain(own).collect();
        let is_on = |name: &str| {
            let mut values = words.iter().filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            let bare = words.contains(&name);
            bare || values.next_back().is_some_and(|value| !matches!(value, "0" | "no" | "off"))
        };
        let is_off =
            words.iter().any(|word| matches!(*word, "rd.md=0" | "rd.md=no" | "rd_NO_MD" | "rd_NO_MDRAID"));
        if is_off {
            return vec![self.fails("the kernel command line switches arrays off (rd.md=0)")];
        }
        let digits =
            |text: &str| text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_lowercase();
        let uuids: Vec<String> = words
            .iter()
            .filter_map(|word| word.strip_prefix("rd.md.uuid=").or(word.strip_prefix("rd_MD_UUID=")))
            .map(digits)
            .collect();
        if uuids.is_empty() && is_on("rd.auto") {
            return Vec::new();
        }
        let is_named = |uuid: MdUuid| uuids.contains(&digits(&uuid.to_string()));
        let lacking = self.needed.iter().filter(|array| !array.uuid.is_some_and(is_named));
        let uuid =
            |array: &&BootArray| array.uuid.map_or_else(String::new, |uuid| format!(" rd.md.uuid={uuid}"));
        let one = |array: &&BootArray| {
            self.fails(format!(
                "dracut starts arrays only where the kernel command line names them or says rd.auto=1, and it does not name {}: add{}",
                array.path,
                uuid(array)
            ))
        };
        lacking.map(one).collect()
    }

    fn configuration(&self) -> Vec<BootRemark> {
        let own = self.contents.texts.iter().filter(|(name, _)| name.contains("mdadm"));
        let (config, _) = conf::parse(own.map(|(name, text)| (name.as_str(), text.as_str())));
        let (of_system, _) =
            conf::parse(self.seen.config.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        self.needed.iter().filter_map(|array| self.line(array, &config, &of_system)).collect()
    }

    /// What the image's configuration says of an array.
    fn line(&self, array: &BootArray, config: &Config, of_system: &Config) -> Option<BootRemark> {
        let uuid = array.uuid?;
        let of = |config: &Config| {
            config.arrays.iter().find(|line| line.uuid == Some(uuid)).map(|line| line.name.clone())
        };
        let (here, system) = (of(config), of(of_system));
        if here == Some(ArrayLineName::Ignore) {
            return Some(self.fails(format!("its mdadm.conf has {} ignored", array.path)));
        }
        let family = if array.metadata.starts_with("0.") { FormatFamily::V0 } else { FormatFamily::V1 };
        let verdict = policy::auto(config.auto.iter().flatten(), family);
        if here.is_none() && verdict == PolicyVerdict::No {
            let text = format!(
                "AUTO in its mdadm.conf keeps arrays without an ARRAY line away, and {} has none there",
                array.path
            );
            return Some(self.fails(text));
        }
        let both = here.zip(system.clone());
        match both {
            Some((ArrayLineName::Word(here), ArrayLineName::Word(system))) if here != system => {
                Some(self.risk(format!(
                    "its mdadm.conf calls {} {here}, and that of the system {system}",
                    array.path
                )))
            }
            None if system.is_some() && !config.arrays.is_empty() => Some(
                self.risk(format!("its mdadm.conf does not have the system's ARRAY line of {}", array.path)),
            ),
            _ => None,
        }
    }
}

//! `--examine`.

use std::collections::BTreeMap;
use superblock::Native;

use anyhow::Result;

use super::{DONE, FAILED, print};
use crate::{
    inventory::{self, Format, Nodes, Shown, SuperblockMissing, SuperblockSeen},
    kernel::Machine,
    model::{DevId, detail::MemberSuperblock},
    report::examine::{
        self, ExamineAnswer, ExamineReport, Examined, Mbr, PartitionEntry, Superblock, V0, V1,
    },
    request::{Common, MiscRequest},
    ui::Ui,
};

/// Shows what the superblocks on devices say.
pub(super) fn run(request: &MiscRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let config = super::configured(common, ui)?;
    let host = inventory::homehost(common.homehost.as_ref(), common.ignore_homehost, &config);
    let paths: Vec<String> = if request.devices.is_empty() {
        if !request.scan {
            ui.error("No devices to examine");
            return Ok(2);
        }
        inventory::candidates_afresh(machine, &config)?
    } else {
        request.devices.iter().map(|(_, path)| path.display().to_string()).collect()
    };
    if paths.is_empty() {
        ui.error("No devices listed in the configuration");
        return Ok(FAILED);
    }
    let seen = inventory::superblocks(machine, &paths, request.metadata);
    let form = Form {
        brief: common.brief || request.scan && common.verbose < 2,
        scan: request.scan,
        export: common.export,
        asked: request.metadata.is_some(),
    };
    let mut answers = Answers { form, ui, status: DONE, found: vec![], json: common.json.then(Vec::new) };
    // Only 0.90 has device numbers to name.
    let names = if seen.iter().any(SuperblockSeen::names_devices) {
        Nodes::walk(machine).all()
    } else {
        BTreeMap::new()
    };
    for SuperblockSeen { path, found } in seen {
        match found {
            Ok(shown) => answers.shown(path, &shown, |shown| superblock(shown, &names, host.as_deref())),
            Err(nothing) => answers.nothing(path, nothing),
        }
    }
    answers.finish(common.verbose > 0)
}

#[derive(Clone, Copy)]
struct Form {
    brief: bool,
    scan: bool,
    export: bool,
    /// A format was asked for.
    asked: bool,
}

struct Answers<'a> {
    form: Form,
    ui: &'a Ui,
    status: u8,
    /// For the lists, which come last.
    found: Vec<Examined>,
    json: Option<Vec<ExamineAnswer>>,
}

impl Answers<'_> {
    fn shown(&mut self, device: String, shown: &Shown, value: impl Fn(&Shown) -> Superblock) {
        // A scan passes over what it cannot read, as over what it cannot open.
        let unread: &[String] = if self.form.scan { &[] } else { &shown.unread };
        for note in shown.notes.iter().chain(unread) {
            self.complain(note);
        }
        let examined = Examined { device, size_bytes: shown.size.0, superblock: value(shown) };
        for refusal in examined.refusals(self.form.export && !self.form.brief) {
            self.complain(&format!("{}: {refusal}", examined.device));
        }
        // The whole text says it in its place.
        if let Some(doubt) = shown.doubt.as_ref().filter(|_| self.form.brief || self.form.export) {
            self.ui.warn(doubt);
        }
        let zone = inventory::local_zone();
        if let Some(json) = &mut self.json {
            json.push(ExamineAnswer::Found(Box::new(examined)));
        } else if self.form.brief {
            if matches!(examined.superblock, Superblock::Mbr(_)) && !self.form.scan {
                self.ui.error(&format!("No brief listing for mbr on {}", examined.device));
            }
            if examined.is_of_this_machine() {
                self.found.push(examined);
            }
        } else if self.form.export {
            print(&examined.export());
        } else {
            print(&examined.text(&zone));
        }
    }

    fn complain(&mut self, text: &str) {
        self.ui.error(text);
        self.status = FAILED;
    }

    fn nothing(&mut self, device: String, nothing: SuperblockMissing) {
        let Form { brief, scan, asked, .. } = self.form;
        let failed = !matches!(nothing, SuperblockMissing::Absent | SuperblockMissing::NotAsAsked(_));
        let silent = matches!(nothing, SuperblockMissing::Silent(_));
        let (texts, said) = match nothing {
            SuperblockMissing::Unopened(why) => (vec![format!("cannot open {device}: {why}")], !scan),
            SuperblockMissing::Silent(why) => (vec![why], true),
            SuperblockMissing::Absent => (vec![format!("No md superblock detected on {device}.")], !brief),
            SuperblockMissing::NotAsAsked(reasons) => (reasons, !brief && !scan),
            SuperblockMissing::Damaged(reasons) => (reasons, true),
            SuperblockMissing::Unread(reasons) => (reasons, !scan),
        };
        if let Some(json) = &mut self.json {
            json.push(ExamineAnswer::Not { device, error: texts.join("; ") });
        } else if said {
            texts.iter().for_each(|text| self.ui.error(text));
        }
        // As the original: what is not there in the format that was asked for is no failure.
        let left_out = silent && scan;
        if said && (!asked || failed) && !left_out {
            self.status = FAILED;
        }
    }

    fn finish(self, verbose: bool) -> Result<u8> {
        if let Some(json) = self.json {
            print(&format!("{}\n", serde_json::to_string_pretty(&ExamineReport::new(json))?));
        } else if self.form.brief {
            print(&examine::brief(&self.found, verbose));
        }
        Ok(self.status)
    }
}

fn superblock(shown: &Shown, names: &BTreeMap<DevId, String>, host: Option<&str>) -> Superblock {
    match &shown.format {
        Format::Md(MemberSuperblock { native: Native::V1(sb), bitmap }) => {
            Superblock::V1(Box::new(V1::of(sb, bitmap.as_deref(), shown.size.sectors(), host)))
        }
        Format::Md(MemberSuperblock { native: Native::V0(sb), .. }) => {
            Superblock::V0(Box::new(V0::of(sb, names, host)))
        }
        Format::Mbr(table) => {
            let partition = |entry: superblock::mbr::Entry| PartitionEntry {
                start_sectors: entry.start,
                size_sectors: entry.count,
                kind: entry.kind,
            };
            let used = |entry: superblock::mbr::Entry| (entry.count != 0).then(|| partition(entry));
            Superblock::Mbr(Mbr { partitions: table.entries.map(used) })
        }
    }
}

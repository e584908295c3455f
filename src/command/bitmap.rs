//! `--examine-bitmap` and `--examine-badblocks`.

use anyhow::Result;
use serde::Serialize;

use super::{DONE, FAILED, print};
use crate::{
    inventory::{self, NoBitmap, NoLog},
    report::bitmap::{BadBlocks, BitmapAnswer, BitmapOfMember, BitmapReport},
    request::{Common, MiscRequest},
    ui::Ui,
};

fn paths(request: &MiscRequest) -> Vec<String> {
    let of_this = request.devices.iter().filter(|(action, _)| *action == request.action);
    of_this.map(|(_, path)| path.display().to_string()).collect()
}

/// Shows the bitmaps of members.
pub(super) fn bitmaps(request: &MiscRequest, common: &Common, ui: &Ui) -> Result<u8> {
    let mut answers = Answers::new("mdctl.bitmap.1", common, ui);
    for seen in inventory::bitmaps(&paths(request), request.metadata, common.brief) {
        match seen.found {
            Ok(found) => {
                let bitmap = BitmapOfMember::of(&seen.path, &found);
                // The original's status: what it cannot read at all is a failure, the rest is a remark.
                let status = if bitmap.is_known() { DONE } else { FAILED };
                let (text, defects) = (bitmap.text(), bitmap.defects.clone());
                answers.found(bitmap, &text, &defects, status);
            }
            Err(nothing) => answers.nothing(seen.path.clone(), no_bitmap(&seen.path, nothing)),
        }
    }
    answers.finish()
}

fn no_bitmap(path: &str, why: NoBitmap) -> Vec<String> {
    match why {
        NoBitmap::Unopened(why) => vec![format!("failed to open bitmap file {path}: {why}")],
        NoBitmap::NotBlock => vec![format!("bitmap file is not supported {path}")],
        NoBitmap::NoSuperblock(texts) => texts,
        NoBitmap::NotPossible(format) => vec![format!("No bitmap possible with {format} metadata")],
        NoBitmap::Absent(why) => {
            let reason = why.map(|why| format!("{path}: {why}"));
            [format!("{path} doesn't have bitmap")].into_iter().chain(reason).collect()
        }
        NoBitmap::Damaged(why) => vec![format!("{path}: {why}")],
    }
}

/// Shows the bad-block logs of members.
pub(super) fn bad_blocks(request: &MiscRequest, common: &Common, ui: &Ui) -> Result<u8> {
    let mut answers = Answers::new("mdctl.bad-blocks.1", common, ui);
    for seen in inventory::bad_blocks(&paths(request), request.metadata) {
        let path = &seen.path;
        match seen.found {
            Ok(log) => {
                let log = BadBlocks::of(path, &log);
                let text = log.text();
                answers.found(log, &text, &[], DONE);
            }
            Err(NoLog::Unopened(why)) => {
                answers.nothing(path.clone(), vec![format!("cannot open {path}: {why}")]);
            }
            Err(NoLog::NoSuperblock(texts)) => answers.nothing(path.clone(), texts),
            Err(NoLog::NotPossible(format)) => {
                let text = format!("{format} metadata does not support badblocks");
                answers.nothing(path.clone(), vec![text]);
            }
            Err(NoLog::Damaged(why)) => answers.nothing(path.clone(), vec![format!("{path}: {why}")]),
        }
    }
    answers.finish()
}

/// Printed one by one, or as JSON all together.
struct Answers<'a, T> {
    schema: &'static str,
    json: Option<Vec<BitmapAnswer<T>>>,
    status: u8,
    ui: &'a Ui,
}

impl<'a, T: Serialize> Answers<'a, T> {
    fn new(schema: &'static str, common: &Common, ui: &'a Ui) -> Self {
        Self { schema, json: common.json.then(Vec::new), status: DONE, ui }
    }

    fn found(&mut self, value: T, text: &str, defects: &[String], status: u8) {
        self.status |= status;
        match &mut self.json {
            Some(json) => json.push(BitmapAnswer::Found(value)),
            None => {
                defects.iter().for_each(|defect| self.ui.error(defect));
                print(text);
            }
        }
    }

    fn nothing(&mut self, device: String, texts: Vec<String>) {
        self.status |= FAILED;
        match &mut self.json {
            Some(json) => json.push(BitmapAnswer::Not { device, error: texts.join("; ") }),
            None => texts.iter().for_each(|text| self.ui.error(text)),
        }
    }

    fn finish(self) -> Result<u8> {
        if let Some(devices) = self.json {
            let report = BitmapReport { schema: self.schema, devices };
            print(&format!("{}\n", serde_json::to_string_pretty(&report)?));
        }
        Ok(self.status)
    }
}

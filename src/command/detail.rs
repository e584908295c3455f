//! `--detail`.

use anyhow::Result;

use super::{FAILED, print};
use crate::{
    inventory::{self, Absent, DetailLook, Nodes},
    kernel::Machine,
    report::detail::{Detail, DetailAnswer, DetailReport, Form},
    request::{Common, MiscRequest},
    ui::Ui,
};

/// Exit status where there is nothing to test.
const NO_INFORMATION: u8 = 4;

/// Shows the arrays that are named, or with `--scan` all.
pub(super) fn run(request: &MiscRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let nodes = Nodes::walk(machine);
    let map = inventory::map_entries_if_any(machine)?;
    let mut status = 0;
    let paths = if request.devices.is_empty() {
        if !request.scan {
            ui.error("No devices given.");
            return Ok(2);
        }
        let all = inventory::arrays_in_order(machine, map.as_deref().unwrap_or_default(), &nodes)?;
        let mut paths = vec![];
        for name in all {
            match name {
                Ok(path) => paths.push(path),
                Err(kernel_name) => ui.error(&format!("cannot find device file for {kernel_name}")),
            }
        }
        paths
    } else {
        request.devices.iter().map(|(_, path)| path.display().to_string()).collect()
    };
    let show = Show::new(request, common, machine, &nodes, map.as_deref(), ui)?;
    let mut json = vec![];
    for path in &paths {
        let (answer, one) = show.one(path);
        status |= one;
        json.push(answer);
    }
    if common.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&DetailReport::new(json))?));
    }
    Ok(status)
}

struct Show<'a> {
    look: DetailLook<'a>,
    common: &'a Common,
    brief: bool,
    host: Option<String>,
    ui: &'a Ui,
}

impl<'a> Show<'a> {
    fn new(
        request: &MiscRequest,
        common: &'a Common,
        machine: &'a Machine,
        nodes: &'a Nodes,
        map: Option<&'a [crate::model::world::MapEntry]>,
        ui: &'a Ui,
    ) -> Result<Self> {
        let config = super::configured_or_not(common, ui);
        let host = inventory::homehost(common.homehost.as_ref(), common.ignore_homehost, &config);
        let look = DetailLook { machine, nodes, map, prefer: common.prefer.as_deref() };
        let brief = common.brief || request.scan && common.verbose < 2;
        Ok(Self { look, common, brief, host, ui })
    }

    /// One array: printed, unless JSON takes all together.
    fn one(&self, path: &str) -> (DetailAnswer, u8) {
        let array = match self.look.at(path) {
            Ok(array) => array,
            Err(absent) => {
                let error = self.absent(path, absent);
                let status = if self.common.test { NO_INFORMATION } else { FAILED };
                return (DetailAnswer::Not { device: path.to_owned(), error }, status);
            }
        };
        if array.superblock.as_ref().is_some_and(|superblock| !superblock.native.checksum_ok()) {
            self.ui.warn(&format!(
                "{path}: no member has a superblock with a right checksum; this is from a wrong one"
            ));
        }
        let detail = Detail::of(&array, self.host.as_deref());
        let form = Form { verbose: self.common.verbose > 0, no_devices: self.common.no_devices };
        if self.common.json {
        } else if self.common.export {
            print(&detail.export(form));
        } else if self.brief {
            print(&detail.brief(form));
        } else {
            print(&detail.text(&inventory::local_zone(), form));
        }
        // The keys are made before anything is tested.
        let tested = self.common.test && (!self.common.export || self.common.json);
        let status = if tested { detail.test_status() } else { 0 };
        (DetailAnswer::Found(Box::new(detail)), status)
    }

    fn absent(&self, path: &str, absent: Absent) -> String {
        let text = match absent {
            Absent::Unopened(why) => format!("cannot open {path}: {why}"),
            Absent::NotMd => format!("{path} does not appear to be an md device"),
            Absent::Empty => format!("Array associated with md device {path} does not exist."),
            Absent::Unanswered(why) => format!("cannot get array detail for {path}: {why}"),
        };
        if !self.common.json {
            self.ui.error(&text);
        }
        text
    }
}

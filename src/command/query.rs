//! `--query`.

use std::path::Path;

use anyhow::Result;

use super::{DONE, FAILED, print};
use crate::{
    inventory,
    kernel::{KernelError, Machine},
    report::query::{Query, QueryAnswer, QueryReport},
    request::{Common, MiscRequest},
    ui::Ui,
};

/// Says of each device what array it is and what array it belongs to.
pub(super) fn run(request: &MiscRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    if request.devices.is_empty() {
        ui.error("No devices given.");
        return Ok(2);
    }
    let map = inventory::map_entries(machine)?;
    let native = ui.program() == super::NATIVE;
    let mut status = DONE;
    let mut json = vec![];
    for (_, path) in &request.devices {
        let queried = inventory::query(machine, &map, Path::new(path));
        let queried = match &queried {
            Ok(query) => query.unknown().map_or(Ok(query), |why| Err(why.to_owned())),
            Err(error) => Err(cannot_open(path, error)),
        };
        for remark in queried.iter().flat_map(|query| query.doubt.iter().chain(&query.silent)) {
            ui.warn(remark);
        }
        match queried {
            Ok(query) if common.json => {
                json.push(QueryAnswer::Found(Query::of(&path.to_string_lossy(), query)))
            }
            Ok(query) => drop(print(&Query::of(&path.to_string_lossy(), query).text(native))),
            Err(error) => {
                status = FAILED;
                if common.json {
                    json.push(QueryAnswer::Not { device: path.display().to_string(), error });
                } else {
                    ui.error(&error);
                }
            }
        }
    }
    if common.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&QueryReport::new(json))?));
    }
    Ok(status)
}

fn cannot_open(path: &Path, error: &KernelError) -> String {
    let why = error.errno().map_or_else(|| error.to_string(), |errno| errno.desc().to_owned());
    format!("cannot open {}: {why}", path.display())
}

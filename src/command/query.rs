//! `--query`.

use std::path::Path;

use anyhow::Result;

use super::{DONE, FAILED, print};
use crate::{
    inventory,
    kernel::Machine,
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
    let mut status = DONE;
    let mut json = vec![];
    for (_, path) in &request.devices {
        let queried = inventory::query(machine, &map, Path::new(path));
        if let Some(doubt) = queried.as_ref().ok().and_then(|query| query.doubt.as_ref()) {
            ui.warn(doubt);
        }
        match queried {
            Ok(query) if common.json => {
                json.push(QueryAnswer::Found(Query::of(&path.to_string_lossy(), &query)))
            }
            Ok(query) => drop(print(&Query::of(&path.to_string_lossy(), &query).text())),
            Err(error) => {
                let why = error.errno().map_or_else(|| error.to_string(), |errno| errno.desc().to_owned());
                let error = format!("cannot open {}: {why}", path.display());
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

//! `create`.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::Work;
use crate::{
    cli,
    command::refuse,
    kernel::files,
    plan::{
        Refusal,
        volume::create::{self, MakingVolumes},
    },
    request::volume::CreateVolumes,
};

/// The most that a file of volumes is believed to be.
const LONGEST: u64 = 16 << 20;

/// Makes volumes.
pub(super) fn run(work: &Work<'_>, request: &CreateVolumes) -> Result<u8> {
    let mut request = request.clone();
    if let Some(file) = &request.from {
        match from_file(file) {
            Ok(volumes) => request.volumes = volumes,
            Err(why) => {
                let why = Refusal::new(format!("{}: {why:#}", file.display())).status(2);
                return Ok(refuse(&why, work.common, work.ui));
            }
        }
    }
    let Some(group) = request.volumes.first().map(|new| new.name.group.clone()) else {
        return Ok(refuse(&Refusal::new("there is no volume to be made"), work.common, work.ui));
    };
    if let Some(other) = request.volumes.iter().find(|new| new.name.group != group) {
        let why = Refusal::new(format!("{} is of another group than {group}", other.name))
            .hint("volumes are made all or none, and that is possible in one group at a time");
        return Ok(refuse(&why, work.common, work.ui));
    }
    let look = create::look(&request, &group, &work.words());
    work.change(look, MakingVolumes { request: &request })
}

fn from_file(file: &Path) -> Result<Vec<crate::request::volume::NewVolume>> {
    let text = files::read(file, LONGEST)?.context("there is no such file")?;
    cli::volume::volumes(&String::from_utf8_lossy(&text)).map_err(anyhow::Error::msg)
}

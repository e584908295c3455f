//! `create`.

use std::{cell::RefCell, path::Path};

use anyhow::{Context as _, Result};

use super::{Work, one};
use crate::{
    cli,
    command::refuse,
    inventory,
    kernel::{files, host, node},
    model::{Below, DevId, volume::FoundGroup},
    plan::{
        Refusal, Warning,
        volume::{create, edit::Means},
    },
    request::volume::{CreateVolumes, PvWord, Wipe},
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
    let words = request.volumes.iter().flat_map(|new| &new.on);
    let named = numbers(words);
    work.change(|groups| {
        let found = one(groups, &group)?;
        let below = below(work, found);
        let mut said: Vec<Warning> = create::below(found, &below)?;
        let pv_of = pv_of(found, &named);
        let random: Result<Vec<[u8; 32]>, _> =
            (0..create::identities(&request.volumes)).map(|_| host::random_bytes()).collect();
        let mut means = Means {
            pv_of: &pv_of,
            stripes: found.stripes(),
            fresh: create::fresh(random?),
            host: host::hostname().unwrap_or_default(),
            now: i64::try_from(host::now().0).unwrap_or(0),
        };
        let (after, more) = create::edited(found, &request.volumes, &mut means)?;
        said.extend(more);
        let names = request.volumes.iter().map(|new| new.name.volume.as_str());
        let old = match request.wipe {
            Wipe::No => Default::default(),
            Wipe::Ask | Wipe::Yes => inventory::in_place_of(found, &after, names)?,
        };
        Ok(create::plan(found, (&after, said), &request, &old, &work.stamp()).map(Some))
    })
}

fn from_file(file: &Path) -> Result<Vec<crate::request::volume::NewVolume>> {
    let text = files::read(file, LONGEST)?.context("there is no such file")?;
    cli::volume::volumes(&String::from_utf8_lossy(&text)).map_err(anyhow::Error::msg)
}

/// What a group stands on.
pub(super) fn below(work: &Work<'_>, found: &FoundGroup) -> Vec<Below> {
    found.present().map(|(_, pv)| inventory::below_of(work.machine, pv.dev, &pv.path)).collect()
}

/// Numbers of devices that were named, for they have many paths.
pub(super) fn numbers<'a>(words: impl Iterator<Item = &'a PvWord>) -> Vec<(String, DevId)> {
    let known: RefCell<Vec<(String, DevId)>> = RefCell::default();
    for word in words {
        let is_known = known.borrow().iter().any(|(path, _)| *path == word.path);
        if let (false, Ok(Some(dev))) = (is_known, node::number_of(Path::new(&word.path))) {
            known.borrow_mut().push((word.path.clone(), dev));
        }
    }
    known.into_inner()
}

/// Which of the group's physical volumes a path is.
pub(super) fn pv_of<'a>(
    found: &'a FoundGroup,
    named: &'a [(String, DevId)],
) -> impl Fn(&str) -> Option<usize> + 'a {
    |path| {
        let dev = named.iter().find(|(known, _)| known == path).map(|(_, dev)| *dev)?;
        found.present().find(|(_, pv)| pv.dev == dev).map(|(index, _)| index)
    }
}

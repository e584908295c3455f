//! The path of an array that the kernel has and the map does not: the one that it would have got.

use crate::{
    config::conf::ArrayLineName as LineName,
    model::RunningArray,
    plan::{
        assemble::{Claim, Session, session::identifies},
        naming,
    },
};

/// By its ARRAY line, else by the name in the metadata; the kernel's where that is a number of its own.
pub(super) fn path(session: &Session<'_>, array: &RunningArray, claim: &Claim) -> String {
    let line = session.config.arrays.iter().filter(|line| identifies(line, claim)).find_map(|line| {
        let LineName::Word(word) = &line.name else { return None };
        Some(if word.starts_with('/') { word.clone() } else { format!("/dev/md/{word}") })
    });
    let named = || {
        let found = naming::found(&claim.name(), session.trust(claim), &session.world, session.config);
        found.ok().map(|chosen| chosen.array.path)
    };
    let path = line.or_else(named).filter(|path| path.starts_with("/dev/md/"));
    path.unwrap_or_else(|| format!("/dev/{}", array.name))
}

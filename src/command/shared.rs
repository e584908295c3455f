//! What `explain` and `status` begin with.

use anyhow::Result;

use crate::{
    config::Config,
    inventory,
    kernel::{Machine, terminal},
    model::Sight,
    plan::assemble::{CandidatePath, Options, Session},
    report::status::TextView,
    request::Common,
};

/// How text is to look on standard output.
pub(super) fn view() -> TextView {
    let terminal = terminal::standard_output();
    TextView {
        width: terminal.map(|terminal| terminal.width),
        colour: terminal.is_some_and(|terminal| terminal.colour),
    }
}

/// What assembly would start from.
pub(super) fn session<'a>(
    machine: &Machine,
    config: &'a Config,
    common: &Common,
    sights: &[Sight],
) -> Result<Session<'a>> {
    let world = inventory::world(machine, 0)?;
    let candidates = sights.iter().map(|sight| CandidatePath::new(sight, None)).collect();
    let options = Options { partial: true, ..Options::default() };
    let by_path = inventory::by_path(machine, config);
    Ok(Session { candidates, world, options, by_path, ..Session::new(config, super::home(common, config)) })
}

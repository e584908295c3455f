//! What `explain` and `status` begin with.

use anyhow::Result;

use crate::{
    config::Config,
    inventory,
    kernel::{Machine, terminal},
    model::Sight,
    plan::assemble::{CandidatePath, Home, Options, Session},
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
    let ignore = common.ignore_homehost || config.home_host.ignore;
    let host = inventory::homehost(common.homehost.as_ref(), common.ignore_homehost, config);
    let candidates = sights.iter().map(|sight| CandidatePath::new(sight, None)).collect();
    let options = Options { partial: true, ..Options::default() };
    Ok(Session {
        candidates,
        asked: None,
        world,
        config,
        home: Home { host, required: !ignore },
        options,
        updating: None,
        by_path: inventory::by_path(machine, config),
    })
}

//! `--assemble`.

use std::{path::Path, sync::Arc};

use anyhow::Result;

use super::{cluster, drive::Driver, home, print, refuse, tell_early};
use crate::{
    config::Config,
    inventory,
    kernel::{Machine, node},
    plan::{
        Refusal,
        assemble::{
            AssembleTarget, GatherWish, Options, Session, Updating, WantedIdentity,
            rounds::{self, AssembleJob, Came, Rounds},
        },
    },
    report::assemble::{AssembleArray, AssembleEnd, AssembleReport, LeftOut, Members},
    request::{AssembleRequest, Common, SuperMinor, Update},
    ui::Ui,
};

/// More devices than any array with 0.90 metadata has.
const MOST_OF_V0: usize = 64;

/// Assembles arrays.
pub(super) fn run(request: &AssembleRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    if let Some(refusal) = early(request) {
        return Ok(refuse(&refusal, common, ui));
    }
    let config = super::configured(common, ui)?;
    let job = match job(request, &config) {
        Ok(job) => job,
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    };
    let rounds = Rounds::new(session(request, common, machine, &config), job, identities(request));
    let mut rounds = rounds.native(ui.program() == super::NATIVE);
    let driver = Driver { common, machine, ui, config: &config, own_document: true };
    let status = driver.drive(&mut rounds)?;
    let came = rounds.came();
    for came in came.iter().filter(|came| came.became == rounds::Became::Started) {
        tell_early(&came.message, machine, ui);
    }
    if common.json {
        let arrays = came.iter().map(array).collect();
        let text = serde_json::to_string_pretty(&AssembleReport::new(arrays))?;
        print(&format!("{text}\n"));
    }
    Ok(status)
}

/// What needs no look at anything.
fn early(request: &AssembleRequest) -> Option<Refusal> {
    if request.no_degraded && !request.scan {
        return Some(Refusal::new("--no-degraded not meaningful without a --scan assembly."));
    }
    if request.update == Some(Update::Nodes) && request.nodes.is_none() {
        return Some(Refusal::new("Please specify nodes number with --nodes"));
    }
    None
}

fn job(request: &AssembleRequest, config: &Config) -> Result<AssembleJob, Refusal> {
    if request.nodes.is_some() {
        cluster(request.home_cluster.as_deref(), config)?;
    }
    let words = || request.device.iter().chain(&request.more).map(|word| word.to_string_lossy().into_owned());
    let Some(word) = words().next() else { return Ok(AssembleJob::Scan(identity(request))) };
    if request.scan {
        return Ok(AssembleJob::Lines(words().collect()));
    }
    let mut wish = GatherWish { identity: identity(request), ..GatherWish::default() };
    wish.identity.super_minor = match request.super_minor {
        _ if request.update == Some(Update::SuperMinor) => None,
        None => None,
        Some(SuperMinor::Number(minor)) => Some(minor),
        Some(SuperMinor::OfNode) => match node::number_of(Path::new(&word)) {
            Ok(Some(number)) => Some(number.minor),
            _ => {
                let text = format!("--super-minor=dev given, and listed device {word} doesn't exist.");
                return Err(Refusal::new(text));
            }
        },
    };
    let listed: Vec<String> = request.devices.iter().map(|path| path.display().to_string()).collect();
    wish.listed = !listed.is_empty();
    if listed.is_empty() && wish.identity.is_empty() {
        return Ok(AssembleJob::Lines(vec![word]));
    }
    Ok(AssembleJob::One(AssembleTarget::Wish(Box::new(wish), Some(word)), listed))
}

fn session<'a>(
    request: &AssembleRequest,
    common: &Common,
    machine: &Machine,
    config: &'a Config,
) -> Session<'a> {
    let home = home(common, config);
    let options = Options {
        run: request.run,
        force: request.force,
        no_degraded: request.no_degraded,
        readonly: request.readonly,
        partial: request.devices.is_empty(),
        waits: false,
        invalid_backup: request.invalid_backup,
        stands: request.stands,
    };
    let updating = request.update.map(|what| Updating {
        what,
        uuid: request.uuid,
        name: request.name.clone(),
        host: home.host.clone(),
        nodes: request.nodes,
        cluster: request.home_cluster.clone(),
        unstarted: request.invalid_backup,
        force: request.force,
        fresh: Vec::new(),
    });
    let by_path = inventory::by_path(machine, config);
    let aside =
        request.backup_file.as_ref().map(|file| inventory::named_store(machine, &file.to_string_lossy()));
    let aside = aside.map(Arc::new);
    Session { asked: request.metadata, options, updating, by_path, aside, ..Session::new(config, home) }
}

/// How many random identities the request may need: one for each member at most.
fn identities(request: &AssembleRequest) -> usize {
    match request.update {
        Some(Update::Uuid) => 1,
        Some(Update::Metadata) => request.devices.len().max(MOST_OF_V0),
        _ => 0,
    }
}

/// What is updated is the new value, and not by what the array is known.
fn identity(request: &AssembleRequest) -> WantedIdentity {
    WantedIdentity {
        uuid: request.uuid.filter(|_| request.update != Some(Update::Uuid)),
        name: request.name.clone().filter(|_| request.update != Some(Update::Name)),
        super_minor: match request.super_minor {
            Some(SuperMinor::Number(minor)) => Some(minor),
            Some(SuperMinor::OfNode) | None => None,
        },
        metadata: request.metadata,
        ..WantedIdentity::default()
    }
}

/// What became of an array, for the document.
fn array(came: &Came) -> AssembleArray {
    AssembleArray {
        array: came.array.clone(),
        kernel_name: came.kernel_name.clone(),
        result: match came.became {
            rounds::Became::Started => AssembleEnd::Started,
            rounds::Became::Inactive => AssembleEnd::Inactive,
            rounds::Became::Refused => AssembleEnd::Refused,
            rounds::Became::Failed => AssembleEnd::Failed,
            rounds::Became::NotFound => AssembleEnd::NotFound,
        },
        message: came.message.clone(),
        members: came.count.as_ref().map(|count| Members {
            in_sync: count.whole,
            slots: count.slots,
            rebuilding: count.rebuilding,
            spares: count.spares,
            journals: count.journals,
        }),
        left_out: came
            .out
            .iter()
            .map(|(device, why)| LeftOut { device: device.clone(), reason: why.to_string() })
            .collect(),
    }
}

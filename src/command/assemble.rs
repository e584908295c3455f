//! `--assemble`.

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;

use self::telling::{became, tell};
use super::{DONE, FAILED, cluster, keep, print};
use crate::{
    cli::{
        low::SuperMinor,
        request::{AssembleRequest, Common, Update},
    },
    config::{Config, sources::Sources},
    inventory,
    kernel::{Machine, node},
    plan::{
        Plan, Refusal,
        assemble::{
            Attempt, Candidate, Home, Identity, Options, Outcome, Session, Target, Updating, Verdict, Wish,
            session::{is_line_for, same_names},
        },
    },
    report::assemble::{Array, Assembled, Became},
    ui::Ui,
};

mod telling;

/// More devices than any array with 0.90 metadata has.
const MOST_OF_V0: usize = 64;
/// Exit status where no device fits.
const NOT_FOUND: u8 = 2;

/// Assembles arrays.
pub(super) fn run(request: &AssembleRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    if let Some(refusal) = early(request) {
        return Ok(tell(&refusal, ui));
    }
    let (config, diagnostics) = inventory::configuration(&Sources::from_option(common.config.as_deref()))?;
    for diagnostic in diagnostics {
        ui.error(&diagnostic.text);
    }
    if request.nodes.is_some() {
        if let Err(refusal) = cluster(request.home_cluster.as_deref(), &config) {
            return Ok(tell(&refusal, ui));
        }
    }
    let mut work = Work::new(request, common, machine, ui, &config)?;
    let status = match &request.device {
        None => work.scan(request)?,
        Some(_) if request.scan => work.words(request)?,
        Some(word) => work.word(&word.to_string_lossy(), request)?,
    };
    if common.json {
        let text = serde_json::to_string_pretty(&Assembled::new(work.report))?;
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

/// How far an attempt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// Only arrays that have all members that they had: the others may gain one that stands on these.
    Complete,
    /// Degraded ones too; what fails is kept for the last pass.
    Degraded,
    /// What fails is said.
    Last,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Done,
    Later,
    Failed(u8),
}

/// A decision that waits to be carried out.
struct Ready {
    target: Target,
    outcome: Outcome,
    members: Vec<usize>,
}

/// What is to be done about a target.
enum Next {
    Ended(Ended),
    Ready(Box<Ready>),
}

struct Work<'a> {
    common: &'a Common,
    machine: &'a Machine,
    ui: &'a Ui,
    session: Session<'a>,
    report: Vec<Array>,
}

impl<'a> Work<'a> {
    fn new(
        request: &AssembleRequest,
        common: &'a Common,
        machine: &'a Machine,
        ui: &'a Ui,
        config: &'a Config,
    ) -> Result<Self> {
        let mut world = inventory::world(machine, identities(request))?;
        let ignore = common.ignore_homehost || config.home_host.ignore;
        let host = inventory::homehost(common.homehost.as_ref(), common.ignore_homehost, config);
        let options = Options {
            run: request.run,
            force: request.force,
            no_degraded: request.no_degraded,
            readonly: request.readonly,
            partial: request.devices.is_empty(),
        };
        let updating = request.update.map(|what| Updating {
            what,
            uuid: request.uuid,
            name: request.name.clone(),
            host: host.clone(),
            nodes: request.nodes,
            cluster: request.home_cluster.clone(),
            unstarted: request.invalid_backup,
            force: request.force,
            fresh: std::mem::take(&mut world.fresh),
        });
        let home = Home { host, required: !ignore };
        let asked = request.metadata;
        let by_path = inventory::by_path(machine, config);
        let session =
            Session { candidates: Vec::new(), asked, world, config, home, options, updating, by_path };
        Ok(Self { common, machine, ui, session, report: Vec::new() })
    }

    /// One array by its name.
    fn word(&mut self, word: &str, request: &AssembleRequest) -> Result<u8> {
        let mut wish = Wish { identity: identity(request), ..Wish::default() };
        wish.identity.super_minor = match request.super_minor {
            _ if request.update == Some(Update::SuperMinor) => None,
            None => None,
            Some(SuperMinor::Number(minor)) => Some(minor),
            Some(SuperMinor::OfNode) => match node::number_of(Path::new(word)) {
                Ok(Some(number)) => Some(number.minor),
                _ => {
                    let text = format!("--super-minor=dev given, and listed device {word} doesn't exist.");
                    return Ok(tell(&Refusal::new(text), self.ui));
                }
            },
        };
        if !request.devices.is_empty() {
            wish.listed = true;
            let paths: Vec<String> = request.devices.iter().map(|path| path.display().to_string()).collect();
            self.look(&paths, true);
            return Ok(self.one(&Target::Wish(Box::new(wish), Some(word.to_owned()))));
        }
        if wish.identity.is_empty() {
            return self.line(word);
        }
        self.look_everywhere()?;
        Ok(self.one(&Target::Wish(Box::new(wish), Some(word.to_owned()))))
    }

    /// Arrays by their names, each from its ARRAY line.
    fn words(&mut self, request: &AssembleRequest) -> Result<u8> {
        let mut status = DONE;
        for word in request.device.iter().chain(&request.more) {
            status |= self.line(&word.to_string_lossy())?;
        }
        Ok(status)
    }

    fn line(&mut self, word: &str) -> Result<u8> {
        let Some(nth) = self.session.config.arrays.iter().position(|line| is_line_for(line, word)) else {
            let text = format!("{word} not identified in config file.");
            return Ok(tell(&Refusal::new(text), self.ui));
        };
        if self.session.candidates.is_empty() {
            self.look_everywhere()?;
        }
        Ok(self.one(&Target::Line(nth)))
    }

    /// All that the configuration lists; all that is found where it lists nothing, or not what is asked for.
    fn scan(&mut self, request: &AssembleRequest) -> Result<u8> {
        let identity = identity(request);
        if let Some(text) = same_names(self.session.config) {
            self.ui.error(&text);
            self.ui.error("Duplicate MD device names in conf file were found.");
            return Ok(FAILED);
        }
        let lines = self.session.lines(&identity);
        self.look_everywhere()?;
        if !lines.is_empty() {
            return self.rounds(|_| lines.clone());
        }
        if self.session.home.host.is_none() {
            self.ui.error("No arrays found in config file");
            return Ok(FAILED);
        }
        self.ui.detail("looking for devices for further assembly");
        let nothing = self.session.candidates.iter().filter_map(Candidate::nothing);
        nothing.for_each(|text| self.ui.detail(&text));
        let mut started = false;
        self.rounds_noting(|session| session.found(&identity), &mut started)?;
        if started {
            return Ok(DONE);
        }
        self.ui.error("No arrays found in config file or automatically");
        Ok(FAILED)
    }

    fn one(&mut self, target: &Target) -> u8 {
        loop {
            match self.decide(target, Pass::Last) {
                Next::Ended(Ended::Failed(status)) => return status,
                Next::Ended(_) => return DONE,
                Next::Ready(ready) => match self.carry_out(vec![*ready]).pop() {
                    Some((_, Some(Ended::Failed(status)))) => return status,
                    Some((_, Some(_))) => return DONE,
                    Some((_, None)) | None => {}
                },
            }
        }
    }

    fn rounds(&mut self, targets: impl Fn(&Session<'_>) -> Vec<Target>) -> Result<u8> {
        self.rounds_noting(targets, &mut false)
    }

    /// Until nothing more comes up. An array that was started may be a member of another one, so complete arrays come
    /// first, and each round looks at what is new. Every round ends something, so there are no more than arrays.
    fn rounds_noting(
        &mut self,
        targets: impl Fn(&Session<'_>) -> Vec<Target>,
        started: &mut bool,
    ) -> Result<u8> {
        let mut ended: Vec<Target> = Vec::new();
        let mut status = DONE;
        let mut pass = Pass::Complete;
        loop {
            let mut progress = false;
            let mut ready = Vec::new();
            let mut outcomes = Vec::new();
            for target in targets(&self.session) {
                if ended.contains(&target) {
                    continue;
                }
                match self.decide(&target, pass) {
                    Next::Ended(end) => outcomes.push((target, Some(end))),
                    Next::Ready(found) => ready.push(*found),
                }
            }
            outcomes.extend(self.carry_out(ready));
            for (target, end) in outcomes {
                match end {
                    Some(Ended::Later) => continue,
                    Some(Ended::Done) => (progress, *started) = (true, true),
                    Some(Ended::Failed(failure)) => status |= failure,
                    // A member was not to be had: once more without it.
                    None => {
                        progress = true;
                        continue;
                    }
                }
                ended.push(target);
            }
            pass = match pass {
                _ if progress => {
                    self.look_everywhere()?;
                    Pass::Complete
                }
                Pass::Complete => Pass::Degraded,
                Pass::Degraded => Pass::Last,
                Pass::Last => return Ok(status),
            };
        }
    }

    /// Looks at devices that have not been looked at.
    fn look_everywhere(&mut self) -> Result<()> {
        let paths = inventory::candidates_afresh(self.machine, self.session.config)?;
        let known: BTreeSet<&str> =
            self.session.candidates.iter().map(|candidate| candidate.path.as_str()).collect();
        let new: Vec<String> = paths.into_iter().filter(|path| !known.contains(path.as_str())).collect();
        self.look(&new, false);
        Ok(())
    }

    fn look(&mut self, paths: &[String], explain: bool) {
        let sights = inventory::members(self.machine, paths, explain);
        super::say_silent(&sights, self.ui);
        let new = sights.iter().map(|sight| Candidate::new(sight, self.session.asked));
        let old = std::mem::take(&mut self.session.candidates);
        self.session.candidates = new.chain(old).collect();
    }

    /// Decides about one array, and says what there is to say before it is carried out.
    fn decide(&mut self, target: &Target, pass: Pass) -> Next {
        let Attempt { remarks, result } = self.session.try_target(target);
        let (outcome, members) = match result {
            Ok(decided) => decided,
            Err(_) if pass != Pass::Last => return Next::Ended(Ended::Later),
            Err(stop) => {
                self.say(&remarks);
                return Next::Ended(self.stopped(target, &stop));
            }
        };
        let wait = match pass {
            Pass::Complete => !outcome.is_complete(),
            Pass::Degraded => matches!(outcome.verdict, Verdict::Refuse(_)),
            Pass::Last => false,
        };
        if wait {
            return Next::Ended(Ended::Later);
        }
        self.say(&remarks);
        self.say(&outcome.before);
        if let Verdict::Refuse(text) = &outcome.verdict {
            self.ui.error(text);
            self.note(&outcome, Became::Refused, text);
            return Next::Ended(Ended::Failed(FAILED));
        }
        self.session.record(&outcome, &members);
        if self.common.dry_run {
            if !self.common.json {
                print(&keep::Kept::new(&outcome.plan, self.machine, self.common).plan.to_string());
            }
            self.note(&outcome, became(&outcome), &outcome.done);
            return Next::Ended(Ended::Done);
        }
        Next::Ready(Box::new(Ready { target: target.clone(), outcome, members }))
    }

    /// Carries out what was decided, all at once, and says in their order what came of it. `None`: a member was not to
    /// be had, so it has to be decided again.
    fn carry_out(&mut self, ready: Vec<Ready>) -> Vec<(Target, Option<Ended>)> {
        let plans: Vec<&Plan> = ready.iter().map(|ready| &ready.outcome.plan).collect();
        let results = keep::run_all(&plans, self.machine, self.common);
        let mut ended = Vec::new();
        for (Ready { target, outcome, members }, result) in ready.into_iter().zip(results) {
            let end = match result {
                Ok(()) => {
                    self.started(&outcome);
                    Some(Ended::Done)
                }
                // The array is there, and what shows it will come; mdadm too only says so.
                Err(failure) if failure.committed => {
                    self.ui.error(&format!("{}: {}: {:#}", outcome.name.path, failure.step, failure.cause));
                    self.started(&outcome);
                    Some(Ended::Done)
                }
                Err(failure) => {
                    self.session.forget(&outcome, &members);
                    self.failed(&outcome, &failure)
                }
            };
            ended.push((target, end));
        }
        ended
    }
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
fn identity(request: &AssembleRequest) -> Identity {
    Identity {
        uuid: request.uuid.filter(|_| request.update != Some(Update::Uuid)),
        name: request.name.clone().filter(|_| request.update != Some(Update::Name)),
        super_minor: match request.super_minor {
            Some(SuperMinor::Number(minor)) => Some(minor),
            Some(SuperMinor::OfNode) | None => None,
        },
        metadata: request.metadata,
        ..Identity::default()
    }
}

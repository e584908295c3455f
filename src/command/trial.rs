//! `mdctl trial`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use superblock::Level;

use super::{DONE, assemble, drive::Driver, print, refuse, settings};
use crate::{
    archive::Identity,
    cli::values,
    config::{Config, sources::ConfigSources},
    inventory,
    kernel::{Deadline, Machine, host, node, notes::Notes},
    model::{
        Device,
        trial::{Grounds, Hypothesis, Offer, Scored, Searched, TrialSeen, anchored, search},
        unfinished::Note,
    },
    plan::{
        Refusal, overlay,
        trial::{
            self, Asked, CameOfTries, CarryJob, Carrying, SubjectWord, TrialBench, TrialDevice, Tries,
            TriesJob,
        },
    },
    report::trial::{Numbers, Trial},
    request::{AssembleRequest, Common, TrialRequest},
    ui::Ui,
};

/// So many guesses are shown.
const SHOWN: usize = 8;
/// So often something is said while guesses are looked at.
const SAYS: Duration = Duration::from_secs(5);

/// Looks, guesses, tries, and carries out what is asked for.
pub(super) fn run(request: &TrialRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let prepared = subjects(request, common, machine).and_then(|(paths, listed)| {
        let devices = members(machine, &paths)?;
        let asked = asked(request, listed)?;
        asked.check(devices.len())?;
        let seen = seen(machine, &devices);
        trial::has_one_shape(&seen)?;
        Ok((devices, seen, asked))
    });
    let (devices, seen, asked) = match prepared {
        Ok(prepared) => prepared,
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    };
    let (searched, numbers) = guess(&devices, &seen, &asked, request, ui)?;
    let config = super::configured(common, ui)?;
    let work = Work { request, common, machine, ui, config: &config, devices: &devices, seen: &seen };
    let guesses = searched.best.into_iter().take(SHOWN).collect();
    let mut tries = Tries::new(work.job()?, guesses);
    let status = work.try_them(&mut tries)?;
    let Some(came) = tries.came() else { return Ok(status) };
    work.show(&came, numbers)?;
    match trial::to_carry_out(request.apply, common.dry_run, common.json) {
        _ if status != DONE => Ok(status),
        Some(number) => match came.guess(number) {
            Some(scored) => work.carry_out(number, scored),
            None => Ok(trial::ended(came.guess(1))),
        },
        None => Ok(trial::ended(came.guess(1))),
    }
}

/// What is known of each device, from what is on it and from what was kept of it.
fn seen(machine: &Machine, devices: &[Device]) -> Vec<TrialSeen> {
    let mut seen = trial::seen(devices);
    let paths: Vec<String> = devices.iter().map(|device| device.path.clone()).collect();
    let sighted = inventory::like(machine, &paths, &[]);
    let here: Vec<Identity> = sighted.into_iter().map(|sighted| sighted.identity).collect();
    trial::add_kept(&mut seen, &here, inventory::kept_entries(machine, trial::ENTRIES));
    seen
}

fn guess(
    devices: &[Device],
    seen: &[TrialSeen],
    asked: &Asked,
    request: &TrialRequest,
    ui: &Ui,
) -> Result<(Searched, Numbers)> {
    let families = trial::families(seen, asked);
    let mut known: BTreeMap<trial::Anchor, bool> = BTreeMap::new();
    let looked = inventory::with_members(devices, |members| {
        let mut anchors = |(device, sector, at): trial::Anchor| {
            let look = || members.get(device).is_some_and(|member| anchored(*member, sector, at));
            *known.entry((device, sector, at)).or_insert_with(look)
        };
        let mut guesses = trial::guesses(&families, seen, asked, &mut anchors);
        let nearby = trial::Nearby::new(&families, seen, asked);
        let orders_cut = guesses.orders_cut;
        let mut clock = Clock::new(request.time, ui);
        let mut offers = |take: &mut dyn FnMut(Offer) -> bool| guesses.each(take);
        let near = |scored: &Scored| nearby.of(scored);
        let searched = search(&mut offers, &near, members, request.limit, &mut |tried| clock.goes_on(tried));
        let orders_cut = orders_cut && !searched.settled;
        let numbers =
            Numbers { tried: searched.tried, stopped: searched.stopped, orders_cut, ..Numbers::default() };
        (searched, numbers)
    })?;
    let (searched, numbers) = looked.answer;
    let own = families.iter().filter(|family| family.grounds == Grounds::Superblocks);
    let behind = own.flat_map(|family| &family.behind).copied().collect();
    Ok((searched, Numbers { behind, unreadable: looked.unreadable, read: looked.read, ..numbers }))
}

/// How long a search may go on, and when something is said meanwhile.
struct Clock<'a> {
    end: Option<Deadline>,
    next: Deadline,
    ui: &'a Ui,
}

impl<'a> Clock<'a> {
    fn new(time: Option<Duration>, ui: &'a Ui) -> Self {
        Self { end: time.map(Deadline::after), next: Deadline::after(SAYS), ui }
    }

    fn goes_on(&mut self, tried: usize) -> bool {
        if self.next.left().is_none() {
            self.next = Deadline::after(SAYS);
            let left = self.end.as_ref().and_then(Deadline::left).map_or(String::new(), |left| {
                format!("; at most {} s more (--time)", left.as_secs().saturating_add(1))
            });
            self.ui.note(&format!("{tried} guesses were looked at so far{left}"));
        }
        self.end.as_ref().is_none_or(|end| end.left().is_some())
    }
}

fn asked(request: &TrialRequest, listed: Vec<Option<usize>>) -> Result<Asked, Refusal> {
    let layout = match (request.level, request.layout.as_deref()) {
        (Some(level), Some(text)) => Some(values::layout(level, text).map_err(|_| {
            let name = level.name().unwrap_or_default();
            Refusal::new(format!("layout \"{}\" is none of {name}", text.escape_debug()))
        })?),
        _ => None,
    };
    Ok(Asked {
        level: request.level,
        raid_devices: request.raid_devices,
        chunk: request.chunk.filter(|_| !matches!(request.level, Some(Level::Raid1))),
        layout,
        data_offsets: request.data_offsets.clone(),
        format: request.format,
        size: request.size,
        in_order: request.in_order,
        listed,
    })
}

/// The devices, and their order with `missing`.
fn subjects(
    request: &TrialRequest,
    common: &Common,
    machine: &Machine,
) -> Result<(Vec<String>, Vec<Option<usize>>), Refusal> {
    let world = inventory::world(machine, 0).map_err(|error| Refusal::new(error.to_string()))?;
    let number = |word: &String| node::number_of(Path::new(word)).ok().flatten();
    let words: Vec<SubjectWord> = request.subjects.iter().map(|word| (word.clone(), number(word))).collect();
    let all = match trial::asks_for_all(&words, &world) {
        true => all(common, machine).map_err(|error| Refusal::new(format!("{error:#}")))?,
        false => Vec::new(),
    };
    trial::subjects(&words, &world, &all)
}

/// Every device that may be looked at.
fn all(common: &Common, machine: &Machine) -> Result<Vec<Device>> {
    let (config, _) = inventory::configuration(&ConfigSources::from_option(common.config.as_deref()))?;
    let candidates = inventory::candidates_afresh(machine, &config)?;
    let looked = inventory::look(machine, &candidates, false);
    Ok(looked.into_iter().filter_map(|candidate| candidate.found.ok()).collect())
}

/// The devices, none of which anybody else uses.
fn members(machine: &Machine, paths: &[String]) -> Result<Vec<Device>, Refusal> {
    let seen = inventory::underlays(machine, paths).map_err(|error| Refusal::new(error.to_string()))?;
    overlay::free(seen.devices)
}

/// What all steps of a trial share.
struct Work<'a> {
    request: &'a TrialRequest,
    common: &'a Common,
    machine: &'a Machine,
    ui: &'a Ui,
    config: &'a Config,
    devices: &'a [Device],
    seen: &'a [TrialSeen],
}

impl Work<'_> {
    fn job(&self) -> Result<TriesJob> {
        let store = inventory::store_for_set(self.machine, self.request.store.as_deref());
        let there = inventory::all_overlays(self.machine, Some(&store))?;
        Ok(TriesJob {
            stem: trial::stem(std::process::id(), &there),
            count: self.request.assemble,
            keep: self.request.keep,
            apply: self.request.apply,
            dry_run: self.common.dry_run,
            bench: TrialBench {
                devices: self.trial_devices(),
                store: store.display().to_string(),
                store_size: self.request.store_size.unwrap_or_default(),
                settings: settings(self.common, self.config.clone(), true),
            },
        })
    }

    fn trial_devices(&self) -> Vec<TrialDevice> {
        self.devices.iter().map(TrialDevice::from).collect()
    }

    /// What is written to overlays is not worth keeping.
    fn try_them(&self, tries: &mut Tries) -> Result<u8> {
        // Held until all is taken away: whoever finds it without its writer does that.
        let _notes = self.note(tries)?;
        let common = Common { no_archive: true, ..self.common.clone() };
        let (machine, ui, config) = (self.machine, self.ui, self.config);
        Driver { common: &common, machine, ui, config, own_document: true }.drive(tries)
    }

    fn note(&self, tries: &Tries) -> Result<Option<Notes>> {
        let sets = tries.sets();
        if sets.is_empty() {
            return Ok(None);
        }
        let mut notes = Notes::begin(&self.machine.places.unfinished())?;
        let begun = Note::Begun { command: self.common.words.join(" "), time: host::now().0 };
        notes.add(&begun.to_string())?;
        let store = inventory::store_for_set(self.machine, self.request.store.as_deref());
        let note = |set| Note::Overlays { set, store: store.display().to_string() }.to_string();
        sets.into_iter().try_for_each(|set| notes.add(&note(set)))?;
        Ok(Some(notes))
    }

    fn word(&self, guess: &Hypothesis) -> String {
        trial::array_word(self.request.name.as_deref(), guess)
    }

    fn command(&self, guess: &Hypothesis) -> String {
        trial::command_line(guess, self.seen, &self.word(guess))
    }

    fn show(&self, came: &CameOfTries, numbers: Numbers) -> Result<()> {
        let assemble = came.guess(1).map(|scored| {
            let paths: Vec<&str> = self.devices.iter().map(|device| device.path.as_str()).collect();
            format!("mdctl assemble {} {}", self.word(&scored.hypothesis), paths.join(" "))
        });
        let words = trial::words_again(&self.common.words);
        let numbers = Numbers { words, assemble: assemble.unwrap_or_default(), ..numbers };
        let ranked = came.ranked.iter();
        let told: Vec<_> = ranked
            .map(|(scored, tried)| (scored.clone(), tried.clone(), self.command(&scored.hypothesis)))
            .collect();
        let report = Trial::new(&told, self.seen, &numbers, came.kept.clone());
        if !self.common.json {
            print(&report.text());
        } else if self.request.apply.is_none() {
            print(&format!("{}\n", serde_json::to_string_pretty(&report)?));
        }
        report.remarks(&inventory::local_zone()).iter().for_each(|remark| self.ui.note(remark));
        Ok(())
    }

    /// Carries a guess out on the devices. One that their superblocks say themselves is what the verb `assemble` is for.
    fn carry_out(&self, number: usize, scored: &Scored) -> Result<u8> {
        let (machine, ui, config) = (self.machine, self.ui, self.config);
        let word = self.word(&scored.hypothesis);
        let job = CarryJob {
            number,
            scored: scored.clone(),
            word: word.clone(),
            command: self.command(&scored.hypothesis),
            devices: self.trial_devices(),
            settings: settings(self.common, config.clone(), true),
            agreed: self.common.yes,
            dry_run: self.common.dry_run,
        };
        let mut carrying = Carrying::new(job, self.seen);
        let driver = Driver { common: self.common, machine, ui, config, own_document: false };
        let status = driver.drive(&mut carrying)?;
        match carrying.assembles() {
            Some(devices) => assemble::run(&assembling(&word, devices), self.common, machine, ui),
            None => Ok(status),
        }
    }
}

fn assembling(word: &str, devices: Vec<String>) -> AssembleRequest {
    let devices = devices.into_iter().map(PathBuf::from).collect();
    AssembleRequest { run: true, ..AssembleRequest::listed(word.into(), devices) }
}

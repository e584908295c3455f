//! `mdctl trial`.

mod overlaid;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use superblock::Level;

use super::{DONE, Ended, FAILED, agreed, assemble, carry_out, create, overlay, preview, print, refuse};
use crate::{
    archive::Identity,
    cli::{
        request::{AssembleRequest, Common},
        trial::TrialRequest,
        values,
    },
    config::sources::ConfigSources,
    inventory,
    kernel::{Deadline, Machine, node},
    model::{
        Device,
        trial::{Grounds, Hypothesis, Offer, Scored, Searched, TrialSeen, anchored, search},
    },
    plan::{
        Plan, Refusal,
        create::CreateContext,
        trial::{self, Asked},
        undo,
    },
    report::trial::{Numbers, Trial, TrialAssembled},
    ui::Ui,
};

/// So many guesses are shown.
const SHOWN: usize = 8;
/// So often something is said while guesses are looked at.
const SAYS: Duration = Duration::from_secs(5);
/// So many of the newest entries of the archive are asked.
const ENTRIES: usize = 16;

/// Looks, guesses, tries, and carries out what is asked for.
pub(super) fn run(request: &TrialRequest, common: &Common, machine: &Machine, ui: &Ui) -> Result<u8> {
    let prepared = subjects(request, common, machine)
        .and_then(|(paths, listed)| Ok((members(machine, &paths)?, listed)));
    let asked = prepared.and_then(|(devices, listed)| {
        let asked = asked(request, listed)?;
        asked.check(devices.len())?;
        Ok((devices, asked))
    });
    let (devices, asked) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refuse(&refusal, common, ui)),
    };
    let seen = seen(machine, &devices);
    if let Err(refusal) = trial::has_one_shape(&seen) {
        return Ok(refuse(&refusal, common, ui));
    }
    let (searched, numbers) = guess(&devices, &seen, &asked, request, ui)?;
    let work = Work { request, common, machine, ui, devices: &devices, seen: &seen };
    let mut ranked: Vec<(Scored, Option<TrialAssembled>)> =
        searched.best.into_iter().take(SHOWN).map(|scored| (scored, None)).collect();
    if !common.dry_run {
        work.assemble(&mut ranked)?;
    }
    let chosen = |number: usize| number.checked_sub(1).and_then(|nth| ranked.get(nth));
    let wanted = request.keep.or(request.apply);
    if let Some(number) = wanted.filter(|number| chosen(*number).is_none()) {
        let refusal = Refusal::new(format!("there is no guess {number}"));
        return Ok(refuse(&refusal, common, ui));
    }
    let keep = request.keep.filter(|_| !common.dry_run);
    let kept = match keep.and_then(|number| Some((number, chosen(number)?))) {
        Some((number, (scored, _))) => Some(work.keep(number, &scored.hypothesis)?),
        None => None,
    };
    let told = |(scored, assembled): &(Scored, Option<TrialAssembled>)| {
        let command = trial::command_line(&scored.hypothesis, &seen, &work.word(&scored.hypothesis));
        (scored.clone(), assembled.clone(), command)
    };
    let assemble = ranked.first().map(|(scored, _)| {
        let paths: Vec<&str> = devices.iter().map(|device| device.path.as_str()).collect();
        format!("mdctl assemble {} {}", work.word(&scored.hypothesis), paths.join(" "))
    });
    let words = trial::words_again(&common.words);
    let numbers = Numbers { words, assemble: assemble.unwrap_or_default(), ..numbers };
    let report = Trial::new(&ranked.iter().map(told).collect::<Vec<_>>(), &seen, &numbers, kept);
    show(&report, request, common, ui)?;
    match request.apply.or(common.dry_run.then_some(1)).and_then(chosen) {
        Some((scored, _)) if request.apply.is_some() || !common.json => {
            let number = request.apply.unwrap_or(1);
            let command = trial::command_line(&scored.hypothesis, &seen, &work.word(&scored.hypothesis));
            match trial::supported(scored, number, &command) {
                Ok(()) => work.apply(&scored.hypothesis),
                Err(refusal) => Ok(refuse(&refusal, common, ui)),
            }
        }
        _ => {
            let any = ranked.first().is_some_and(|(scored, _)| scored.is_supported());
            Ok(if any { DONE } else { FAILED })
        }
    }
}

/// What is known of each device, from what is on it and from what was kept of it.
fn seen(machine: &Machine, devices: &[Device]) -> Vec<TrialSeen> {
    let mut seen = inventory::seen(devices);
    let paths: Vec<String> = devices.iter().map(|device| device.path.clone()).collect();
    let sighted = inventory::like(machine, &paths, &[]);
    let here: Vec<Identity> = sighted.into_iter().map(|sighted| sighted.identity).collect();
    let shelf = inventory::archive(machine).unwrap_or_default();
    for shelved in shelf.entries.iter().rev().take(ENTRIES) {
        let Ok((entry, _)) = inventory::entry(&shelved.path) else { continue };
        let Ok(found) = undo::find(&entry, &here, undo::DeviceTrust::Path) else { continue };
        let command = entry.about.command.join(" ");
        let grounds = Grounds::Archive { id: entry.about.id.to_string(), command };
        for (kept, at) in &found.places {
            let path = here.get(*at).map(|identity| identity.path.as_str());
            let device = seen.iter_mut().find(|seen| Some(seen.path.as_str()) == path);
            let Some(device) = device else { continue };
            let words = inventory::kept_words(kept, device, &grounds);
            device.words.extend(words);
        }
    }
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

fn show(report: &Trial, request: &TrialRequest, common: &Common, ui: &Ui) -> Result<()> {
    if !common.json {
        print(&report.text());
    } else if request.apply.is_none() {
        print(&format!("{}\n", serde_json::to_string_pretty(report)?));
    }
    report.remarks(&inventory::local_zone()).iter().for_each(|remark| ui.note(remark));
    Ok(())
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
    let failed = |error: anyhow::Error| Refusal::new(format!("{error:#}"));
    let (mut paths, mut listed) = (Vec::new(), Vec::new());
    let world = inventory::world(machine, 0).map_err(|error| failed(error.into()))?;
    for word in &request.subjects {
        if word.eq_ignore_ascii_case("missing") {
            listed.push(None);
            continue;
        }
        let number = node::number_of(Path::new(word)).ok().flatten();
        let running = world.arrays.iter().find(|array| {
            let path =
                |entry: &crate::model::world::MapEntry| entry.devnm == array.name && entry.path == *word;
            let id = number.is_some_and(|n| (n.major, n.minor) == (array.id.major, array.id.minor));
            id || array.name == *word || world.map.iter().any(path)
        });
        if let Some(array) = running {
            let text = format!("{} is an array that is there: nothing of it is guessed at", array.name);
            return Err(Refusal::new(text).hint(format!("stop it first: mdctl stop /dev/{}", array.name)));
        }
        let found = match number {
            Some(_) => vec![word.clone()],
            None => of_array(word, common, machine).map_err(failed)?,
        };
        if found.is_empty() {
            let text =
                format!("{}: neither a device nor an array that any device speaks of", word.escape_debug());
            return Err(Refusal::new(text).hint("name the devices"));
        }
        for path in found {
            listed.push(Some(paths.len()));
            paths.push(path);
        }
    }
    // In the order of the words only where they are devices.
    let only_devices = request.subjects.len() == listed.len();
    Ok((paths, if only_devices { listed } else { Vec::new() }))
}

/// The devices with superblocks of an array of this name or UUID.
fn of_array(word: &str, common: &Common, machine: &Machine) -> Result<Vec<String>> {
    let (config, _) = inventory::configuration(&ConfigSources::from_option(common.config.as_deref()))?;
    let candidates = inventory::candidates_afresh(machine, &config)?;
    let name = word.strip_prefix("/dev/md/").unwrap_or(word);
    let is_its = |device: &Device| {
        device.probe.found.iter().filter_map(|found| found.verify().ok()).any(|said| {
            let stored = said.name.unwrap_or_default();
            let bare = stored.splitn(2, |byte| *byte == b':').last().unwrap_or_default();
            said.array.to_string() == word || stored == word.as_bytes() || bare == name.as_bytes()
        })
    };
    let looked = inventory::look(machine, &candidates, false);
    let devices = looked.into_iter().filter_map(|candidate| candidate.found.ok());
    Ok(devices.filter(|device| is_its(device)).map(|device| device.path).collect())
}

/// What all steps of a trial share.
struct Work<'a> {
    request: &'a TrialRequest,
    common: &'a Common,
    machine: &'a Machine,
    ui: &'a Ui,
    devices: &'a [Device],
    seen: &'a [TrialSeen],
}

impl Work<'_> {
    /// What the array is called when it is made.
    fn word(&self, guess: &Hypothesis) -> String {
        if let Some(name) = &self.request.name {
            return if name.contains('/') { name.clone() } else { format!("/dev/md/{name}") };
        }
        let request = trial::request(guess, &[], "", false);
        match request.name.as_deref().unwrap_or("recovered") {
            number if number.bytes().all(|byte| byte.is_ascii_digit()) => format!("/dev/md{number}"),
            name => format!("/dev/md/{name}"),
        }
    }

    /// What create would do for a guess on these paths, one for each device.
    fn plan(
        &self,
        guess: &Hypothesis,
        paths: &[String],
        word: &str,
        readonly: bool,
    ) -> Result<Result<(Plan, CreateContext), Refusal>> {
        let request = trial::request(guess, paths, word, readonly);
        let (config, _) =
            inventory::configuration(&ConfigSources::from_option(self.common.config.as_deref()))?;
        let mut world = inventory::world(self.machine, request.members.len() + 2)?;
        world.devices = inventory::look_to_write(self.machine, &create::paths(&request));
        let context = create::context(&request, self.common, (&config, true), &world);
        Ok(context.and_then(|context| {
            let plan = crate::plan::create::plan(&request, &context, &world)?;
            Ok((plan, context))
        }))
    }

    /// Carries a guess out on the devices.
    fn apply(&self, guess: &Hypothesis) -> Result<u8> {
        let paths: Vec<String> = self.devices.iter().map(|device| device.path.clone()).collect();
        let word = self.word(guess);
        if trial::says_so_itself(guess, self.seen) {
            let used = guess.seats.iter().flatten().filter_map(|seat| paths.get(seat.device));
            let request = assembling(&word, used.map(PathBuf::from).collect());
            if self.common.dry_run || agreed(&format!("Assemble {word}"), self.common, self.ui) {
                return assemble::run(&request, self.common, self.machine, self.ui);
            }
            return Ok(FAILED);
        }
        let plan = match self.plan(guess, &paths, &word, false)? {
            Ok((plan, _)) => Plan { warnings: Vec::new(), ..plan },
            Err(refusal) => return Ok(refuse(&refusal, self.common, self.ui)),
        };
        if self.common.dry_run {
            return preview(&plan, self.machine, self.common);
        }
        let members = guess.seats.iter().flatten().count();
        let question = format!("Write new superblocks to {members} devices, and start {word} from them");
        if !agreed(&question, self.common, self.ui) {
            return Ok(FAILED);
        }
        let out = format!("{word} is up; to take it back: mdctl stop {word}; mdctl undo");
        carry_out(&plan, self.machine, self.common, self.ui, Ended { out, ..Ended::default() })
    }
}

fn assembling(word: &str, devices: Vec<PathBuf>) -> AssembleRequest {
    AssembleRequest {
        device: Some(word.into()),
        more: Vec::new(),
        devices,
        scan: false,
        uuid: None,
        name: None,
        super_minor: None,
        metadata: None,
        force: false,
        run: true,
        no_degraded: false,
        readonly: false,
        update: None,
        backup_file: None,
        invalid_backup: false,
        nodes: None,
        home_cluster: None,
    }
}

/// The devices, none of which anybody else uses.
fn members(machine: &Machine, paths: &[String]) -> Result<Vec<Device>, Refusal> {
    let seen = inventory::underlays(machine, paths).map_err(|error| Refusal::new(error.to_string()))?;
    crate::plan::overlay::free(seen.devices)
}

//! Several arrays out of one look at the machine: what each attempt changes is remembered, nothing is read again.

use crate::words::ArrayState;
use std::{collections::BTreeMap, sync::Arc};

use superblock::MdUuid;

use super::{
    Adopted, ArrayOutcome, Options, Remark, Updating, WantedIdentity,
    claim::Claim,
    gather::{self, CandidatePath, GatherWish, Stop},
    select::Home,
};
use crate::model::order::InOrder as _;
use crate::{
    config::{
        Config, Metadata,
        conf::{ArrayLine, ArrayLineName as LineName, SysfsLine},
        name::{ArrayWord, number},
        policy::{self, DevicePolicy, FormatFamily, PolicySubject, PolicyVerdict as Auto},
    },
    model::{DevId, RunningArray, World, grow::SetAside, world::MapEntry},
    plan::{ArrayName, MdStep, Refusal, Step, SystemStep, Warning, naming},
};

/// Exit status where a line wants a container.
const NO_CONTAINER: u8 = 2;

/// What all attempts share.
#[derive(Debug)]
pub struct Session<'a> {
    /// Everything that was looked at.
    pub candidates: Vec<CandidatePath>,
    /// The only format that counts.
    pub asked: Option<Metadata>,
    /// The machine; arrays that are assembled are added.
    pub world: World,
    /// The configuration.
    pub config: &'a Config,
    /// Whose arrays are ours.
    pub home: Home,
    /// How much is allowed.
    pub options: Options,
    /// What is changed in the metadata.
    pub updating: Option<Updating>,
    /// The names of devices in /dev/disk/by-path; only looked for where a POLICY line wants to know.
    pub by_path: BTreeMap<DevId, Vec<String>>,
    /// What is set aside of an array, in a file that was named.
    pub aside: Option<Arc<SetAside>>,
}

/// What came of looking for one array.
#[derive(Debug)]
pub struct SearchedArray {
    /// What to say first.
    pub remarks: Vec<Remark>,
    /// The decision, and its members among the candidates.
    pub result: Result<(ArrayOutcome, Vec<usize>), Stop>,
}

/// One array that is to be assembled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssembleTarget {
    /// An ARRAY line's, by its place.
    Line(usize),
    /// What is known of it, and its name.
    Wish(Box<GatherWish>, Option<String>),
    /// One that was found.
    Found(MdUuid),
}

impl<'a> Session<'a> {
    /// Begins: nothing was looked at yet.
    #[must_use]
    pub fn new(config: &'a Config, home: Home) -> Self {
        Self {
            candidates: Vec::new(),
            asked: None,
            world: World::default(),
            config,
            home,
            options: Options::default(),
            updating: None,
            by_path: BTreeMap::new(),
            aside: None,
        }
    }
}

impl Session<'_> {
    /// Looks for the devices of a target and decides.
    #[must_use]
    pub fn try_target(&self, target: &AssembleTarget) -> SearchedArray {
        match target {
            AssembleTarget::Line(nth) => {
                let line = self.config.arrays.get(*nth).cloned().unwrap_or_default();
                let word = match &line.name {
                    LineName::Word(word) => Some(word.as_str()),
                    LineName::Unnamed | LineName::Ignore => None,
                };
                if line.wants_container() {
                    let result = Err(Stop::Refused(no_container(&self.name_of_target(target))));
                    return SearchedArray { remarks: Vec::new(), result };
                }
                let mut wish = wish_of(&line);
                wish.identity.metadata = self.asked.or(line.metadata);
                self.attempt(&wish, word)
            }
            AssembleTarget::Wish(wish, word) => self.attempt(wish, word.as_deref()),
            AssembleTarget::Found(uuid) => self.try_found(*uuid, &self.options),
        }
    }

    /// The ARRAY lines to go by. Where the command line identifies an array, only those that do not contradict it;
    /// none where no line names it.
    #[must_use]
    pub fn lines(&self, wanted: &WantedIdentity) -> Vec<AssembleTarget> {
        let fits = |line: &ArrayLine| {
            line.name != LineName::Ignore
                && wanted.uuid.is_none_or(|uuid| line.uuid == Some(uuid))
                && wanted.super_minor.is_none_or(|minor| line.super_minor == Some(minor))
                && wanted.name.is_none()
        };
        let lines = self.config.arrays.iter().enumerate().filter(|(_, line)| fits(line));
        lines.map(|(nth, _)| AssembleTarget::Line(nth)).collect()
    }

    /// The arrays that are there, as far as the command line asks for them.
    #[must_use]
    pub fn found(&self, wanted: &WantedIdentity) -> Vec<AssembleTarget> {
        let fits = |claim: &Claim| wanted.mismatch(claim, &self.home).is_none();
        let arrays = gather::by_array(&self.candidates, fits);
        arrays.into_iter().map(AssembleTarget::Found).collect()
    }

    /// What a target is called before it has a name.
    #[must_use]
    pub fn name_of_target(&self, target: &AssembleTarget) -> String {
        let line = |nth: &usize| self.config.arrays.get(*nth);
        match target {
            AssembleTarget::Wish(_, Some(word)) => word.clone(),
            AssembleTarget::Wish(_, None) => String::new(),
            AssembleTarget::Found(uuid) => uuid.to_string(),
            AssembleTarget::Line(nth) => match line(nth).map(|line| (&line.name, line.uuid)) {
                Some((LineName::Word(word), _)) => word.clone(),
                Some((_, Some(uuid))) => uuid.to_string(),
                _ => String::new(),
            },
        }
    }

    /// The kernel's name of the running array that a target is, as far as the map knows it.
    #[must_use]
    pub fn runs_as(&self, target: &AssembleTarget) -> Option<&str> {
        let uuid = match target {
            AssembleTarget::Line(nth) => self.config.arrays.get(*nth).and_then(|line| line.uuid),
            AssembleTarget::Wish(wish, _) => wish.identity.uuid,
            AssembleTarget::Found(uuid) => Some(*uuid),
        };
        let name = self.name_of_target(target);
        let is_it = |entry: &&MapEntry| {
            let bare = entry.path.strip_prefix("/dev/md/");
            Some(entry.uuid) == uuid
                || !name.is_empty() && (entry.path == name || bare == Some(name.as_str()))
        };
        let entry = self.world.map.iter().find(is_it)?;
        let mut running = self.world.arrays.iter().filter(|array| array.is_active());
        running.find(|array| array.name == entry.devnm).map(|array| array.name.as_str())
    }

    /// Looks for one array. `word` is its name, where the user or the configuration gives one.
    fn attempt(&self, wish: &GatherWish, word: Option<&str>) -> SearchedArray {
        let mut remarks = Vec::new();
        if let Some(word) = word {
            let text = format!("looking for devices for {}", shown(word));
            remarks.push(Remark { detail: true, text });
        }
        let result = gather::gather(&self.candidates, wish, &self.home, &mut remarks).and_then(|members| {
            self.decide(members, word, &self.options, wish.identity.metadata).map_err(Stop::Refused)
        });
        SearchedArray { remarks, result }
    }

    /// Decides about the array of this UUID, which nobody named, if so much were allowed.
    #[must_use]
    pub fn try_found(&self, uuid: MdUuid, options: &Options) -> SearchedArray {
        let member = |candidate: &CandidatePath| {
            let fits = |claim: &Claim| claim.facts.array == uuid && !claim.busy && self.may_assemble(claim);
            !candidate.used && candidate.claim.as_ref().is_ok_and(fits)
        };
        let members: Vec<usize> = (0..self.candidates.len())
            .filter(|index| self.candidates.get(*index).is_some_and(member))
            .collect();
        let result = if members.is_empty() {
            Err(Stop::Nothing)
        } else {
            self.decide(members, None, options, None).map_err(Stop::Refused)
        };
        SearchedArray { remarks: Vec::new(), result }
    }

    /// Whether an array may come up that nothing asks for: its format by AUTO, and no ARRAY line ignores it.
    fn may_assemble(&self, claim: &Claim) -> bool {
        self.is_allowed(claim) && !self.config.arrays.iter().any(|line| ignores(line, claim))
    }

    /// Whether POLICY and AUTO let an array of its format come up that nothing asks for.
    pub(in crate::plan) fn is_allowed(&self, claim: &Claim) -> bool {
        let family = if claim.metadata.version().0 == 0 { FormatFamily::V0 } else { FormatFamily::V1 };
        let auto = self.policy(claim).auto;
        let auto = auto.unwrap_or_else(|| policy::auto(self.config.auto.iter().flatten(), family));
        match auto {
            Auto::Yes => true,
            Auto::HomeHost => self.home.owns(claim),
            Auto::No => false,
        }
    }

    /// What POLICY lines say of a member.
    pub(in crate::plan) fn policy(&self, claim: &Claim) -> DevicePolicy {
        let family = if claim.metadata.version().0 == 0 { FormatFamily::V0 } else { FormatFamily::V1 };
        let paths = self.by_path.get(&claim.id).map(Vec::as_slice).unwrap_or_default();
        let subject = PolicySubject { paths, is_partition: claim.is_partition, family: Some(family) };
        policy::policy(&self.config.policies, &subject)
    }

    /// Decides about the array of these candidates.
    ///
    /// # Errors
    /// As [`super::plan`]; and where the array runs.
    pub(in crate::plan) fn decide(
        &self,
        mut members: Vec<usize>,
        word: Option<&str>,
        options: &Options,
        asked: Option<Metadata>,
    ) -> Result<(ArrayOutcome, Vec<usize>), Refusal> {
        let first = members.iter().filter_map(|index| self.claim(*index, asked));
        let model = first.clone().find(|claim| claim.damage.is_none()).or_else(|| first.clone().next());
        let Some(model) = model else { return Err(Refusal::new("no device of the array can be used")) };
        let existing = self.existing(model.facts.array, asked);
        let (name, adopted) = match existing {
            Some(array) => {
                let name = self.name_of(array);
                if array.is_active() {
                    let text = "giving up.";
                    let said = format!("Found some drive for an array that is already active: {}", name.path);
                    return Err(Refusal { said: vec![Warning::note(said)], ..Refusal::new(text) });
                }
                members = self.with_members_of(array, &members, model, asked);
                (name, Some(Adopted { members: array.members.clone() }))
            }
            None => (self.choose_name(model, word)?, None),
        };
        let claim = |index: &usize| {
            let claim = self.claim(*index, asked)?;
            let aside = self.aside.clone().or_else(|| claim.aside.clone());
            Some(Claim { aside, ..claim.clone() })
        };
        let claims = members.iter().filter_map(claim).collect();
        let mut outcome = super::plan_with(claims, name, adopted.as_ref(), options, self.updating.as_ref())?;
        configure(&mut outcome, self.config);
        if existing.is_some() {
            let text = format!("Merging with already-assembled {}", outcome.name.path);
            outcome.before.insert(0, Remark { detail: false, text });
        }
        Ok((outcome, members))
    }

    fn claim(&self, index: usize, asked: Option<Metadata>) -> Option<&Claim> {
        self.candidates.get(index).and_then(|candidate| candidate.of(asked).ok())
    }

    /// The array in the kernel that has members of this UUID, or that the map says is it.
    pub(in crate::plan) fn existing(&self, uuid: MdUuid, asked: Option<Metadata>) -> Option<&RunningArray> {
        let claims = || self.candidates.iter().filter_map(|candidate| candidate.of(asked).ok());
        let ids = || claims().filter(|claim| claim.facts.array == uuid).map(|claim| claim.id);
        let by_member = self.world.arrays.iter().find(|array| ids().any(|id| array.members.contains(&id)));
        by_member.or_else(|| {
            let entry = self.world.map.iter().find(|entry| entry.uuid == uuid)?;
            self.world.arrays.iter().find(|array| array.name == entry.devnm && !array.members.is_empty())
        })
    }

    /// Those that the array has already, and the members in their order.
    fn with_members_of(
        &self,
        array: &RunningArray,
        members: &[usize],
        model: &Claim,
        asked: Option<Metadata>,
    ) -> Vec<usize> {
        let uuid = model.facts.array;
        let inside = |claim: &Claim| claim.facts.array == uuid && array.members.contains(&claim.id);
        let wanted = |index: &usize| members.contains(index) || self.claim(*index, asked).is_some_and(inside);
        let mut all: Vec<usize> = (0..self.candidates.len()).filter(wanted).collect();
        // Of two that are alike the one that is in the array stays.
        all.order_by_key(|index| !self.claim(*index, asked).is_some_and(inside));
        all
    }

    pub(in crate::plan) fn name_of(&self, array: &RunningArray) -> ArrayName {
        let entry = self.world.map.iter().find(|entry| entry.devnm == array.name && !entry.path.is_empty());
        let path = entry.map_or_else(|| format!("/dev/{}", array.name), |entry| entry.path.clone());
        ArrayName { kernel: array.name.clone(), path }
    }

    fn choose_name(&self, model: &Claim, word: Option<&str>) -> Result<ArrayName, Refusal> {
        let stored = model.name();
        let chosen = if let Some(word) = word {
            let bare = stored.split_once(':').map_or(stored.as_str(), |(_, name)| name);
            naming::given(word, Some(bare), &self.world, self.config)?
        } else {
            naming::found(&stored, self.trust(model), &self.world, self.config)?
        };
        Ok(chosen.array)
    }

    /// Whether the array of a member is ours, as far as its name goes.
    pub(in crate::plan) fn trust(&self, model: &Claim) -> naming::NameTrust {
        let claim = naming::NameClaim {
            stored: &model.name(),
            of_this_host: self.home.owns(model),
            listed: self.config.arrays.iter().any(|line| identifies(line, model)),
            any_host: !self.home.required,
        };
        naming::trust(claim, self.config)
    }

    /// Remembers that these devices are in an array now.
    pub fn record(&mut self, outcome: &ArrayOutcome, members: &[usize]) {
        let ids: Vec<DevId> =
            members.iter().filter_map(|index| self.claim(*index, None)).map(|claim| claim.id).collect();
        let uuid = outcome.plan.steps.iter().find_map(|step| match step {
            Step::System(SystemStep::MapAdd { entry }) => Some(entry.uuid),
            _ => None,
        });
        for index in members {
            if let Some(candidate) = self.candidates.get_mut(*index) {
                candidate.used = true;
            }
        }
        let inactive = outcome.verdict == super::Verdict::LeaveInactive;
        let state = if inactive { ArrayState::Inactive } else { ArrayState::Active };
        let array = RunningArray {
            name: outcome.name.kernel.clone(),
            state,
            uuid,
            members: ids,
            ..RunningArray::default()
        };
        self.world.arrays.retain(|old| old.name != array.name);
        self.world.arrays.push(array);
        self.world.map.retain(|entry| entry.devnm != outcome.name.kernel);
        self.world.map.push(MapEntry {
            devnm: outcome.name.kernel.clone(),
            metadata: String::new(),
            uuid: uuid.unwrap_or_default(),
            path: outcome.name.path.clone(),
        });
    }

    /// Takes [`Self::record`] back: the array did not come up.
    pub fn forget(&mut self, outcome: &ArrayOutcome, members: &[usize]) {
        for index in members {
            if let Some(candidate) = self.candidates.get_mut(*index) {
                candidate.used = false;
            }
        }
        self.world.arrays.retain(|array| array.name != outcome.name.kernel);
        self.world.map.retain(|entry| entry.devnm != outcome.name.kernel);
    }

    /// Remembers that a device cannot be had. Answers whether it was known and not yet given up.
    pub fn give_up(&mut self, path: &str) -> bool {
        let known = self.candidates.iter_mut().find(|candidate| candidate.path == path && !candidate.used);
        known.map(|candidate| candidate.used = true).is_some()
    }
}

/// Attributes that SYSFS lines set in an array that starts: by its UUID, as it is now, or by its path.
fn configure(outcome: &mut ArrayOutcome, config: &Config) {
    let starts = matches!(outcome.verdict, super::Verdict::Start | super::Verdict::StartReadonly);
    let steps = &mut outcome.plan.steps;
    let uuid = steps.iter().find_map(|step| match step {
        Step::System(SystemStep::MapAdd { entry }) => Some(entry.uuid),
        _ => None,
    });
    let Some(commit) = steps.iter().position(|step| *step == Step::Commit).filter(|_| starts) else { return };
    let array = &outcome.name;
    let fits = |line: &&SysfsLine| {
        (line.uuid.is_some() && line.uuid == uuid) || line.name.as_ref() == Some(&array.path)
    };
    let attributes = config.sysfs.iter().filter(fits).flat_map(|line| &line.attributes);
    let sets = attributes.filter(|(attr, _)| is_below(attr)).map(|(attr, value)| {
        Step::Md(MdStep::Configure { array: array.clone(), attr: attr.clone(), value: value.clone() })
    });
    let sets: Vec<Step> = sets.collect();
    steps.splice(commit + 1..commit + 1, sets);
}

/// Whether a name stays below the array's directory.
fn is_below(attr: &str) -> bool {
    attr.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Why a line that wants a container comes to nothing; the original's status where no container is found.
fn no_container(array: &str) -> Refusal {
    let array = if array.is_empty() { "an array without a name" } else { array };
    let text = format!("{array}: its ARRAY line wants a container; containers are not supported yet");
    Refusal::new(text).status(NO_CONTAINER).hint("assemble it with mdadm")
}

/// What an ARRAY line says of its array.
#[must_use]
pub fn wish_of(line: &ArrayLine) -> GatherWish {
    let identity = super::WantedIdentity {
        uuid: line.uuid,
        name: None,
        super_minor: line.super_minor,
        level: line.level,
        raid_disks: line.raid_devices,
        metadata: line.metadata,
    };
    GatherWish { identity, patterns: line.devices.clone(), listed: false }
}

/// Whether an ARRAY line names the array of a member. Its shape does not count: a line outlives it, and whoever is called by the
/// line or left alone by it stays so.
pub(in crate::plan) fn identifies(line: &ArrayLine, claim: &Claim) -> bool {
    let mut wish = wish_of(line);
    wish.identity = super::WantedIdentity { level: None, raid_disks: None, metadata: None, ..wish.identity };
    let known = !wish.identity.is_empty() || !wish.patterns.is_empty();
    let fits = |pattern: &String| {
        crate::config::glob::matches(pattern, &claim.path, crate::config::glob::Slash::Separates)
    };
    let here = wish.patterns.is_empty() || wish.patterns.iter().any(fits);
    line.name != LineName::Ignore
        && !line.wants_container()
        && known
        && here
        && wish.identity.mismatch(claim, &Home::default()).is_none()
}

/// Whether an ARRAY line says that the array of a member is to be left alone.
pub(in crate::plan) fn ignores(line: &ArrayLine, claim: &Claim) -> bool {
    let named =
        ArrayLine { name: LineName::Unnamed, metadata: None, container: None, member: None, ..line.clone() };
    line.name == LineName::Ignore && identifies(&named, claim)
}

/// Whether an ARRAY line's name and a word of the command line mean one array.
#[must_use]
pub fn is_line_for(line: &ArrayLine, word: &str) -> bool {
    let LineName::Word(name) = &line.name else { return false };
    name == word || matches!((plain(name), plain(word)), (Some(a), Some(b)) if a == b)
}

/// `/dev/md0`, `md0`, `/dev/md/0` and `0` are one name.
fn plain(word: &str) -> Option<String> {
    match ArrayWord::parse(word).ok()? {
        ArrayWord::Number { number, partitionable: false } => Some(number.to_string()),
        ArrayWord::Number { number, partitionable: true } => Some(format!("d{number}")),
        ArrayWord::Name(name) => {
            let digits = name.strip_prefix("md").filter(|digits| number(digits).is_some());
            Some(digits.map_or(name.clone(), str::to_owned))
        }
    }
}

/// The path that a word means, for messages.
fn shown(word: &str) -> String {
    match ArrayWord::parse(word) {
        Ok(ArrayWord::Name(name)) => format!("/dev/md/{name}"),
        _ => word.to_owned(),
    }
}

/// The first two ARRAY lines with one name.
#[must_use]
pub fn same_names(config: &Config) -> Option<String> {
    let text = |line: &ArrayLine| {
        line.uuid.map_or_else(|| "without a UUID".to_owned(), |uuid| format!("UUID-{uuid}"))
    };
    config.arrays.iter().enumerate().find_map(|(nth, line)| {
        let LineName::Word(word) = &line.name else { return None };
        let other = config.arrays.iter().skip(nth + 1).find(|other| is_line_for(other, word))?;
        Some(format!("Devices {} and {} have the same name: {word}", text(line), text(other)))
    })
}

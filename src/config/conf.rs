//! mdadm.conf: lines to directives, directives to one [`Config`].
//!
//! Of MAILADDR, PROGRAM, HOMEHOST, HOMECLUSTER, MONITORDELAY and AUTO the first wins, over all files; CREATE
//! words add up and the last wins; MAILFROM words are joined; ARRAY, DEVICE, POLICY and SYSFS lines add up.

use std::{fmt, mem};

use superblock::{Level, MdUuid};

use super::{
    HostName,
    format::{Metadata, level, number},
    lines::{self, Line},
    name,
    policy::{AutoRule, PolicyRule},
};

/// Something in a configuration file that was not understood; reading went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub file: String,
    /// Counted from 1; 0 for the file as a whole, which the text names.
    pub line: usize,
    pub text: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.text),
            line => write!(f, "{} ({}, line {line})", self.text, self.file),
        }
    }
}

/// A word of a DEVICE line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceWord {
    /// Every device of /proc/partitions.
    Partitions,
    /// Every container.
    Containers,
    /// A pattern for paths.
    Pattern(String),
}

/// What an ARRAY line calls its array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ArrayLineName {
    /// Nothing was said.
    #[default]
    Unnamed,
    /// `<ignore>`: never assemble it.
    Ignore,
    /// A word that [`name::ArrayWord`] may or may not understand.
    Word(String),
}

/// How a container is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerName {
    Path(String),
    Uuid(MdUuid),
}

/// An ARRAY line that identifies an array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArrayLine {
    pub name: ArrayLineName,
    pub uuid: Option<MdUuid>,
    pub super_minor: Option<u32>,
    /// Patterns for paths, in which `*` stops at `/`.
    pub devices: Vec<String>,
    pub level: Option<Level>,
    pub raid_devices: Option<u32>,
    pub spares: Option<u32>,
    pub spare_group: Option<String>,
    pub metadata: Option<Metadata>,
    pub container: Option<ContainerName>,
    pub member: Option<String>,
}

impl ArrayLine {
    /// Whether its array is in a container, or is one: no device with native metadata is a member of it.
    #[must_use]
    pub fn wants_container(&self) -> bool {
        let foreign = matches!(self.metadata, Some(Metadata::Ddf | Metadata::Imsm));
        foreign || self.container.is_some() || self.member.is_some()
    }
}

/// What CREATE lines say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateDefaults {
    /// A name or number; used only for nodes that are made without udev.
    pub owner: Option<String>,
    pub group: Option<String>,
    pub mode: Option<u32>,
    pub metadata: Option<Metadata>,
    /// Kernel names `md_NAME` instead of numbers.
    pub names: Option<bool>,
    /// Whether a bad-block log is reserved; yes if nothing is said.
    pub bbl: Option<bool>,
}

/// HOMEHOST.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HomeHost {
    pub name: Option<HostName>,
    /// `<ignore>`: other hosts' arrays may have their plain names too.
    pub ignore: bool,
}

/// A SYSFS line: attributes for one array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SysfsLine {
    pub uuid: Option<MdUuid>,
    /// A path below /dev/md.
    pub name: Option<String>,
    pub attributes: Vec<(String, String)>,
}

/// Everything that the files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `None` without a DEVICE line: partitions and containers.
    pub devices: Option<Vec<DeviceWord>>,
    pub arrays: Vec<ArrayLine>,
    /// Where these lines stand: file and line, counted from 1.
    pub array_places: Vec<(String, usize)>,
    pub mail_to: Option<String>,
    pub mail_from: Option<String>,
    pub program: Option<String>,
    pub create: CreateDefaults,
    pub home_host: HomeHost,
    pub home_cluster: Option<HostName>,
    pub auto: Option<Vec<AutoRule>>,
    pub policies: Vec<PolicyRule>,
    pub sysfs: Vec<SysfsLine>,
    pub monitor_delay: Option<u32>,
    /// Trust that disks which say so are not encrypted (ENCRYPTION_NO_VERIFY sata_opal).
    pub sata_opal_unverified: bool,
    /// Look for DDF in the last 32 MiB (PROBING ddf_extended).
    pub ddf_extended: bool,
    pub imsm_without_orom: bool,
}

/// Understands texts in the order in which they are given: files, then those of the directory.
pub fn parse<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> (Config, Vec<Diagnostic>) {
    let mut parser = Parser::default();
    for (file, text) in texts {
        parser.file = file.to_owned();
        for line in lines::split(text) {
            parser.line(line);
        }
    }
    (parser.config, parser.diagnostics)
}

/// The logical lines of a text: where each begins, counted from 1, and its words.
#[must_use]
pub fn logical_lines(text: &str) -> Vec<(usize, Vec<String>)> {
    lines::split(text).into_iter().map(|line| (line.number, line.words)).collect()
}

impl Config {
    /// Words of AUTO that come before those of the files.
    pub fn auto_before(&mut self, words: &str) {
        let first = words.split_whitespace().filter_map(AutoRule::from_word);
        self.auto = Some(first.chain(self.auto.take().into_iter().flatten()).collect());
    }

    /// What `-c partitions` stands for.
    pub fn partitions() -> Self {
        Self { devices: Some(vec![DeviceWord::Partitions]), ..Self::default() }
    }

    /// The candidates, also where no line names them.
    pub fn device_words(&self) -> &[DeviceWord] {
        self.devices.as_deref().unwrap_or(&[DeviceWord::Partitions, DeviceWord::Containers])
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Devices,
    Array,
    MailAddr,
    MailFrom,
    Program,
    Create,
    HomeHost,
    HomeCluster,
    Auto,
    Policy,
    PartPolicy,
    Sysfs,
    MonitorDelay,
    EncryptionNoVerify,
    ImsmDisableOrom,
    Probing,
}

/// In the order in which abbreviations are tried.
const KEYWORDS: &[(&str, Keyword)] = &[
    ("devices", Keyword::Devices),
    ("array", Keyword::Array),
    ("mailaddr", Keyword::MailAddr),
    ("mailfrom", Keyword::MailFrom),
    ("program", Keyword::Program),
    ("create", Keyword::Create),
    ("homehost", Keyword::HomeHost),
    ("homecluster", Keyword::HomeCluster),
    ("auto", Keyword::Auto),
    ("policy", Keyword::Policy),
    ("part-policy", Keyword::PartPolicy),
    ("sysfs", Keyword::Sysfs),
    ("monitordelay", Keyword::MonitorDelay),
    ("encryption_no_verify", Keyword::EncryptionNoVerify),
    ("imsm_disable_orom", Keyword::ImsmDisableOrom),
    ("probing", Keyword::Probing),
];

/// The keywords in full.
pub fn keywords() -> impl Iterator<Item = &'static str> {
    KEYWORDS.iter().map(|(name, _)| *name)
}

/// A line that says again what a line before it has said, and does not count: its keyword, and where either stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    pub keyword: &'static str,
    pub place: (String, usize),
    pub first: (String, usize),
}

/// Lines of which the first alone counts, over all files.
pub fn repeated(texts: &[(String, String)]) -> Vec<Repeated> {
    let mut first: Vec<(&'static str, (String, usize))> = Vec::new();
    let mut found = Vec::new();
    for (file, text) in texts {
        for (line, words) in logical_lines(text) {
            let Some(keyword) = words.first().and_then(|word| once(word)) else { continue };
            let place = (file.clone(), line);
            match first.iter().find(|(known, _)| *known == keyword) {
                Some((_, first)) => found.push(Repeated { keyword, place, first: first.clone() }),
                None => first.push((keyword, place)),
            }
        }
    }
    found
}

/// The keyword of a line that counts once.
fn once(word: &str) -> Option<&'static str> {
    Some(match keyword(word)? {
        Keyword::MailAddr => "MAILADDR",
        Keyword::MailFrom => "MAILFROM",
        Keyword::Program => "PROGRAM",
        Keyword::HomeHost => "HOMEHOST",
        Keyword::HomeCluster => "HOMECLUSTER",
        Keyword::Auto => "AUTO",
        Keyword::MonitorDelay => "MONITORDELAY",
        Keyword::Devices
        | Keyword::Array
        | Keyword::Create
        | Keyword::Policy
        | Keyword::PartPolicy
        | Keyword::Sysfs
        | Keyword::EncryptionNoVerify
        | Keyword::ImsmDisableOrom
        | Keyword::Probing => return None,
    })
}

pub(super) fn keyword(word: &str) -> Option<Keyword> {
    let word = word.to_ascii_lowercase();
    let fits = |(name, _): &&(&str, Keyword)| word.len() >= 3 && name.starts_with(&word);
    KEYWORDS.iter().find(fits).map(|(_, keyword)| *keyword)
}

/// The value of `word` if it is `TAG=VALUE`, the tag in any case.
pub(super) fn tag<'a>(word: &'a str, tag: &str) -> Option<&'a str> {
    let (name, value) = word.split_at_checked(tag.len())?;
    value.strip_prefix('=').filter(|_| name.eq_ignore_ascii_case(tag))
}

fn yes_no(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

pub(super) fn count(value: &str) -> Option<u32> {
    number(value).and_then(|n| u32::try_from(n).ok())
}

#[derive(Debug, Default)]
struct Parser {
    config: Config,
    diagnostics: Vec<Diagnostic>,
    file: String,
    at: usize,
}

impl Parser {
    fn complain(&mut self, text: impl Into<String>) {
        self.diagnostics.push(Diagnostic { file: self.file.clone(), line: self.at, text: text.into() });
    }

    fn line(&mut self, line: Line) {
        self.at = line.number;
        let mut words = line.words.into_iter();
        let first = words.next().unwrap_or_default();
        let words: Vec<String> = words.collect();
        match keyword(&first) {
            None => self.complain(format!("Unknown keyword {first}")),
            Some(Keyword::Devices) => self.devices(words),
            Some(Keyword::Array) => self.array(&words),
            Some(Keyword::MailAddr) => first_wins(&mut self.config.mail_to, words),
            Some(Keyword::MailFrom) => self.mail_from(&words),
            Some(Keyword::Program) => first_wins(&mut self.config.program, words),
            Some(Keyword::Create) => words.iter().for_each(|word| self.create(word)),
            Some(Keyword::HomeHost) => self.home_host(&words),
            Some(Keyword::HomeCluster) => {
                let name = words.first().map(|word| HostName::from_word(word));
                self.config.home_cluster = mem::take(&mut self.config.home_cluster).or(name);
            }
            Some(Keyword::Auto) => {
                if self.config.auto.is_none() {
                    self.config.auto = Some(words.iter().filter_map(|w| AutoRule::from_word(w)).collect());
                }
            }
            Some(Keyword::Policy) => self.policy(&words, false),
            Some(Keyword::PartPolicy) => self.policy(&words, true),
            Some(Keyword::Sysfs) => self.sysfs(&words),
            Some(Keyword::MonitorDelay) => {
                let delay = words.first().and_then(|word| count(word)).filter(|n| *n > 0);
                self.config.monitor_delay = self.config.monitor_delay.or(delay);
            }
            Some(Keyword::EncryptionNoVerify) => {
                self.config.sata_opal_unverified |= self.only(&words, "ENCRYPTION_NO_VERIFY", "sata_opal");
            }
            Some(Keyword::ImsmDisableOrom) => {
                self.config.imsm_without_orom |= self.only(&words, "IMSM_DISABLE_OROM", "1");
            }
            Some(Keyword::Probing) => {
                self.config.ddf_extended |= self.only(&words, "PROBING", "ddf_extended");
            }
        }
    }

    /// For lines that know one word.
    fn only(&mut self, words: &[String], line: &str, known: &str) -> bool {
        for word in words.iter().filter(|word| *word != known && *word != "0") {
            self.complain(format!("unrecognised word on {line} line: {word}"));
        }
        words.iter().any(|word| word == known)
    }

    fn devices(&mut self, words: Vec<String>) {
        let mut devices = self.config.devices.take().unwrap_or_default();
        for word in words {
            if word.starts_with('/') {
                devices.push(DeviceWord::Pattern(word));
            } else if word.eq_ignore_ascii_case("partitions") {
                devices.push(DeviceWord::Partitions);
            } else if word.eq_ignore_ascii_case("containers") {
                devices.push(DeviceWord::Containers);
            } else {
                self.complain(format!("unrecognised word on DEVICE line: {word}"));
            }
        }
        self.config.devices = Some(devices).filter(|words| !words.is_empty());
    }

    fn mail_from(&mut self, words: &[String]) {
        for word in words {
            let text = self.config.mail_from.get_or_insert_default();
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
    }

    fn create(&mut self, word: &str) {
        if let Some(owner) = tag(word, "owner") {
            self.config.create.owner = Some(owner.to_owned());
        } else if let Some(group) = tag(word, "group") {
            self.config.create.group = Some(group.to_owned());
        } else if let Some(mode) = tag(word, "mode") {
            match u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777) {
                Some(mode) => self.config.create.mode = Some(mode),
                None => self.complain(format!("unrecognised CREATE mode {mode}")),
            }
        } else if let Some(metadata) = tag(word, "metadata") {
            let first = self.config.create.metadata.or_else(|| Metadata::from_name(metadata));
            self.config.create.metadata = first;
            if first.is_none() {
                self.complain(format!("metadata format {metadata} unknown, ignoring"));
            }
        } else if let Some(names) = tag(word, "names").and_then(yes_no) {
            self.config.create.names = Some(names);
        } else if let Some(bbl) = tag(word, "bbl").and_then(yes_no) {
            self.config.create.bbl = Some(bbl);
        } else if tag(word, "auto").is_none() {
            self.complain(format!("unrecognised word on CREATE line: {word}"));
        }
    }

    fn home_host(&mut self, words: &[String]) {
        for word in words {
            if word.eq_ignore_ascii_case("<ignore>") {
                self.config.home_host.ignore = true;
            } else if self.config.home_host.name.is_none() {
                self.config.home_host.name = Some(HostName::from_word(word));
            }
        }
    }

    fn policy(&mut self, words: &[String], partitions: bool) {
        let mut rule = PolicyRule { partitions, ..PolicyRule::default() };
        for word in words {
            if !rule.add(word) {
                self.complain(format!("policy rule {word} unrecognised and ignored"));
            }
        }
        self.config.policies.push(rule);
    }

    fn sysfs(&mut self, words: &[String]) {
        let mut line = SysfsLine::default();
        for word in words {
            if let Some(uuid) = tag(word, "uuid") {
                match (uuid.parse(), line.uuid) {
                    (Ok(uuid), None) => line.uuid = Some(uuid),
                    (Ok(_), Some(_)) => self.complain(format!("Only give one uuid per SYSFS line: {uuid}")),
                    (Err(_), _) => self.complain(format!("Invalid uuid: {uuid}")),
                }
            } else if let Some(name) = tag(word, "name") {
                if line.name.is_some() {
                    self.complain(format!("Only give one device per SYSFS line: {name}"));
                } else if name.strip_prefix("/dev/md/").is_none_or(|n| n.is_empty() || n.contains('/')) {
                    self.complain(format!("{name} is an invalid name for an md device - ignored."));
                } else {
                    line.name = Some(name.to_owned());
                }
            } else if let Some((attribute, value)) = word.split_once('=') {
                line.attributes.push((attribute.to_owned(), value.to_owned()));
            } else {
                self.complain(format!("Cannot parse \"{word}\" - ignoring."));
            }
        }
        if line.uuid.is_none() && line.name.is_none() {
            self.complain("Device name not found in sysfs config entry - ignoring.");
        } else {
            self.config.sysfs.push(line);
        }
    }

    fn array(&mut self, words: &[String]) {
        let mut line = ArrayLine::default();
        let mut shown = None;
        for word in words {
            if word.starts_with('/') || !word.contains('=') {
                shown = shown.or(Some(word.as_str()));
                self.array_name(&mut line, word);
            } else if let Err(text) = array_tag(&mut line, word) {
                self.complain(text);
            }
        }
        let identified = line.uuid.is_some()
            || !line.devices.is_empty()
            || line.super_minor.is_some()
            || (line.container.is_some() && line.member.is_some());
        if identified {
            self.config.arrays.push(line);
            self.config.array_places.push((self.file.clone(), self.at));
        } else {
            let shown = shown.unwrap_or("without a name");
            self.complain(format!("ARRAY line {shown} has no identity information."));
        }
    }

    fn array_name(&mut self, line: &mut ArrayLine, word: &str) {
        let why = if line.name != ArrayLineName::Unnamed {
            "Already defined"
        } else if name::check_length(word).is_err() {
            "Too long or empty"
        } else {
            let ignore = word.eq_ignore_ascii_case("<ignore>");
            line.name = if ignore { ArrayLineName::Ignore } else { ArrayLineName::Word(word.to_owned()) };
            return;
        };
        self.complain(format!("Value \"{word}\" cannot be set as devname. Reason: {why}. Value ignored."));
    }
}

/// Takes over the first word if nothing was said before.
fn first_wins(field: &mut Option<String>, words: Vec<String>) {
    if field.is_none() {
        *field = words.into_iter().next();
    }
}

/// One `TAG=VALUE` of an ARRAY line; the error is what to say.
fn array_tag(line: &mut ArrayLine, word: &str) -> Result<(), String> {
    if let Some(uuid) = tag(word, "uuid") {
        if line.uuid.is_some() {
            return Err(format!("only specify uuid once, {word} ignored."));
        }
        line.uuid = Some(uuid.parse().map_err(|_| format!("bad uuid: {word}"))?);
    } else if let Some(minor) = tag(word, "super-minor") {
        if line.super_minor.is_some() {
            return Err(format!("only specify super-minor once, {word} ignored."));
        }
        line.super_minor = Some(count(minor).ok_or_else(|| format!("invalid super-minor number: {word}"))?);
    } else if let Some(devices) = tag(word, "devices") {
        if !line.devices.is_empty() {
            return Err(format!("only specify devices once (use a comma separated list). {word} ignored"));
        }
        line.devices = devices.split(',').filter(|d| !d.is_empty()).map(str::to_owned).collect();
    } else if let Some(name) = tag(word, "level") {
        line.level = level(name);
    } else if let Some(disks) = tag(word, "num-devices").or_else(|| tag(word, "disks")) {
        line.raid_devices = count(disks);
    } else if let Some(spares) = tag(word, "spares") {
        line.spares = count(spares);
    } else if let Some(group) = tag(word, "spare-group") {
        if line.spare_group.is_some() {
            return Err(format!("only specify one spare group per array. {word} ignored."));
        }
        line.spare_group = Some(group.to_owned());
    } else if let Some(metadata) = tag(word, "metadata") {
        let first = line.metadata.or_else(|| Metadata::from_name(metadata));
        line.metadata = Some(first.ok_or_else(|| format!("metadata format {metadata} unknown, ignored."))?);
    } else if let Some(container) = tag(word, "container") {
        let uuid = container.parse().map(ContainerName::Uuid);
        line.container = Some(uuid.unwrap_or_else(|_| ContainerName::Path(container.to_owned())));
    } else if let Some(member) = tag(word, "member") {
        line.member = Some(member.to_owned());
    } else if !["name", "auto", "bitmap"].iter().any(|known| tag(word, known).is_some()) {
        return Err(format!("unrecognised word on ARRAY line: {word}"));
    }
    Ok(())
}

#[cfg(test)]
#[path = "conf_tests.rs"]
mod tests;

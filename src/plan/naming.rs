//! Names of arrays: which kernel device, which path, and what is stored in the metadata.
//!
//! All cases in the tests were observed with mdadm 4.6 unless they say otherwise.

use super::{ArrayName, Refusal};
use crate::words::ArrayState;
use crate::{
    config::{
        Config,
        conf::{ArrayLine, ArrayLineName as LineName},
        name::{ArrayWord, BadArrayName, number},
    },
    model::{DevId, World},
};

/// The major number of md devices.
const MD_MAJOR: u32 = 9;
/// Kernel names end here, with their NUL (DISK_NAME_LEN).
const KERNEL_NAME: usize = 32;
/// Longest name that is taken from metadata.
const LONGEST: usize = 200;

/// Whose array it is, as far as its name goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameTrust {
    /// Ours: it gets its plain name.
    Local,
    /// Perhaps another host's: its name must not get in the way of ours.
    Foreign,
    /// The name is the metadata format's; digits follow it (`imsm0`).
    Metadata,
}

/// The chosen names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub array: ArrayName,
    /// The number, where the kernel name is one.
    pub id: Option<DevId>,
}

/// What an array is trusted by.
#[derive(Clone, Copy, Debug, Default)]
pub struct NameClaim<'a> {
    /// The name in the metadata, with its host; for 0.90 the preferred minor in decimal.
    pub stored: &'a str,
    /// Whether the metadata belongs to this host: `host:` is ours, or the 0.90 UUID is hashed from it.
    pub of_this_host: bool,
    /// Named on the command line or by an ARRAY line.
    pub listed: bool,
    /// `HOMEHOST <ignore>` or `--homehost=<ignore>`.
    pub any_host: bool,
}

/// Whether the plain name may be used.
#[must_use]
pub fn trust(claim: NameClaim<'_>, config: &Config) -> NameTrust {
    let (host, name) = split(claim.stored);
    let free = || !config.arrays.iter().any(|line| line_uses(line, name));
    let local = claim.listed || claim.of_this_host || host == Some("any") || (claim.any_host && free());
    if local { NameTrust::Local } else { NameTrust::Foreign }
}

fn line_uses(line: &ArrayLine, name: &str) -> bool {
    match &line.name {
        LineName::Word(word) => word == name || word.strip_prefix("/dev/md/") == Some(name),
        LineName::Unnamed | LineName::Ignore => false,
    }
}

/// Host and name of a stored name.
fn split(stored: &str) -> (Option<&str>, &str) {
    stored.split_once(':').map_or((None, stored), |(host, name)| (Some(host), name))
}

/// The name to store for an array that is created as `word`.
#[must_use]
pub fn to_store(word: &str, name: Option<&str>) -> String {
    let bare = || {
        let below = word.strip_prefix("/dev/md/").or_else(|| word.strip_prefix("/dev/md_"));
        below.or_else(|| word.strip_prefix("/dev/md")).unwrap_or(word)
    };
    name.unwrap_or_else(bare).to_owned()
}

/// Names for an array that was named by `word`. `stored` is the name in its metadata, without host, where
/// it has one that is trusted, or the name that it is created with: a number in it is honoured.
///
/// # Errors
/// The word names no array, or one that is there already.
pub fn given(word: &str, stored: Option<&str>, world: &World, config: &Config) -> Result<Chosen, Refusal> {
    let (number, path, name) = match ArrayWord::parse(word).map_err(|why| bad_word(word, why))? {
        ArrayWord::Number { number, partitionable: false } => {
            (Some(number), format!("/dev/md{number}"), None)
        }
        ArrayWord::Number { number, partitionable: true } => return partitionable(word, number, world),
        ArrayWord::Name(_) if word.starts_with("/dev/md_") => {
            return Err(bad_word(word, BadArrayName::Place));
        }
        ArrayWord::Name(name) => {
            let digits = name.strip_prefix('d').unwrap_or(&name);
            (number(digits), format!("/dev/md/{}", clean(&name)), Some(name))
        }
    };
    nothing_else(word, &path, world)?;
    if let Some(entry) = world.map.iter().find(|entry| entry.path == path && exists(world, &entry.devnm)) {
        let in_the_way = number.is_none_or(|number| entry.devnm != format!("md{number}"));
        if in_the_way {
            return Err(Refusal::new(format!("Array name {path} is in use already.")));
        }
    }
    if let Some(number) = number {
        let kernel = format!("md{number}");
        if busy(world, &kernel) {
            return Err(Refusal::new(format!("{word} is already in use.")));
        }
        return Ok(numbered(number, path));
    }
    kernel_device(name.as_deref(), stored, path, world, config)
}

/// The array's path must be free or an array's: what is written there next would go to the other device.
fn nothing_else(word: &str, path: &str, world: &World) -> Result<(), Refusal> {
    if !world.others.iter().any(|other| other == path) {
        return Ok(());
    }
    Err(Refusal::new(format!("device {word} exists but is not an md array."))
        .hint(format!("remove {path} or choose another name")))
}

/// The old partitionable arrays: the kernel knows them by name only.
fn partitionable(word: &str, number: u32, world: &World) -> Result<Chosen, Refusal> {
    let kernel = format!("md_d{number}");
    nothing_else(word, &format!("/dev/{kernel}"), world)?;
    if busy(world, &kernel) {
        return Err(Refusal::new(format!("{word} is already in use.")));
    }
    Ok(Chosen { array: ArrayName { path: format!("/dev/{kernel}"), kernel }, id: None })
}

/// Names for an array that nobody named, from its metadata.
///
/// # Errors
/// No number is free.
pub fn found(stored: &str, trust: NameTrust, world: &World, config: &Config) -> Result<Chosen, Refusal> {
    let (host, bare) = split(stored);
    let name = match trust {
        NameTrust::Local => bare,
        NameTrust::Foreign | NameTrust::Metadata => stored,
    };
    let name = clean(name);
    if name.is_empty() {
        let number = free_number(world, config)?;
        return Ok(numbered(number, format!("/dev/md{number}")));
    }
    let plain = format!("/dev/md/{name}");
    let path = match trust {
        NameTrust::Local => unused(&plain, "_", true, world),
        NameTrust::Foreign => unused(&plain, "_", host.is_some(), world),
        NameTrust::Metadata => unused(&plain, "", false, world),
    };
    match trust {
        NameTrust::Local => kernel_device(Some(&name), Some(bare), path, world, config),
        NameTrust::Foreign | NameTrust::Metadata => kernel_device(Some(&name), None, path, world, config),
    }
}

/// `plain` if it may be and is free, else the first free one with a number after it.
fn unused(plain: &str, separator: &str, plain_allowed: bool, world: &World) -> String {
    let taken = |path: &str| world.map.iter().any(|entry| entry.path == path && exists(world, &entry.devnm));
    if plain_allowed && !taken(plain) {
        return plain.to_owned();
    }
    // One more than there are entries is enough to find a free one.
    let mut numbers = 0..=world.map.len();
    let path = numbers.by_ref().map(|n| format!("{plain}{separator}{n}")).find(|path| !taken(path));
    path.unwrap_or_else(|| plain.to_owned())
}

/// A name as a word below /dev/md. Metadata may hold anything, also another directory; and udev makes links
/// with these characters only, so any other would name a link that never comes.
fn clean(name: &str) -> String {
    let allowed = |c: char| match c {
        '/' => '-',
        '#' | '+' | '-' | '.' | ':' | '=' | '@' | '_' => c,
        c if c.is_alphanumeric() || (!c.is_ascii() && !c.is_whitespace() && !c.is_control()) => c,
        _ => '_',
    };
    let name: String = name.chars().map(allowed).take(LONGEST).collect();
    match name.as_str() {
        "." | ".." => "_".repeat(name.len()),
        _ => name,
    }
}

/// The kernel device of an array that has a path: the number that its stored name is, a name of its own
/// with `CREATE names=yes`, else a free number.
fn kernel_device(
    name: Option<&str>,
    stored: Option<&str>,
    path: String,
    world: &World,
    config: &Config,
) -> Result<Chosen, Refusal> {
    let wanted = stored.and_then(stored_number).filter(|number| !busy(world, &format!("md{number}")));
    if let Some(number) = wanted {
        return Ok(numbered(number, path));
    }
    if config.create.names == Some(true) {
        let kernel = name.map(|name| format!("md_{}", clean(name)));
        if let Some(kernel) = kernel.filter(|kernel| kernel.len() < KERNEL_NAME && !exists(world, kernel)) {
            return Ok(Chosen { array: ArrayName { kernel, path }, id: None });
        }
    }
    Ok(numbered(free_number(world, config)?, path))
}

/// `5`, `md5` and `/dev/md5` in metadata ask for md5.
fn stored_number(stored: &str) -> Option<u32> {
    let digits = stored.strip_prefix("/dev/md").or_else(|| stored.strip_prefix("md")).unwrap_or(stored);
    number(digits)
}

fn numbered(number: u32, path: String) -> Chosen {
    let array = ArrayName { kernel: format!("md{number}"), path };
    Chosen { array, id: Some(DevId { major: MD_MAJOR, minor: number }) }
}

/// Whether the kernel has an array of this name, be it empty.
fn exists(world: &World, kernel: &str) -> bool {
    world.arrays.iter().any(|array| array.name == kernel)
}

/// Whether an array of this name holds something. An empty one that an open of its node left behind does not.
fn busy(world: &World, kernel: &str) -> bool {
    world
        .arrays
        .iter()
        .any(|array| array.name == kernel && !(array.state == ArrayState::Clear && array.members.is_empty()))
}

/// The first number that nobody uses or has been promised: from 127 down, then from 511 down to 129.
fn free_number(world: &World, config: &Config) -> Result<u32, Refusal> {
    let promised: Vec<u32> = config.arrays.iter().flat_map(promised).collect();
    let free = |number: &u32| {
        let kernel = format!("md{number}");
        !exists(world, &kernel)
            && !promised.contains(number)
            && (world.udev || !world.nodes.contains(&kernel))
    };
    let mut numbers = (0..=127).rev().chain((129..=511).rev());
    numbers.find(free).ok_or_else(|| Refusal::new("No avail md devices - aborting"))
}

/// The numbers that an ARRAY line asks for.
fn promised(line: &ArrayLine) -> impl Iterator<Item = u32> {
    let by_name = match &line.name {
        LineName::Word(word) => match ArrayWord::parse(word) {
            Ok(ArrayWord::Number { number, .. }) => Some(number),
            Ok(ArrayWord::Name(name)) => stored_number(&name),
            Err(_) => None,
        },
        LineName::Unnamed | LineName::Ignore => None,
    };
    by_name.into_iter().chain(line.super_minor)
}

fn bad_word(word: &str, why: BadArrayName) -> Refusal {
    match why {
        BadArrayName::Length => {
            Refusal::new(format!("Value \"{word}\" cannot be set as devname. Reason: Too long or empty."))
        }
        BadArrayName::Place => {
            let name = word.strip_prefix("/dev/").filter(|name| !name.is_empty() && !name.contains('/'));
            let hint = name.map(|name| format!("  Try /dev/md/{name}")).unwrap_or_default();
            Refusal::new(format!("{word} is an invalid name for an md device.{hint}"))
        }
    }
}

#[cfg(test)]
#[path = "naming_tests.rs"]
mod tests;

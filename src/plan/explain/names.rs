//! Why an array has the name that it has, by the rules that gave it.

use super::{ExplainScene, Finding, Kind, Severity};
use crate::{
    config::{
        conf::{ArrayLine, ArrayLineName},
        name,
    },
    model::status::ArrayStatus,
    plan::{
        assemble::Claim,
        naming::{self, NameTrust},
    },
};

/// Numbers from here on are given, not asked for.
const GIVEN: u32 = 100;

/// Whose it is, and why it is called so. `array` is the one in the kernel.
pub(super) fn findings(scene: &ExplainScene<'_>, array: Option<&ArrayStatus>, claim: &Claim) -> Vec<Finding> {
    let session = scene.session;
    let by_minor = |line: &ArrayLine| line.super_minor.is_some() && line.super_minor == claim.facts.minor;
    let is_it = |line: &&ArrayLine| {
        !line.wants_container() && (line.uuid == Some(claim.facts.array) || by_minor(line))
    };
    let line = session.config.arrays.iter().find(is_it);
    let stored = claim.name();
    let asked = naming::NameClaim {
        stored: &stored,
        of_this_host: session.home.owns(claim),
        listed: line.is_some(),
        any_host: !session.home.required,
    };
    let trust = naming::trust(asked, session.config);
    let bare = stored.split_once(':').map_or(stored.as_str(), |(_, bare)| bare);
    let foreign = trust == NameTrust::Foreign && array.is_none_or(|array| !is_as_asked(array, bare));
    let foreign = foreign.then(|| foreign_host(scene, claim, &stored, bare));
    foreign.into_iter().chain(array.and_then(|array| number(array, trust, &stored, bare, line))).collect()
}

fn foreign_host(scene: &ExplainScene<'_>, claim: &Claim, stored: &str, bare: &str) -> Finding {
    let host = scene.session.home.host.as_deref().unwrap_or("(none)");
    let whose = match stored.split_once(':') {
        Some((other, _)) => {
            format!("its name {stored:?} belongs to host {other:?}, and this one is {host:?}")
        }
        None if claim.metadata.version().0 == 0 => format!("its UUID was not made by host {host:?}"),
        None => format!("its name {stored:?} tells no host"),
    };
    let name = if bare.is_empty() { "NAME" } else { bare };
    let line =
        format!("a line in mdadm.conf to give it a name: ARRAY /dev/md/{name} UUID={}", claim.facts.array);
    let text = "the array counts as another host's, so it does not get its plain name";
    Finding::new(Kind::Foreign, Severity::Note, text)
        .because(whose)
        .because("no ARRAY line of mdadm.conf names it")
        .needs(line)
}

/// Why it has a number that nobody asked for.
fn number(
    array: &ArrayStatus,
    trust: NameTrust,
    stored: &str,
    bare: &str,
    line: Option<&ArrayLine>,
) -> Option<Finding> {
    let number = array.kernel_name.strip_prefix("md").and_then(name::number)?;
    if number < GIVEN || name::number(bare) == Some(number) {
        return None;
    }
    let why = match (trust, name::number(bare)) {
        (NameTrust::Foreign, Some(_)) => {
            format!("the number in {stored:?} is not honoured, for the array counts as another host's")
        }
        (NameTrust::Local | NameTrust::Metadata, Some(wanted)) => {
            format!("md{wanted} was taken when it was assembled")
        }
        (_, None) => format!("its stored name {stored:?} is no number"),
    };
    let listed = line.and_then(|line| match &line.name {
        ArrayLineName::Word(word) => Some(format!("mdadm.conf calls it {word}")),
        ArrayLineName::Unnamed | ArrayLineName::Ignore => None,
    });
    let name = array.path.as_deref().filter(|path| path.starts_with("/dev/md/"));
    let stable = name.map_or_else(String::new, |path| format!("; {path} is the name to use"));
    let called = &array.kernel_name;
    let text = format!("it is called {called} because that number was free, counted down from 127{stable}");
    Some(Finding::new(Kind::Name, Severity::Note, text).because(why).also(listed))
}

/// Whether it has its plain name all the same.
fn is_as_asked(array: &ArrayStatus, bare: &str) -> bool {
    array.path.as_deref() == Some(&format!("/dev/md/{bare}")) || array.kernel_name == format!("md{bare}")
}

//! One device: which array it belongs to, whether it is in, and if not, why.

use superblock::foreign::Foreign;

use super::{ExplainScene, Explanation, Finding, Kind, NextCommand, Severity, kernel, member};
use crate::{
    model::{Candidate as Looked, Device, Unusable, human},
    plan::assemble::Claim,
};

/// Explains it.
pub(super) fn explain(scene: &ExplainScene<'_>, path: &str) -> Explanation {
    let mut explanation = Explanation { subject: path.to_owned(), ..Explanation::default() };
    let device = match scene.device {
        Some(Looked { found: Ok(device), .. }) => device,
        Some(Looked { found: Err(why), .. }) => {
            explanation.summary = "cannot be looked at".to_owned();
            explanation.findings.push(unusable(path, why));
            return explanation;
        }
        None => return explanation,
    };
    // Under the name that was asked for, which need not be the scan's.
    let claim = scene.claims().find(|claim| claim.id == device.id).cloned();
    match claim {
        Some(claim) => member_of_array(scene, device, &claim, &mut explanation),
        None => {
            explanation.summary = format!("{}, no member of an array", human::size(device.size.0));
            explanation.findings = no_member(scene, path, device);
        }
    }
    explanation
}

fn unusable(path: &str, why: &Unusable) -> Finding {
    let why = match why {
        Unusable::Open(why) => format!("cannot be opened: {why}"),
        Unusable::NotBlock => "is no block device".to_owned(),
        Unusable::Broken(why) | Unusable::Silent(why) => why.clone(),
    };
    Finding::new(Kind::NoAccess, Severity::Blocks, format!("{path}: {why}")).of(path)
}

/// What is on it instead.
fn no_member(scene: &ExplainScene<'_>, path: &str, device: &Device) -> Vec<Finding> {
    let mut found = vec![];
    for damage in &device.probe.damaged {
        let text = format!("{path}: there is md metadata, and it cannot be used");
        let examine =
            NextCommand::new(["mdctl", "examine", path], "shows what can be read of it; reads only");
        found.push(
            Finding::new(Kind::Unreadable, Severity::Blocks, text)
                .of(path)
                .because(damage.to_string())
                .try_next(examine),
        );
    }
    if found.is_empty() {
        let what = device.foreign.iter().map(described);
        let evidence: Vec<String> = what.collect();
        let nothing = evidence.is_empty().then(|| "nothing that is known is on it".to_owned());
        let text = format!("{path}: has no md metadata in any of its four places");
        found.push(
            Finding::new(Kind::NotMember, Severity::Blocks, text).of(path).also(evidence).also(nothing),
        );
    }
    if device.busy {
        found.push(member::held(path, device));
    }
    let lines = kernel::lines(scene, 0, &[&device.kernel_name], None);
    if !lines.is_empty() {
        found.push(
            Finding::new(Kind::KernelRefused, Severity::Weakens, "the kernel said").of(path).also(lines),
        );
    }
    found
}

fn described(foreign: &Foreign) -> String {
    let label = foreign.label.as_ref().filter(|label| !label.is_empty());
    let label = label.map(|label| format!(" {:?}", String::from_utf8_lossy(label))).unwrap_or_default();
    let size = foreign.size.map(|size| format!(", {}", human::size(size.0))).unwrap_or_default();
    format!("it holds {}{label}{size}", foreign.kind)
}

fn member_of_array(scene: &ExplainScene<'_>, device: &Device, claim: &Claim, explanation: &mut Explanation) {
    let uuid = claim.facts.array;
    explanation.uuid = Some(uuid);
    let array = scene.arrays.iter().find(|array| scene.uuid_of(array) == Some(uuid));
    let about = scene.array(array, Some(uuid));
    explanation.devices = about.devices;
    let inside = array.and_then(|array| array.members.iter().find(|member| member.id == Some(device.id)));
    let line = explanation.devices.iter().find(|seen| seen.path == claim.path);
    let standing = line.map(|line| format!("{}, {}", line.role, line.standing)).unwrap_or_default();
    let where_to = array.map_or_else(|| about.subject.clone(), crate::model::status::ArrayStatus::shown);
    explanation.summary = match (inside, array) {
        (Some(_), _) => format!("in {where_to}: {standing}"),
        (None, Some(_)) => format!("belongs to {where_to} and is not in it: {standing}"),
        (None, None) => format!("belongs to {where_to}, which does not run: {standing}"),
    };
    let here = |finding: &Finding| finding.device.as_deref() == Some(claim.path.as_str());
    let (own, of_array): (Vec<_>, Vec<_>) = about.findings.into_iter().partition(here);
    explanation.findings = own;
    if explanation.findings.is_empty() && inside.is_some() {
        let text = format!("{}: a member of {where_to}, in its place", explanation.subject);
        explanation.findings.push(Finding::new(Kind::Member, Severity::Note, text).of(&claim.path));
    }
    // Where nothing is wrong with the device, it is the array that keeps it out.
    if inside.is_none() || array.is_none_or(|array| !array.is_running()) {
        let blocks = of_array.into_iter().filter(|finding| finding.severity == Severity::Blocks);
        explanation.findings.extend(blocks);
    }
    // Others of the same disk may be asked about by another name.
    for found in &device.probe.found {
        if let Ok(facts) = found.verify().map_err(drop) {
            if facts.array != uuid {
                let text = format!(
                    "{}: also carries {} metadata of another array, {}",
                    explanation.subject,
                    found.format(),
                    facts.array
                );
                explanation.findings.push(Finding::new(Kind::Misfit, Severity::Note, text).of(&claim.path));
            }
        }
    }
}

//! AUTO and POLICY: which arrays are assembled without being asked for, and what may be done with a device
//! that appears.

use super::{
    format::Metadata,
    glob::{self, Slash},
};

/// A family of formats, as rules distinguish them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FormatFamily {
    V0,
    V1,
    Ddf,
    Imsm,
    Gpt,
    Mbr,
}

impl FormatFamily {
    fn from_name(word: &str) -> Option<Self> {
        if word == "1" || word.starts_with("1.") {
            return Some(Self::V1);
        }
        match Metadata::from_name(word)? {
            Metadata::V0 => Some(Self::V0),
            Metadata::V1(_) => Some(Self::V1),
            Metadata::Ddf => Some(Self::Ddf),
            Metadata::Imsm => Some(Self::Imsm),
            Metadata::Gpt => Some(Self::Gpt),
            Metadata::Mbr => Some(Self::Mbr),
            Metadata::Default => None,
        }
    }
}

/// A word of AUTO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoRule {
    Allow(FormatFamily),
    Deny(FormatFamily),
    AllowAll,
    DenyAll,
    /// What is denied after this is allowed to arrays of this host.
    HomeHost,
}

impl AutoRule {
    /// From a word; `None` for one that means nothing.
    pub fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "yes" | "+all" => Some(Self::AllowAll),
            "no" | "-all" => Some(Self::DenyAll),
            "homehost" => Some(Self::HomeHost),
            other => match other.split_at_checked(1)? {
                ("+", name) => FormatFamily::from_name(name).map(Self::Allow),
                ("-", name) => FormatFamily::from_name(name).map(Self::Deny),
                _ => None,
            },
        }
    }
}

/// Whether an array may be assembled that no ARRAY line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyVerdict {
    No,
    /// Only if it belongs to this host.
    HomeHost,
    Yes,
}

/// The verdict of AUTO words on a family: the first that fits decides, and nothing said means yes.
pub fn auto<'a>(rules: impl IntoIterator<Item = &'a AutoRule>, family: FormatFamily) -> PolicyVerdict {
    let mut denied = PolicyVerdict::No;
    for rule in rules {
        match rule {
            AutoRule::HomeHost => denied = PolicyVerdict::HomeHost,
            AutoRule::AllowAll => return PolicyVerdict::Yes,
            AutoRule::DenyAll => return denied,
            AutoRule::Allow(known) if *known == family => return PolicyVerdict::Yes,
            AutoRule::Deny(known) if *known == family => return denied,
            AutoRule::Allow(_) | AutoRule::Deny(_) => {}
        }
    }
    PolicyVerdict::Yes
}

/// What may be done with a device, from least to most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Join its own array at boot.
    #[default]
    Include,
    /// Join an active array again.
    ReAdd,
    /// Become a spare where it is bare.
    Spare,
    /// Take the place of the disk that was in its slot.
    SpareSameSlot,
    /// Become a spare whatever it holds.
    ForceSpare,
}

impl Action {
    pub(super) fn from_name(word: &str) -> Option<Self> {
        Some(match word {
            "include" => Self::Include,
            "re-add" => Self::ReAdd,
            "spare" => Self::Spare,
            "spare-same-slot" => Self::SpareSameSlot,
            "force-spare" => Self::ForceSpare,
            _ => return None,
        })
    }
}

/// A POLICY or PART-POLICY line. Of a tag that is given more than once any value may fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyRule {
    /// PART-POLICY: it is about partitions of the disks that it describes.
    pub partitions: bool,
    pub paths: Vec<String>,
    pub types: Vec<String>,
    pub metadata: Vec<String>,
    pub actions: Vec<String>,
    pub domains: Vec<String>,
    pub auto: Vec<String>,
}

/// What rules say about one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DevicePolicy {
    /// The most that any rule allows.
    pub action: Action,
    /// Some rule says what may be done.
    pub says_action: bool,
    pub domains: Vec<String>,
    /// The most that `auto=` allows; `None` where no rule says.
    pub auto: Option<PolicyVerdict>,
}

/// A device as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct PolicySubject<'a> {
    /// Its names in /dev/disk/by-path.
    pub paths: &'a [String],
    pub is_partition: bool,
    /// The family of its metadata, where the question is about one.
    pub family: Option<FormatFamily>,
}

impl PolicyRule {
    /// Takes a `TAG=VALUE`; `false` where it is none of POLICY's.
    pub fn add(&mut self, word: &str) -> bool {
        let Some((tag, value)) = word.split_once('=') else { return false };
        let values = match tag.to_ascii_lowercase().as_str() {
            "path" => &mut self.paths,
            "type" => &mut self.types,
            "metadata" => &mut self.metadata,
            "action" => &mut self.actions,
            "domain" => &mut self.domains,
            "auto" => &mut self.auto,
            _ => return false,
        };
        values.push(value.to_owned());
        true
    }

    fn applies(&self, subject: &PolicySubject<'_>) -> bool {
        let kind = if subject.is_partition { "part" } else { "disk" };
        let path = |pattern: &String| {
            subject.paths.iter().any(|path| {
                let path = if self.partitions { whole(path).0 } else { path };
                glob::matches(pattern, path, Slash::Plain)
            })
        };
        let family =
            |name: &String| subject.family.is_some() && FormatFamily::from_name(name) == subject.family;
        (!self.partitions || subject.is_partition)
            && (self.paths.is_empty() || self.paths.iter().any(path))
            && (self.types.is_empty() || self.types.iter().any(|t| t == kind))
            && (self.metadata.is_empty() || subject.family.is_none() || self.metadata.iter().any(family))
    }
}

/// A by-path name of a partition: that of its disk, and `-partN`.
fn whole(path: &str) -> (&str, &str) {
    match path.rfind("-part") {
        Some(at)
            if path.get(at + 5..).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) =>
        {
            path.split_at(at)
        }
        _ => (path, ""),
    }
}

/// What all rules together say about a device.
pub fn policy(rules: &[PolicyRule], subject: &PolicySubject<'_>) -> DevicePolicy {
    let mut policy = DevicePolicy::default();
    for rule in rules.iter().filter(|rule| rule.applies(subject)) {
        let action = rule.actions.iter().filter_map(|name| Action::from_name(name)).max();
        policy.says_action |= action.is_some();
        policy.action = policy.action.max(action.unwrap_or_default());
        let auto = rule.auto.iter().filter_map(|word| match word.as_str() {
            "yes" => Some(PolicyVerdict::Yes),
            "homehost" => Some(PolicyVerdict::HomeHost),
            "no" => Some(PolicyVerdict::No),
            _ => None,
        });
        policy.auto = policy.auto.max(auto.max());
        let suffix =
            if rule.partitions { subject.paths.first().map_or("", |path| whole(path).1) } else { "" };
        for domain in &rule.domains {
            let domain = format!("{domain}{suffix}");
            if !policy.domains.contains(&domain) {
                policy.domains.push(domain);
            }
        }
    }
    policy
}

/// Rules for udev: what appears in a place where a bare disk may become a spare is handed to incremental assembly. The
/// original's text and its order, the last line first; of several words of a kind the last counts.
pub fn udev_rules(rules: &[PolicyRule]) -> String {
    let mut text = "# do not edit this file, it is automatically generated by mdadm\n\n".to_owned();
    let mut seen = Vec::new();
    for rule in rules.iter().rev() {
        let action = rule.actions.last().and_then(|name| Action::from_name(name));
        let Some(path) = rule.paths.last().filter(|_| action >= Some(Action::SpareSameSlot)) else {
            continue;
        };
        if seen.contains(&path) {
            continue;
        }
        seen.push(path);
        let kind = if rule.partitions { Some("part") } else { rule.types.last().map(String::as_str) };
        let kind = kind.map(|kind| format!("ENV{{DEVTYPE}}==\"{kind}\", ")).unwrap_or_default();
        text.push_str(&format!("ACTION==\"add\", SUBSYSTEM==\"block\", {kind}ENV{{ID_PATH}}==\"{path}\", "));
        text.push_str("RUN+=\"/usr/sbin/mdadm --incremental $env{DEVNAME}\"\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(words: &str, family: FormatFamily) -> PolicyVerdict {
        let rules: Vec<AutoRule> = words.split(' ').filter_map(AutoRule::from_word).collect();
        auto(&rules, family)
    }

    #[test]
    fn the_first_auto_word_that_fits_decides() {
        use FormatFamily::{Ddf, Imsm, V0, V1};
        for (words, family, expected) in [
            ("", V1, PolicyVerdict::Yes),
            ("+1.x -all", V1, PolicyVerdict::Yes),
            ("+1.x -all", V0, PolicyVerdict::No),
            ("-0.90", V0, PolicyVerdict::No),
            ("-0", V0, PolicyVerdict::No),
            ("-0.90", V1, PolicyVerdict::Yes),
            ("homehost -all", V1, PolicyVerdict::HomeHost),
            ("+imsm homehost -all", Imsm, PolicyVerdict::Yes),
            ("-ddf homehost -all", Ddf, PolicyVerdict::No),
            ("yes -1.2", V1, PolicyVerdict::Yes),
            ("no +1.2", V1, PolicyVerdict::No),
            ("nonsense -1.anything", V1, PolicyVerdict::No),
        ] {
            assert_eq!(verdict(words, family), expected, "{words} {family:?}");
        }
    }

    #[test]
    fn rules_about_a_device_add_up() {
        let rule = |words: &str, partitions| {
            let mut rule = PolicyRule { partitions, ..PolicyRule::default() };
            assert!(words.split(' ').all(|word| rule.add(word)));
            rule
        };
        let rules = [
            rule("path=pci-0000:00:1f.2-* action=re-add domain=front", false),
            rule("type=disk action=spare-same-slot auto=no domain=front domain=all", false),
            rule("path=pci-* domain=os action=include auto=homehost", true),
            rule("metadata=ddf action=force-spare", false),
        ];
        let disk = ["pci-0000:00:1f.2-ata-1".to_owned()];
        let subject = PolicySubject { paths: &disk, is_partition: false, family: Some(FormatFamily::V1) };
        let found = policy(&rules, &subject);
        assert_eq!(found.action, Action::SpareSameSlot);
        assert_eq!(found.domains, ["front", "all"]);
        assert_eq!(found.auto, Some(PolicyVerdict::No));

        let part = ["pci-0000:00:1f.2-ata-1-part2".to_owned()];
        let found = policy(
            &rules,
            &PolicySubject { paths: &part, is_partition: true, family: Some(FormatFamily::V1) },
        );
        assert_eq!(found.action, Action::ReAdd);
        assert_eq!(found.domains, ["front", "os-part2"]);
        assert_eq!(found.auto, Some(PolicyVerdict::HomeHost));
    }

    #[test]
    fn rules_for_udev() {
        let rule = |words: &str, partitions| {
            let mut rule = PolicyRule { partitions, ..PolicyRule::default() };
            assert!(words.split(' ').all(|word| rule.add(word)));
            rule
        };
        let rules = [
            rule("path=a action=spare-same-slot", false),
            rule("path=b action=spare", false),
            rule("action=force-spare", false),
            rule("path=c type=disk action=include action=force-spare", false),
            rule("path=a path=d type=disk action=force-spare", true),
            rule("path=c action=force-spare", false),
        ];
        let text = udev_rules(&rules);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        let run = "RUN+=\"/usr/sbin/mdadm --incremental $env{DEVNAME}\"";
        let begin = "ACTION==\"add\", SUBSYSTEM==\"block\", ";
        assert_eq!(
            lines,
            [
                format!("{begin}ENV{{ID_PATH}}==\"c\", {run}"),
                format!("{begin}ENV{{DEVTYPE}}==\"part\", ENV{{ID_PATH}}==\"d\", {run}"),
                format!("{begin}ENV{{ID_PATH}}==\"a\", {run}"),
            ]
        );
    }
}

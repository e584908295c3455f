//! Options about which array: identity, format, updates; and those of monitor.

use std::ffi::OsStr;

use super::{Done, LowArgs, no_effect, refuse, text};
use crate::{
    cli::{
        UsageError,
        options::{Mode, OptionId},
        values::{self},
    },
    config::HostName,
    request::{ManageOp, Metadata, SuperMinor, Update},
};

impl LowArgs {
    pub(super) fn identity(&mut self, id: OptionId, word: &str, mode: Option<Mode>) -> Done {
        match id {
            OptionId::Uuid => {
                if self.uuid.is_some() {
                    return refuse(format!("uuid cannot be set twice.  Second value {word}."));
                }
                self.uuid = Some(word.parse().or_else(|_| refuse(format!("Bad uuid: {word}")))?);
            }
            OptionId::Destroy => {
                self.destroy = Some(word.parse().or_else(|_| refuse(format!("Bad uuid: {word}")))?);
            }
            OptionId::Name => {
                if mode == Some(Mode::Misc) && !self.has_subarray() {
                    return refuse("-N/--name only valid with --update-subarray in misc mode");
                }
                let why = if self.name.is_some() { "Already defined" } else { "Too long or empty" };
                if self.name.is_some() || word.is_empty() || word.len() > 32 {
                    return refuse(format!("Value \"{word}\" cannot be set as name. Reason: {why}."));
                }
                self.name = Some(word.to_owned());
            }
            OptionId::SuperMinor => {
                if self.super_minor.is_some() {
                    return refuse(format!("super-minor cannot be set twice.  Second value: {word}."));
                }
                self.super_minor = Some(match word {
                    "dev" => SuperMinor::OfNode,
                    _ => values::number(word)
                        .and_then(|n| u32::try_from(n).ok())
                        .map(SuperMinor::Number)
                        .map_or_else(|| refuse(format!("Bad super-minor number: {word}.")), Ok)?,
                });
            }
            OptionId::Metadata => {
                if self.metadata.is_some() {
                    return refuse("metadata information already given");
                }
                self.metadata = Metadata::from_name(word);
                if self.metadata.is_none() {
                    return refuse(format!("unrecognised metadata identifier: {word}"));
                }
            }
            OptionId::HomeHost => match word {
                "<ignore>" => self.ignore_homehost = true,
                _ => self.homehost = Some(HostName::from_word(word)),
            },
            other => return no_effect(other),
        }
        Ok(())
    }

    /// Options of monitor, of which a second one is only remarked upon; and the delay, also the bitmap's.
    pub(super) fn monitor(&mut self, id: OptionId, given: &OsStr) -> Done {
        let word = text(given);
        let mut once = |taken: bool, what: &str| {
            if taken {
                self.notices.push(format!("only specify {what}. {word} ignored."));
            }
            !taken
        };
        match id {
            OptionId::Mail if once(self.mail.is_some(), "one mailaddress") => self.mail = Some(word),
            OptionId::Program if once(self.program.is_some(), "one alter program") => {
                self.program = Some(given.to_owned());
            }
            OptionId::PidFile if once(self.pid_file.is_some(), "one pid file") => {
                self.pid_file = Some(given.to_owned());
            }
            OptionId::Increment => {
                self.increment = values::number(&word)
                    .and_then(|n| u32::try_from(n).ok())
                    .filter(|n| (1..=99).contains(n));
                if self.increment.is_none() {
                    return refuse("please specify positive integer between 1 and 99 as rebuild increments.");
                }
            }
            OptionId::Delay if once(self.delay.is_some(), "delay once") => {
                let number = values::number(&word).and_then(|n| u32::try_from(n).ok());
                self.delay = number.filter(|n| *n > 0 && i32::try_from(*n).is_ok());
                if self.delay.is_none() {
                    return refuse(format!("invalid delay: {word}"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn set_logical_block_size(&mut self, word: &str) -> Done {
        // Nothing is zero here, and zero is out of range.
        let number = if word.is_empty() { Some(0) } else { values::number(word) };
        let Some(number) = number else {
            return refuse(format!("logical block size [{word}] can't be converted to an integer"));
        };
        if let Some((said, error)) = self.metadata.and_then(no_logical_block_size) {
            self.notices.push(said);
            return refuse(error);
        }
        self.logical_block_size = u32::try_from(number).ok().filter(|n| *n > 0);
        if self.logical_block_size.is_none() {
            return refuse(format!(
                "The range of logical-block-size is (0, 4294967295], current is {number}"
            ));
        }
        Ok(())
    }

    pub(super) fn set_update(&mut self, word: &str, mode: Option<Mode>) -> Done {
        if let Some(first) = self.update {
            return refuse(format!(
                "Can only update one aspect of superblock, both {} and {word} given.",
                first.name()
            ));
        }
        let allowed: &[Update] = match mode {
            Some(Mode::Manage) => {
                if self.op != Some(ManageOp::ReAdd) {
                    return Err(UsageError::status("--update in Manage mode only allowed with --re-add.", 1));
                }
                Update::RE_ADD
            }
            Some(Mode::Misc) => {
                if !self.has_subarray() {
                    return refuse("Only subarrays can be updated in misc mode");
                }
                if self.updates_subarray() { Update::SUBARRAY } else { Update::ASSEMBLE }
            }
            _ => Update::ASSEMBLE,
        };
        // Only a format that is named before is an error to the original.
        if mode == Some(Mode::Assemble) && word == Update::ByteOrder.name() && self.metadata.is_some() {
            return refuse("must not set metadata type with --update=byteorder.");
        }
        self.update = allowed.iter().copied().find(|update| update.name() == word);
        if self.update.is_some() {
            return Ok(());
        }
        let names: Vec<String> = allowed.iter().map(|update| format!("'{}'", update.name())).collect();
        refuse(match mode {
            Some(Mode::Manage) => format!("only {} can be updated with --re-add", and(&names)),
            Some(Mode::Misc) if self.updates_subarray() => format!(
                "'--update={word}' is invalid update-subarray option. Valid --update options for update-subarray are:\n\t{}",
                names.join(", ")
            ),
            _ => format!(
                "'--update={word}' is invalid update option. Valid --update options are:\n\t{}",
                names.join(", ")
            ),
        })
    }
}

fn and(names: &[String]) -> String {
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{}, and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// Only 1.x has a field for it: what to say of another format, first and last.
pub(in crate::cli) fn no_logical_block_size(metadata: Metadata) -> Option<(String, String)> {
    let name = match metadata {
        Metadata::V0 => "0.90",
        Metadata::Ddf => "ddf",
        Metadata::Imsm => "imsm",
        Metadata::Gpt => "gpt",
        Metadata::Mbr => "mbr",
        Metadata::V1(_) | Metadata::Default => return None,
    };
    let said = "The logical block size is only supported for metadata 1.x.".to_owned();
    Some((said, format!("Current metadata version is {name}")))
}

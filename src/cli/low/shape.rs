//! Options about the shape of an array: level, layout, sizes, counts, bitmap.

use std::ffi::OsStr;

use superblock::{Level, Sectors};

use super::{Done, LowArgs, refuse};
use crate::{
    cli::{
        options::{Mode, OptionId},
        values::{self, BadLayout, Layout},
    },
    request::{DataOffset, SizeOrMax},
};

impl LowArgs {
    pub(super) fn shape(&mut self, id: OptionId, word: &str, mode: Option<Mode>) -> Done {
        match id {
            OptionId::Chunk => {
                if self.chunk.is_some() {
                    return refuse(format!(
                        "chunk/rounding may only be specified once. Second value is {word}."
                    ));
                }
                self.chunk =
                    values::size(word).filter(|s| s.0 >= 8 && s.0 % 2 == 0 && i32::try_from(s.0).is_ok());
                self.chunk.map_or_else(|| refuse(format!("invalid chunk/rounding value: {word}")), |_| Ok(()))
            }
            OptionId::Level => self.set_level(word, mode),
            OptionId::Layout => self.set_layout(word, mode),
            OptionId::RaidDevices | OptionId::SpareDevices => self.count(id, word),
            OptionId::Size => {
                if self.size.is_some() {
                    return refuse(format!("size may only be specified once. Second value is {word}."));
                }
                self.size = size_or_max(word).filter(|s| *s >= SizeOrMax::Size(Sectors(8)));
                self.size.map_or_else(|| refuse(format!("invalid size: {word}")), |_| Ok(()))
            }
            OptionId::ArraySize => {
                if self.array_size.is_some() {
                    return refuse(format!("array-size may only be specified once. Second value is {word}."));
                }
                self.array_size = size_or_max(word);
                self.array_size.map_or_else(|| refuse(format!("invalid array size: {word}")), |_| Ok(()))
            }
            _ => {
                if self.data_offset.is_some() {
                    return refuse(format!("data-offset may only be specified one. Second value is {word}."));
                }
                self.data_offset = match word {
                    "variable" if mode == Some(Mode::Create) => Some(DataOffset::Variable),
                    _ => values::size(word).map(DataOffset::Fixed),
                };
                self.data_offset.map_or_else(|| refuse(format!("invalid data-offset: {word}")), |_| Ok(()))
            }
        }
    }

    fn set_level(&mut self, word: &str, mode: Option<Mode>) -> Done {
        if self.level.is_some() {
            return refuse(format!("raid level may only be set once.  Second value is {word}."));
        }
        let Some(level) = values::level(word) else { return refuse(format!("invalid raid level: {word}")) };
        if mode == Some(Mode::Create)
            && matches!(level, Level::Raid0 | Level::Linear)
            && self.spares.is_some_and(|n| n > 0)
        {
            return refuse(format!("raid level {word} is incompatible with spare-devices setting."));
        }
        let buildable = matches!(
            level,
            Level::Linear | Level::Raid0 | Level::Raid1 | Level::Raid10 | Level::Multipath | Level::Faulty
        );
        if mode == Some(Mode::Build) && !buildable {
            return refuse(format!("Raid level {word} not permitted with --build."));
        }
        self.level = Some(level);
        Ok(())
    }

    fn set_layout(&mut self, word: &str, mode: Option<Mode>) -> Done {
        if self.layout_word.is_some() {
            return refuse(format!("layout may only be sent once.  Second value was {word}"));
        }
        self.layout_word = Some(word.to_owned());
        if mode == Some(Mode::Grow) {
            return Ok(());
        }
        let Some(level) = self.level else { return refuse("raid level must be given before layout.") };
        let name = level.name().unwrap_or("unknown");
        match values::layout(level, word) {
            Ok(number) => self.layout = Some(Layout::Number(number)),
            Err(BadLayout::NoLayouts) => return refuse(format!("layout not meaningful for {name} arrays.")),
            Err(BadLayout::Unknown) if level == Level::Raid10 => {
                return refuse(format!(
                    "layout for raid10 must be 'nNN', 'oNN' or 'fNN' where NN is a number, not {word}"
                ));
            }
            Err(BadLayout::Unknown) => return refuse(format!("layout {word} not understood for {name}.")),
        }
        Ok(())
    }

    fn count(&mut self, id: OptionId, word: &str) -> Done {
        let (field, least, what, twice) = if id == OptionId::RaidDevices {
            (&mut self.raid_devices, 1, "raid devices", "raid-devices")
        } else {
            (&mut self.spares, 0, "spare-devices", "spare-devices")
        };
        if let Some(first) = field {
            return refuse(format!("{twice} set twice: {first} and {word}"));
        }
        let no_spares = self.level.filter(|level| matches!(level, Level::Raid0 | Level::Linear));
        if let (OptionId::SpareDevices, Some(level)) = (id, no_spares) {
            return refuse(format!(
                "spare-devices setting is incompatible with raid level {}",
                level.number()
            ));
        }
        let number = values::number(word).and_then(|n| u32::try_from(n).ok());
        let Some(number) = number.filter(|n| *n >= least && i32::try_from(*n).is_ok()) else {
            return refuse(format!("invalid number of {what}: {word}"));
        };
        *field = Some(number);
        Ok(())
    }

    pub(super) fn bitmap_option(
        &mut self,
        id: OptionId,
        word: &str,
        value: Option<&OsStr>,
        mode: Option<Mode>,
    ) -> Done {
        match id {
            OptionId::Bitmap if mode == Some(Mode::Assemble) => {
                // In the original only `clustered` passes here, by accident; `internal` is as harmless.
                if !matches!(word, "internal" | "clustered") {
                    return refuse(format!("bitmap file is not supported {word}"));
                }
                self.notices.push(
                    "no need to specify --bitmap when assembling arrays with internal or clustered bitmap"
                        .to_owned(),
                );
            }
            OptionId::Bitmap => {
                if self.bitmap.is_some() {
                    return refuse(format!("--bitmap cannot be set twice. Second value: \"{word}\"."));
                }
                if word.contains('/') {
                    return refuse("Custom write-intent bitmap file option is not supported.");
                }
                let Some(kind) = values::bitmap(word) else {
                    self.notices.push("--bitmap value must be 'internal', 'clustered' or 'none'".to_owned());
                    return refuse(format!("Current value is \"{word}\""));
                };
                self.bitmap = Some(kind);
            }
            OptionId::BitmapChunk => {
                self.bitmap_chunk = values::bitmap_chunk(word);
                if self.bitmap_chunk.is_none() {
                    return refuse(format!("invalid bitmap chunksize: {word}"));
                }
            }
            OptionId::WriteBehind => {
                let number = value.map_or(Some(256), |_| values::number(word));
                self.write_behind = number.and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= 16383);
                if self.write_behind.is_none() {
                    return refuse(format!(
                        "Invalid value for maximum outstanding write-behind writes: {word}.\n\tMust be between 0 and 16383."
                    ));
                }
            }
            OptionId::Nodes => {
                let number = values::number(word).and_then(|n| u32::try_from(n).ok());
                self.nodes = number.filter(|n| *n >= 2 && i32::try_from(*n).is_ok());
                if self.nodes.is_none() {
                    return refuse(format!("clustered array needs two nodes at least: {word}"));
                }
            }
            _ => {
                if word.len() > 64 {
                    return refuse("Cluster name too big.");
                }
                self.home_cluster = Some(word.to_owned());
            }
        }
        Ok(())
    }
}

fn size_or_max(word: &str) -> Option<SizeOrMax> {
    if word == "max" { Some(SizeOrMax::Max) } else { values::size(word).map(SizeOrMax::Size) }
}

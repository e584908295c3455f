//! Whether the numbers of a version-1 superblock are such as the kernel can take.

use super::{FeatureMap, MAX_DEVICES, Minor, Superblock};
use crate::{
    Damage, Role, What, Write, bitmap,
    bounds::{Names, Shape, Span, expect, possible},
    units::Sectors,
    unverified::Judge,
};

const NOW: Names = Names { level: "level", layout: "layout", chunk: "chunksize", disks: "raid_disks" };
const BEFORE: Names = Names { disks: "delta_disks", ..NOW };
const AFTER: Names =
    Names { level: "new_level", layout: "new_layout", chunk: "new_chunk", disks: "raid_disks" };

impl Judge for Superblock {
    fn judge_checksum(&self) -> Result<(), Damage> {
        if self.checksum_ok() {
            return Ok(());
        }
        Err(self.corrupt(What::Checksum { stored: self.sb_csum(), computed: self.computed_csum() }))
    }

    fn judge_bounds(&self, device: Sectors) -> Result<(), Damage> {
        let judged = self.judge_shape().and_then(|()| self.judge_places(device));
        judged.and_then(|()| self.judge_progress()).map_err(|what| self.corrupt(what))
    }
}

impl Superblock {
    /// Whether a superblock that is about to be written is one that the kernel takes, and what is written beside it
    /// harms nothing. `beside`: the bitmaps and logs.
    ///
    /// # Errors
    /// The first objection.
    pub fn judge_new(&self, device: Sectors, beside: &[Write]) -> Result<(), Damage> {
        self.kernel_objection()?;
        self.judge_bounds(device)?;
        self.judge_beside(device, beside).map_err(|what| self.corrupt(what))
    }

    /// So many nodes of a cluster can have a bitmap like this one, each its own, between superblock and data.
    #[must_use]
    pub fn most_nodes(&self, bitmap: &bitmap::Superblock) -> u64 {
        let room = self.data_offset().saturating_sub(self.at()).saturating_sub(Sectors(8));
        room.bytes().0.checked_div(bitmap.node_area().0).unwrap_or(0)
    }

    /// The driver itself looks at no more than where these areas begin.
    fn judge_beside(&self, device: Sectors, beside: &[Write]) -> Result<(), What> {
        // A journal's first block is its data.
        if self.role() == Role::Journal {
            return Ok(());
        }
        let length = if self.size().0 > 0 { self.size() } else { self.data_size() };
        let data = Span::new(self.data_offset().0, length.0);
        let used = i128::try_from(self.used_len().div_ceil(512)).unwrap_or(8);
        let own = Span::new(self.at().0, used);
        let log = self.bad_block_log().unwrap_or_default();
        let log = Span::new(i128::from(self.at().0).saturating_add(log.offset.into()), log.size);
        for write in beside {
            let length = u64::try_from(write.data.len().div_ceil(512)).unwrap_or(u64::MAX);
            let area = Span::new(write.at.sectors().0, length);
            let apart = [data, own, log].iter().all(|other| !area.meets(*other));
            let rule = "on the device, clear of data, superblock and bad-block log";
            let fits = apart && area.is_within(Span::new(0, device.0));
            expect(fits, "the end of the bitmap or log", area.to, rule)?;
        }
        Ok(())
    }

    fn is_reshaping(&self) -> bool {
        self.feature_map().contains(FeatureMap::RESHAPE_ACTIVE)
    }

    fn judge_shape(&self) -> Result<(), What> {
        let disks = i64::from(self.raid_disks());
        // Without its bit the driver does not look at the layout of a RAID0.
        let stored =
            self.level() != crate::Level::Raid0 || self.feature_map().contains(FeatureMap::RAID0_LAYOUT);
        let now = Shape {
            level: self.level(),
            layout: stored.then(|| self.layout()),
            chunk: self.chunksize().bytes(),
            disks,
            most: MAX_DEVICES,
        };
        if !self.is_reshaping() {
            return now.judge(NOW);
        }
        let after = Shape {
            level: self.new_level(),
            layout: Some(self.new_layout()),
            chunk: self.new_chunk().bytes(),
            ..now
        };
        after.judge(AFTER)?;
        Shape { disks: disks.saturating_sub(self.delta_disks().into()), ..now }.judge(BEFORE)
    }

    /// Where data may be: behind the superblock, or before that of 1.0.
    fn room(&self, device: Sectors) -> Span {
        let (at, used) = (i128::from(self.at().0), self.used_len().div_ceil(512));
        match self.minor {
            Minor::V1_0 => Span { from: 0, to: at },
            Minor::V1_1 | Minor::V1_2 => {
                Span { from: at.saturating_add(i128::try_from(used).unwrap_or(8)), to: device.0.into() }
            }
        }
    }

    fn judge_places(&self, device: Sectors) -> Result<(), What> {
        let (room, role) = (self.room(device), self.role());
        let (offset, size, length) = (self.data_offset().0, self.size().0, self.data_size().0);
        expect(
            Span::new(offset, 0).is_within(room),
            "data_offset",
            offset,
            "on the device, clear of the superblock",
        )?;
        expect(
            Span::new(offset, length).is_within(room),
            "data_size",
            length,
            "at most what the device has room for",
        )?;
        if role == Role::Journal {
            let tail = self.journal_tail().0;
            return expect(tail < length.max(1), "journal_tail", tail, "within the journal");
        }
        let data = Span::new(offset, size);
        expect(data.is_within(room), "size", size, "at most what the device has room for")?;
        if self.is_reshaping() && self.feature_map().contains(FeatureMap::NEW_OFFSET) {
            let moved = Span::new(i128::from(offset).saturating_add(self.new_offset().into()), size);
            expect(
                moved.is_within(room),
                "new_offset",
                self.new_offset(),
                "on the device, clear of the superblock",
            )?;
        }
        self.judge_logs(Span::new(0, device.0), data)
    }

    /// What the driver writes beside the data: it must not be the data.
    fn judge_logs(&self, device: Span, data: Span) -> Result<(), What> {
        let at = i128::from(self.at().0);
        let apart = |span: Span| span.is_within(device) && !span.meets(data) && !span.meets(Span::new(at, 1));
        if let Some(offset) = self.bitmap_offset() {
            let first = Span::new(at.saturating_add(offset.into()), 1);
            expect(apart(first), "bitmap_offset", offset, "on the device, clear of data and superblock")?;
        }
        if let Some(ppl) = self.ppl() {
            let span = Span::new(at.saturating_add(ppl.offset.into()), ppl.size);
            expect(
                ppl.size > 0 && apart(span),
                "ppl",
                ppl.offset,
                "on the device, clear of data and superblock",
            )?;
        }
        let log = self.bad_block_log();
        if let Some(log) = log {
            let span = Span::new(at.saturating_add(log.offset.into()), log.size);
            expect(apart(span), "bblog_offset", log.offset, "on the device, clear of data and superblock")?;
        }
        Ok(())
    }

    /// Numbers of the device, and how far it came.
    fn judge_progress(&self) -> Result<(), What> {
        let number = self.dev_number();
        expect(number < MAX_DEVICES, "dev_number", number, "less than 1920")?;
        let features = self.feature_map();
        if features.contains(FeatureMap::RECOVERY_OFFSET) && self.role() != Role::Journal {
            let offset = self.recovery_offset();
            let most = self.size().max(self.data_size());
            let fits = offset <= most || offset.0 == super::COMPLETE;
            expect(fits, "recovery_offset", offset.0, "at most the size of the member")?;
        }
        if self.is_reshaping() {
            possible("reshape_position", self.reshape_position())?;
        }
        if let Some(offset) = self.resync_offset() {
            possible("resync_offset", offset)?;
        }
        let block = self.logical_block_size();
        let fits = block == 0 || (block.is_power_of_two() && (512..=65_536).contains(&block));
        expect(fits, "logical_block_size", block, "0, or a power of two from 512 to 65536")
    }
}

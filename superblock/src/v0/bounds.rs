//! Whether the numbers of a 0.90 superblock are such as the kernel can take.

use super::{FORMAT, MAX_DISKS, Superblock, fold16};
use crate::{
    Damage, Level, Role, What,
    bounds::{Names, Shape, expect, possible},
    units::Sectors,
    unverified::Judge,
};

const NOW: Names = Names { level: "level", layout: "layout", chunk: "chunk_size", disks: "raid_disks" };
const BEFORE: Names = Names { disks: "delta_disks", ..NOW };
const AFTER: Names =
    Names { level: "new_level", layout: "new_layout", chunk: "new_chunk", disks: "raid_disks" };

impl Judge for Superblock {
    fn judge_checksum(&self) -> Result<(), Damage> {
        let (stored, computed) = (self.sb_csum(), self.computed_csum());
        if fold16(stored) == fold16(computed) {
            return Ok(());
        }
        Err(self.corrupt(What::Checksum { stored, computed }))
    }

    /// The size of the device is known by the place.
    fn judge_bounds(&self, _device: Sectors) -> Result<(), Damage> {
        if !matches!(self.minor_version(), 90 | 91) {
            let why = format!("version 0.{}", self.minor_version());
            return Err(Damage::Unsupported { format: FORMAT, at: self.at, why });
        }
        self.judge_shape().and_then(|()| self.judge_disk()).map_err(|what| self.corrupt(what))
    }
}

impl Superblock {
    fn corrupt(&self, what: What) -> Damage {
        Damage::Corrupt { format: FORMAT, at: self.at, what }
    }

    fn judge_shape(&self) -> Result<(), What> {
        let disks = i64::from(self.raid_disks());
        let now = Shape {
            level: self.level(),
            layout: (self.level() != Level::Raid0).then(|| self.layout()),
            chunk: self.chunk_size(),
            disks,
            most: MAX_DISKS,
        };
        let Some(position) = self.reshape_position() else { return now.judge(NOW) };
        possible("reshape_position", position)?;
        let after = Shape {
            level: self.new_level(),
            layout: Some(self.new_layout()),
            chunk: self.new_chunk(),
            ..now
        };
        after.judge(AFTER)?;
        Shape { disks: disks.saturating_sub(self.delta_disks().into()), ..now }.judge(BEFORE)
    }

    fn judge_disk(&self) -> Result<(), What> {
        let size = self.size();
        // The driver does not look at the size of what is not redundant.
        let fits = self.level().number() <= 0 || size.sectors() <= self.at;
        expect(fits, "size", size.0, "at most what the device has room for (the value is in KiB)")?;
        let own = self.this_disk();
        // The driver takes it as an index into the table.
        expect(own.number < MAX_DISKS, "this_disk.number", own.number, "less than 27")?;
        if let Role::Slot { slot, .. } = own.role() {
            expect(slot < MAX_DISKS, "this_disk.raid_disk", slot, "less than 27")?;
        }
        Ok(())
    }
}

//! From the shape that an array has to the one that is wanted: which levels it passes, what is laid out anew on the way, and what
//! cannot be.
//!
//! md changes a level in place where both levels mean the same by the bytes that are there: RAID0 is RAID4 and RAID5 without its
//! last member, RAID5 is RAID6 without its last one. So every change is takeovers, at most one reshape at one level, takeovers.

use raid::{Copies, Reshape};
use superblock::{Level, Sectors};

use crate::{
    model::Geometry,
    plan::{Refusal, Warning},
    request::{BadLayout, layout},
};

/// RAID5's and RAID6's layout with the parity on the last members.
const PARITY_LAST: u32 = 5;
/// Left-symmetric.
const LEFT_SYMMETRIC: u32 = 2;
/// A RAID6 layout of this or a greater number is RAID5's of so much less, with Q on a member of its own.
const TWINS: u32 = 16;
/// RAID6 layouts from here on have no names for people.
const STRANGE: u32 = 8;
/// The largest chunk that a mirror gets when it becomes a RAID5.
const LARGEST_OF_MIRROR: u64 = 128;
/// Two copies side by side: the one RAID10 that RAID0 becomes, or comes from.
const NEAR_TWO: u32 = 0x102;

/// What is wanted of the shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// `--level`.
    pub level: Option<Level>,
    /// `--layout`, a word of the new level.
    pub layout: Option<String>,
    /// `--raid-devices`.
    pub devices: Option<u32>,
    /// `--chunk`.
    pub chunk: Option<Sectors>,
}

/// How it comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The level before.
    pub from: Level,
    /// Members of these slots leave first: what they hold, others hold as well.
    pub surplus: Vec<u32>,
    /// The array gets these levels first, one after the other.
    pub before: Vec<Level>,
    /// Then its data is laid out anew.
    pub reshape: Option<Reshape>,
    /// Then it gets these levels.
    pub after: Vec<Level>,
    /// The parity, which lies on the last member, leaves before the last of these.
    pub without_parity: bool,
    /// The level in the end.
    pub level: Level,
    /// The layout in the end, where it is one of parity; else as the kernel makes it.
    pub layout: u32,
    /// The slots in the end.
    pub devices: u32,
    /// Slots that have no member before the reshape, for the level before had none for them.
    pub empty: u32,
}

impl Change {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.before.is_empty() && self.reshape.is_none() && self.after.is_empty() && self.surplus.is_empty()
    }

    /// The most slots that it has on the way.
    #[must_use]
    pub fn widest(&self, now: &Geometry) -> u32 {
        let on_the_way =
            self.reshape.map_or(0, |reshape| reshape.before.raid_disks.max(reshape.after.raid_disks));
        match (self.reshape, self.after.is_empty()) {
            (None, true) => self.devices.max(now.raid_disks),
            _ => on_the_way.max(self.devices.min(now.raid_disks)),
        }
    }
}

/// Decides how `now` becomes what is wanted. Of the array it is given what the shape does not say.
///
/// # Errors
/// In the original's words, where it refuses as well.
pub fn change(now: &Geometry, wish: &Wish, shown: &str) -> Result<Change, Refusal> {
    let to = wish.level.unwrap_or(now.level);
    check_layout_word(now, wish, to)?;
    match now.level {
        Level::Raid1 => mirror(now, wish, to, shown),
        Level::Raid10 => copies(now, wish, to),
        Level::Raid0 if to == Level::Raid10 => striped_to_copies(now, wish),
        Level::Raid0 | Level::Raid4 | Level::Raid5 | Level::Raid6 => parity(now, wish, to, shown),
        Level::Linear | Level::Multipath | Level::Faulty | Level::Container | Level::Other(_) => {
            refuse("Impossible level change requested")
        }
    }
}

fn refuse<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(text))
}

/// What a word of a layout must be, before anything else is asked.
fn check_layout_word(now: &Geometry, wish: &Wish, to: Level) -> Result<(), Refusal> {
    let strange = now.level == Level::Raid6 && now.layout >= STRANGE && wish.layout.is_none();
    if strange && to != Level::Raid5 {
        let lines = [
            "the array has a layout in which Q has a member of its own, or which stems from DDF.  To keep it",
            "       during the reshape, please specify --layout=preserve;",
            "       to have one of the usual ones instead, please specify --layout=normalise",
        ];
        return refuse(lines.join("\n"));
    }
    let Some(word) = &wish.layout else { return Ok(()) };
    match word.as_str() {
        "normalise" | "normalize" if now.level != Level::Raid6 && to != Level::Raid6 => {
            refuse("normalise is only meaningful when reshaping a RAID6 array.")
        }
        "preserve" if to != Level::Raid6 => refuse("preserve in only meaningful when reshaping to RAID6"),
        "normalise" | "normalize" | "preserve" => Ok(()),
        word => layout(to, word).map(|_| ()).map_err(|bad| {
            Refusal::new(match bad {
                BadLayout::NoLayouts => "layout not meaningful with this level".to_owned(),
                BadLayout::Unknown => format!("layout {word} not understood for this level"),
            })
        }),
    }
}

/// The chunk that is wanted, where the members can have it.
fn chunk(now: &Geometry, wish: &Wish, shown: &str) -> Result<Sectors, Refusal> {
    let Some(chunk) = wish.chunk.filter(|chunk| *chunk != now.chunk) else { return Ok(now.chunk) };
    let left = now.component_size.0.checked_rem(chunk.0);
    if now.level == Level::Raid0 || left == Some(0) {
        return Ok(chunk);
    }
    let kib = |sectors: Sectors| format!("{}K", sectors.0 / 2);
    // Of the one that it has the size must stay a multiple, too.
    let fits = Reshape::common_multiple(now.chunk, chunk)
        .map_or(now.component_size, |unit| now.component_size.round_down(unit));
    let text = format!(
        "New chunk size ({}) does not evenly divide device size ({})",
        kib(chunk),
        kib(now.component_size)
    );
    Err(Refusal::new("will shrink the array so the given chunk size would work.").after(vec![
        Warning::note(text),
        Warning::note(
            "After shrinking any filesystem, \"mdadm --grow ".to_owned()
                + shown
                + " --size "
                + &(fits.0 / 2).to_string()
                + "\"",
        ),
    ]))
}

fn mirror(now: &Geometry, wish: &Wish, to: Level, shown: &str) -> Result<Change, Refusal> {
    let plain = Change {
        from: now.level,
        surplus: Vec::new(),
        before: Vec::new(),
        reshape: None,
        after: Vec::new(),
        without_parity: false,
        level: to,
        layout: 0,
        devices: wish.devices.unwrap_or(now.raid_disks),
        empty: 0,
    };
    match to {
        Level::Raid1 if wish.chunk.is_some() => refuse("chunk size not meaningful for this level"),
        Level::Raid1 => Ok(plain),
        Level::Raid0 => {
            let one = 1;
            if wish.devices.is_some_and(|devices| devices != one) {
                return refuse("a RAID1 becomes a RAID0 of one device; change the number of devices then");
            }
            Ok(Change { after: vec![Level::Raid0], devices: one, ..plain })
        }
        Level::Raid5 | Level::Raid4 => {
            if now.raid_disks != 2 {
                return refuse("Can only convert a 2-device array to RAID5");
            }
            if now.component_size.0 % 8 != 0 {
                return refuse("Cannot convert RAID1 of this size - reduce size to multiple of 4K first.");
            }
            let mut chunk = LARGEST_OF_MIRROR;
            while chunk > 8 && now.component_size.0.checked_rem(chunk) != Some(0) {
                chunk /= 2;
            }
            let as_parity =
                Geometry { level: Level::Raid5, layout: LEFT_SYMMETRIC, chunk: Sectors(chunk), ..*now };
            let rest = parity(&as_parity, wish, to, shown)?;
            let before = [vec![Level::Raid5], rest.before].concat();
            Ok(Change { from: now.level, before, ..rest })
        }
        _ => refuse("Impossibly level change request for RAID1"),
    }
}

/// Parity or stripes without it, before and after.
fn parity(now: &Geometry, wish: &Wish, to: Level, shown: &str) -> Result<Change, Refusal> {
    if to == Level::Raid1 && matches!(now.level, Level::Raid4 | Level::Raid5) {
        return to_mirror(now, wish);
    }
    let Some(parities) = parities(to) else { return refuse("Impossible level change requested") };
    let own = self::parities(now.level).unwrap_or(0);
    let Some(data) = now.raid_disks.checked_sub(own).filter(|data| *data > 0) else {
        return refuse(format!("{shown} has too few devices for its level"));
    };
    let wanted = match wish.devices {
        None => data,
        Some(devices) => match devices.checked_sub(parities).filter(|data| *data > 0) {
            Some(data) => data,
            None => return refuse(format!("{devices} devices are too few for {}", named(to))),
        },
    };
    let chunk = chunk(now, wish, shown)?;
    let via = via(now.level, to);
    let on_the_way = self::parities(via).unwrap_or(0);
    let before = Geometry {
        level: via,
        layout: layout_there(now, via),
        raid_disks: data.saturating_add(on_the_way),
        ..*now
    };
    let after = Geometry {
        layout: layout_towards(now, wish, to, via, before.layout),
        raid_disks: wanted.saturating_add(on_the_way),
        chunk,
        ..before
    };
    let reshape = (before != after).then_some(Reshape { before, after });
    if via == Level::Raid6 && now.level != Level::Raid6 && data < 2 {
        return refuse(
            "the kernel makes a RAID6 of three devices with parity at least: give it one more first",
        );
    }
    let same = reshape.is_none() && to == now.level;
    Ok(Change {
        from: now.level,
        surplus: Vec::new(),
        before: if same { Vec::new() } else { takeovers(now.level, via) },
        reshape,
        after: if same { Vec::new() } else { takeovers_down(via, to) },
        without_parity: to == Level::Raid0 && now.level != Level::Raid0,
        level: to,
        layout: if to == via { after.layout } else { layout_when_there(to, after.layout) },
        devices: wanted.saturating_add(parities),
        empty: if now.level == Level::Raid0 { on_the_way } else { 0 },
    })
}

/// Members' worth of parity in a stripe; `None` for levels that are not of this family.
fn parities(level: Level) -> Option<u32> {
    match level {
        Level::Raid0 => Some(0),
        Level::Raid4 | Level::Raid5 => Some(1),
        Level::Raid6 => Some(2),
        _ => None,
    }
}

fn named(level: Level) -> &'static str {
    level.name().unwrap_or("this level")
}

/// The level at which data is laid out anew: of the two the one with more parity, and never RAID0, which cannot.
fn via(from: Level, to: Level) -> Level {
    let with = |level| from == level || to == level;
    if with(Level::Raid6) {
        Level::Raid6
    } else if with(Level::Raid5) {
        Level::Raid5
    } else {
        Level::Raid4
    }
}

/// Up: the kernel makes a RAID6 of a RAID5 alone.
fn takeovers(from: Level, via: Level) -> Vec<Level> {
    match (from, via) {
        (from, via) if from == via => Vec::new(),
        (Level::Raid0 | Level::Raid4, Level::Raid6) => vec![Level::Raid5, Level::Raid6],
        (_, via) => vec![via],
    }
}

/// Down: from RAID6 by RAID5.
fn takeovers_down(via: Level, to: Level) -> Vec<Level> {
    match (via, to) {
        (via, to) if via == to => Vec::new(),
        (Level::Raid6, Level::Raid4 | Level::Raid0) => vec![Level::Raid5, to],
        (_, to) => vec![to],
    }
}

/// The layout that the kernel gives it when it takes it over.
fn layout_there(now: &Geometry, via: Level) -> u32 {
    match (now.level, via) {
        (from, via) if from == via => now.layout,
        (Level::Raid0 | Level::Raid4, _) => PARITY_LAST,
        // RAID5 to RAID6.
        _ => twin(now.layout),
    }
}

/// RAID6's layout that is RAID5's with Q on the last member. With the parity on the last one both are the same.
fn twin(layout: u32) -> u32 {
    if layout == PARITY_LAST { layout } else { layout.saturating_add(TWINS) }
}

/// The layout that data is laid out in at `via`, so that it is what is wanted once the array has its new level.
fn layout_towards(now: &Geometry, wish: &Wish, to: Level, via: Level, there: u32) -> u32 {
    let word = wish.layout.as_deref();
    let wanted = word.and_then(|word| layout(to, word).ok());
    match (via, to) {
        (Level::Raid4, _) => there,
        (_, Level::Raid4 | Level::Raid0) => PARITY_LAST,
        (Level::Raid6, Level::Raid5) => {
            // One that can be taken over as it is stays.
            let stays = now.level == Level::Raid6 && (TWINS..TWINS + PARITY_LAST).contains(&now.layout);
            wanted.map(twin).unwrap_or(if stays { now.layout } else { twin(LEFT_SYMMETRIC) })
        }
        _ if word == Some("preserve") => there,
        _ if matches!(word, Some("normalise" | "normalize")) => match there {
            twin if twin >= TWINS => twin - TWINS,
            STRANGE..TWINS => LEFT_SYMMETRIC,
            usual => usual,
        },
        _ => wanted.unwrap_or(match now.level {
            // Of RAID4 the parity stays where it is, for nothing has to be moved then.
            Level::Raid4 if to == Level::Raid5 => PARITY_LAST,
            from if from == to => now.layout,
            _ => LEFT_SYMMETRIC,
        }),
    }
}

/// The layout number in the end, by that on the way.
fn layout_when_there(to: Level, after: u32) -> u32 {
    match to {
        Level::Raid5 if after >= TWINS => after - TWINS,
        Level::Raid5 => after,
        _ => 0,
    }
}

/// A RAID5 of two members is a mirror.
fn to_mirror(now: &Geometry, wish: &Wish) -> Result<Change, Refusal> {
    if now.raid_disks != 2 || wish.devices.is_some_and(|devices| devices != 2) {
        return refuse("Can only convert a 2-device array to RAID1");
    }
    let after = match now.level {
        Level::Raid4 => vec![Level::Raid5, Level::Raid1],
        _ => vec![Level::Raid1],
    };
    Ok(Change {
        from: now.level,
        surplus: Vec::new(),
        before: Vec::new(),
        reshape: None,
        after,
        without_parity: false,
        level: Level::Raid1,
        layout: 0,
        devices: 2,
        empty: 0,
    })
}

fn striped_to_copies(now: &Geometry, wish: &Wish) -> Result<Change, Refusal> {
    let n = now.raid_disks;
    let devices = wish.devices.unwrap_or(n.saturating_mul(2));
    if devices != n.saturating_mul(2) || wish.layout.as_deref().is_some_and(|word| word != "n2") {
        return refuse(format!("a RAID0 of {n} devices becomes a RAID10 of {} with two near copies", n * 2));
    }
    Ok(Change {
        from: now.level,
        surplus: Vec::new(),
        before: vec![Level::Raid10],
        reshape: None,
        after: Vec::new(),
        without_parity: false,
        level: Level::Raid10,
        layout: NEAR_TWO,
        devices,
        empty: n,
    })
}

fn copies(now: &Geometry, wish: &Wish, to: Level) -> Result<Change, Refusal> {
    let has = Copies::from_layout(now.layout);
    let mut change = Change {
        from: now.level,
        surplus: Vec::new(),
        before: Vec::new(),
        reshape: None,
        after: Vec::new(),
        without_parity: false,
        level: to,
        layout: now.layout,
        devices: wish.devices.unwrap_or(now.raid_disks),
        empty: 0,
    };
    match to {
        Level::Raid0 => {
            if has.far > 1 {
                return refuse("Cannot Grow RAID10 with far/offset layout");
            }
            if has.near != 2 || now.raid_disks % 2 != 0 {
                return refuse("RAID10 layout too complex for Grow operation");
            }
            change.devices = now.raid_disks / 2;
            change.after = vec![Level::Raid0];
            if wish.devices.is_some_and(|devices| devices != change.devices) {
                return refuse(format!(
                    "a RAID10 of {} devices becomes a RAID0 of {}",
                    now.raid_disks, change.devices
                ));
            }
            Ok(change)
        }
        Level::Raid10 => {
            let layout = wish.layout.as_deref().and_then(|word| layout(to, word).ok()).unwrap_or(now.layout);
            let chunk = chunk(now, wish, "")?;
            let after = Geometry { layout, chunk, raid_disks: change.devices, ..*now };
            if after == *now {
                return Ok(change);
            }
            let gets = Copies::from_layout(layout);
            let is_far = |copies: Copies| copies.far > 1 && !copies.offset;
            if is_far(has) {
                return refuse("Cannot reshape RAID10 in far-mode");
            }
            if is_far(gets) {
                return refuse("Cannot reshape RAID10 to far-mode");
            }
            if has.total() != gets.total() {
                return refuse("Cannot change number of copies when reshaping RAID10");
            }
            if change.devices < gets.total() {
                return refuse(format!("{} devices are too few for {} copies", change.devices, gets.total()));
            }
            change.layout = layout;
            change.reshape = Some(Reshape { before: *now, after });
            Ok(change)
        }
        _ => refuse("RAID10 can only be changed to RAID0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(level: Level, layout: u32, raid_disks: u32) -> Geometry {
        let chunk = if level == Level::Raid1 { Sectors(0) } else { Sectors(128) };
        Geometry { level, layout, chunk, raid_disks, component_size: Sectors(40_960) }
    }

    fn level(number: i32) -> Level {
        Level::from_number(number)
    }

    /// Takeovers first, the reshape's level, layouts and slots, takeovers then, and what it is in the end.
    type Way = (Vec<i32>, Option<(i32, u32, u32, u32, u32)>, Vec<i32>, u32);

    fn way(from: Geometry, wish: &Wish) -> Result<Way, String> {
        let change = change(&from, wish, "/dev/md0").map_err(|refusal| refusal.text)?;
        let numbers = |levels: &[Level]| levels.iter().map(|level| level.number()).collect();
        let reshape = change.reshape.map(|Reshape { before, after }| {
            assert_eq!(before.level, after.level);
            (before.level.number(), before.layout, before.raid_disks, after.layout, after.raid_disks)
        });
        Ok((numbers(&change.before), reshape, numbers(&change.after), change.devices))
    }

    #[test]
    fn every_level_that_has_a_way_to_another() {
        let to = |number: i32| Wish { level: Some(level(number)), ..Wish::default() };
        let with = |number: i32, devices: u32| Wish { devices: Some(devices), ..to(number) };
        let laid = |number: i32, word: &str| Wish { layout: Some(word.to_owned()), ..to(number) };
        let r0 = shape(Level::Raid0, 1, 2);
        let r1 = shape(Level::Raid1, 0, 2);
        let r4 = shape(Level::Raid4, 0, 3);
        let r5 = shape(Level::Raid5, 2, 3);
        let r6 = shape(Level::Raid6, 2, 4);
        let r10 = shape(Level::Raid10, 0x102, 4);
        for (from, wish, expected) in [
            (r0, to(4), (vec![4], None, vec![], 3)),
            (r0, to(5), (vec![5], Some((5, 5, 3, 2, 3)), vec![], 3)),
            (r0, laid(5, "parity-last"), (vec![5], None, vec![], 3)),
            (r0, to(6), (vec![5, 6], Some((6, 5, 4, 2, 4)), vec![], 4)),
            (r0, with(0, 3), (vec![4], Some((4, 5, 3, 5, 4)), vec![0], 3)),
            (r0, with(5, 4), (vec![5], Some((5, 5, 3, 2, 4)), vec![], 4)),
            (r0, to(10), (vec![10], None, vec![], 4)),
            (r1, to(5), (vec![5], None, vec![], 2)),
            (r1, with(5, 3), (vec![5], Some((5, 2, 2, 2, 3)), vec![], 3)),
            (r1, to(4), (vec![5], Some((5, 2, 2, 5, 2)), vec![4], 2)),
            (r1, to(0), (vec![], None, vec![0], 1)),
            (r4, to(0), (vec![], None, vec![0], 2)),
            (r4, to(5), (vec![5], None, vec![], 3)),
            (r4, laid(5, "ls"), (vec![5], Some((5, 5, 3, 2, 3)), vec![], 3)),
            (r4, to(6), (vec![5, 6], Some((6, 5, 4, 2, 4)), vec![], 4)),
            (r4, with(4, 4), (vec![], Some((4, 0, 3, 0, 4)), vec![], 4)),
            (r5, to(0), (vec![], Some((5, 2, 3, 5, 3)), vec![0], 2)),
            (r5, to(4), (vec![], Some((5, 2, 3, 5, 3)), vec![4], 3)),
            (r5, to(6), (vec![6], Some((6, 18, 4, 2, 4)), vec![], 4)),
            (r5, laid(6, "preserve"), (vec![6], None, vec![], 4)),
            (r5, with(5, 4), (vec![], Some((5, 2, 3, 2, 4)), vec![], 4)),
            (shape(Level::Raid5, 5, 3), to(0), (vec![], None, vec![0], 2)),
            (shape(Level::Raid5, 2, 2), to(1), (vec![], None, vec![1], 2)),
            (r6, to(5), (vec![], Some((6, 2, 4, 18, 4)), vec![5], 3)),
            (r6, to(4), (vec![], Some((6, 2, 4, 5, 4)), vec![5, 4], 3)),
            (r6, to(0), (vec![], Some((6, 2, 4, 5, 4)), vec![5, 0], 2)),
            (r6, with(5, 4), (vec![], Some((6, 2, 4, 18, 5)), vec![5], 4)),
            (shape(Level::Raid6, 18, 4), to(5), (vec![], None, vec![5], 3)),
            (shape(Level::Raid6, 18, 4), laid(6, "normalise"), (vec![], Some((6, 18, 4, 2, 4)), vec![], 4)),
            (r10, to(0), (vec![], None, vec![0], 2)),
            (r10, with(10, 6), (vec![], Some((10, 0x102, 4, 0x102, 6)), vec![], 6)),
            (r10, laid(10, "o2"), (vec![], Some((10, 0x102, 4, 0x1_0201, 4)), vec![], 4)),
        ] {
            assert_eq!(way(from, &wish), Ok(expected), "{from:?} {wish:?}");
        }
    }

    #[test]
    fn what_has_no_way() {
        let to = |number: i32| Wish { level: Some(level(number)), ..Wish::default() };
        let with = |number: i32, devices: u32| Wish { devices: Some(devices), ..to(number) };
        let laid = |number: i32, word: &str| Wish { layout: Some(word.to_owned()), ..to(number) };
        let r0 = shape(Level::Raid0, 1, 2);
        let r1 = shape(Level::Raid1, 0, 2);
        let r4 = shape(Level::Raid4, 0, 3);
        let r5 = shape(Level::Raid5, 2, 3);
        let r6 = shape(Level::Raid6, 2, 4);
        let r10 = shape(Level::Raid10, 0x102, 4);
        for (from, wish, text) in [
            (r0, to(1), "Impossible level change requested"),
            (r1, to(6), "Impossibly level change request for RAID1"),
            (r1, to(10), "Impossibly level change request for RAID1"),
            (shape(Level::Raid1, 0, 3), to(5), "Can only convert a 2-device array to RAID5"),
            (r4, to(1), "Can only convert a 2-device array to RAID1"),
            (r5, to(10), "Impossible level change requested"),
            (r5, laid(5, "bogus"), "layout bogus not understood for this level"),
            (r6, to(1), "Impossible level change requested"),
            (r10, to(5), "RAID10 can only be changed to RAID0"),
            (r10, laid(10, "n3"), "Cannot change number of copies when reshaping RAID10"),
            (shape(Level::Raid10, 0x201, 4), with(10, 5), "Cannot reshape RAID10 in far-mode"),
            (shape(Level::Raid10, 0x201, 4), to(0), "Cannot Grow RAID10 with far/offset layout"),
            (shape(Level::Raid10, 0x102, 3), to(0), "RAID10 layout too complex for Grow operation"),
        ] {
            assert_eq!(way(from, &wish), Err(text.to_owned()), "{from:?} {wish:?}");
        }
    }
}

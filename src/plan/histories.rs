//! Whether a member's history is a part of its array's, or the two went on apart. Event counts do not tell: both halves of
//! a mirror that each ran alone may count the same. Who was up to date by whose metadata does.

use superblock::{Events, Membership, Native, Role};

use crate::model::Geometry;

/// A member of the line of history that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineMember {
    /// Its number in the metadata.
    pub number: u32,
    /// Its slot.
    pub slot: u32,
}

/// The line of history that counts: those who are in it, and how far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryLine {
    /// The members that are up to date.
    pub holders: Vec<LineMember>,
    /// Its event count; `None` where no superblock could be read.
    pub events: Option<Events>,
}

impl HistoryLine {
    /// As one of its members has it.
    #[must_use]
    pub fn of(metadata: &Native, slots: u32, events: Events) -> Self {
        let numbers = 0..metadata.numbers();
        let holder = |number| match metadata.role_of(number) {
            Role::Slot { slot, .. } if slot < slots => Some(LineMember { number, slot }),
            Role::Slot { .. } | Role::Spare | Role::Faulty | Role::Journal => None,
        };
        Self { holders: numbers.filter_map(holder).collect(), events: Some(events) }
    }
}

/// A history of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parted {
    /// The slots of members that are up to date and that this one has as failed or missing, or as another device's.
    pub slots: Vec<u32>,
    /// How sure that is.
    pub how: Certainty,
}

/// How sure it is that both sides were written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// It cannot be otherwise.
    Sure,
    /// Each side could have run without the other, and nothing on the devices shows that it did not.
    MayBe,
    /// Slots of the array have other devices than this one knows: likely they were replaced since.
    Replaced,
}

/// What one member knew when it was written last.
struct Known<'a> {
    metadata: &'a Native,
    geometry: Geometry,
    own: usize,
    /// By slot: up to date in its eyes.
    working: Vec<bool>,
}

/// Judges a member that is not in the line: `None` where nothing speaks against its history being a part of it.
///
/// A member that was lost from the line, and nothing more, counted on others who went on without it: they were enough,
/// and those whom it does not count on would not have been. Where the second does not hold (mirrors of three and more),
/// the two may have run at the same time. Nor can it be as far as the line, or farther, with another table of members.
/// Members are compared by number, too: a slot may have been given to another device on either side.
#[must_use]
pub fn parted(metadata: &Native, facts: &Membership, line: &HistoryLine) -> Option<Parted> {
    let known = Known::new(metadata, facts)?;
    let width = known.working.len();
    let nth = |slot: u32| usize::try_from(slot).ok().filter(|nth| *nth < width && *nth != known.own);
    let mut by_slot = vec![];
    let mut by_number = vec![];
    let mut shared = known.working.clone();
    for holder in &line.holders {
        let Some(nth) = nth(holder.slot) else { continue };
        if !known.counts_on(*holder) {
            by_number.push(holder.slot);
            if let Some(shared) = shared.get_mut(nth) {
                *shared = false;
            }
        }
        if known.working.get(nth) == Some(&false) {
            by_slot.push(holder.slot);
        }
    }
    // One event more or less is a cut-off update, or the mark of the removal itself.
    let as_far = line.events.is_some_and(|events| facts.events.0.saturating_add(1) >= events.0);
    let ahead = line.events.is_some_and(|events| facts.events.0 > events.0.saturating_add(1));
    let alone = !by_slot.is_empty() && !known.without_itself(&known.working);
    let sure = ahead || alone || (as_far && !by_number.is_empty());
    let apart: Vec<bool> = shared.iter().map(|shared| !shared).collect();
    let may_be =
        !by_number.is_empty() && (!known.without_itself(&shared) || known.geometry.enough(&apart, true));
    let how = match (sure, by_slot.is_empty()) {
        (true, _) => Certainty::Sure,
        (false, false) => Certainty::MayBe,
        (false, true) => Certainty::Replaced,
    };
    (sure || may_be).then_some(Parted { slots: if by_slot.is_empty() { by_number } else { by_slot }, how })
}

/// A member of the array, in the line or not.
#[derive(Clone, Copy, Debug)]
pub struct Fellow<'a> {
    /// Its superblock.
    pub metadata: &'a Native,
    /// What that says.
    pub facts: &'a Membership,
}

/// The same with a look at the others that are here. Had a mirror of three and more only lost one member after the other, then
/// somebody whom that one counts on would have been in the line later. Where all of those are here and none was, both
/// sides ran.
#[must_use]
pub fn parted_with(member: Fellow<'_>, line: &HistoryLine, fellows: &[Fellow<'_>]) -> Option<Parted> {
    let parted = parted(member.metadata, member.facts, line)?;
    if parted.how != Certainty::MayBe {
        return Some(parted);
    }
    let known = Known::new(member.metadata, member.facts)?;
    let never_in_it = |fellow: &Fellow<'_>| {
        self::parted(fellow.metadata, fellow.facts, line)
            .is_some_and(|parted| parted.how != Certainty::Replaced)
    };
    let is_here = |slot: usize| {
        let slot = u32::try_from(slot).unwrap_or(u32::MAX);
        let in_it =
            |fellow: &&Fellow<'_>| matches!(fellow.facts.role, Role::Slot { slot: at, .. } if at == slot);
        fellows.iter().filter(in_it).any(never_in_it)
    };
    let mut counted = known.working.iter().enumerate().filter(|(slot, works)| **works && *slot != known.own);
    let how = if counted.all(|(slot, _)| is_here(slot)) { Certainty::Sure } else { Certainty::MayBe };
    Some(Parted { how, ..parted })
}

impl<'a> Known<'a> {
    fn new(metadata: &'a Native, facts: &Membership) -> Option<Self> {
        let Role::Slot { slot, .. } = facts.role else { return None };
        let geometry = Geometry {
            level: facts.level,
            layout: facts.layout,
            chunk: facts.chunk,
            raid_disks: facts.raid_disks,
            component_size: facts.component_size,
        };
        let working = metadata.working_slots(metadata.slots_before().max(facts.raid_disks));
        Some(Self { metadata, geometry, own: usize::try_from(slot).ok()?, working })
    }

    fn counts_on(&self, holder: LineMember) -> bool {
        matches!(self.metadata.role_of(holder.number), Role::Slot { slot, .. } if slot == holder.slot)
    }

    /// Whether the array could go on with these when this member was lost.
    fn without_itself(&self, members: &[bool]) -> bool {
        let mut members = members.to_vec();
        if let Some(own) = members.get_mut(self.own) {
            *own = false;
        }
        self.geometry.enough(&members, true)
    }
}

#[cfg(test)]
mod tests {
    use superblock::{Bytes, Endian, Kib, Level, MdUuid, Sectors, v0, v1};

    use super::*;
    use crate::model::samples;

    /// A member in `own` at `events`: `U` slots are up to date in its eyes, `F` failed, a digit: that number has the slot.
    fn v1(level: Level, own: u32, events: u64, slots: &str) -> Native {
        let count = u32::try_from(slots.len()).unwrap();
        let new = v1::NewArray {
            layout: if level == Level::Raid10 { 0x102 } else { 0 },
            chunk: Sectors(128),
            bad_block_log: false,
            roles: (0..16).map(|_| Role::Spare).collect(),
            ..samples::array(level, count)
        };
        let mut superblock = samples::member(&new, own, MdUuid([9; 16]), events);
        for (slot, state) in (0..).zip(slots.chars()) {
            let (number, role) = match state {
                'U' => (slot, Role::Slot { slot, replacement: false }),
                'F' => (slot, Role::Faulty),
                digit => (digit.to_digit(10).unwrap(), Role::Slot { slot, replacement: false }),
            };
            superblock.edit(v1::Edit::Role { number, role }).unwrap();
        }
        Native::V1(superblock)
    }

    fn v0(level: Level, own: u32, events: u64, slots: &str) -> Native {
        let count = u32::try_from(slots.len()).unwrap();
        let disk = |(number, state): (u32, char)| v0::Disk {
            number,
            major: 1,
            minor: number,
            raid_disk: number,
            state: match state {
                'U' => v0::DiskState::ACTIVE | v0::DiskState::SYNC,
                _ => v0::DiskState::FAULTY,
            },
        };
        let new = v0::NewArray {
            uuid: MdUuid([7; 16]),
            created: 1_700_000_000,
            level,
            layout: if level == Level::Raid10 { 0x102 } else { 0 },
            size: Kib(15_360),
            chunk: Bytes(65_536),
            raid_disks: count,
            md_minor: 0,
            state: v0::ArrayState::CLEAN,
            nr_disks: count,
            active_disks: count,
            working_disks: count,
            failed_disks: 0,
            spare_disks: 0,
            disks: (0..).zip(slots.chars()).map(disk).collect(),
        };
        let mut superblock = new.member(own, Sectors(65_408), Endian::HOST).unwrap();
        superblock.edit(v0::Edit::Events(Events(events))).unwrap();
        Native::V0(superblock)
    }

    type Make = fn(Level, u32, u64, &str) -> Native;
    const BOTH: [Make; 2] = [v1, v0];

    /// The judgement of a member, against the line in the eyes of another.
    fn judge(member: &Native, line: &Native) -> Option<(Vec<u32>, Certainty)> {
        let ours = line.membership();
        let line = HistoryLine::of(line, ours.raid_disks, ours.events);
        parted(member, &member.membership(), &line).map(|parted| (parted.slots, parted.how))
    }

    #[test]
    fn halves_that_ran_alone_have_parted_whatever_they_count() {
        for make in BOTH {
            for events in [5, 19, 20, 21, 90] {
                let case = |level, own, theirs: &str, ours: &str| {
                    let first = (0..).zip(ours.chars()).find(|(_, state)| *state == 'U').unwrap().0;
                    judge(&make(level, own, events, theirs), &make(level, first, 20, ours))
                };
                assert_eq!(case(Level::Raid1, 1, "FU", "UF"), Some((vec![0], Certainty::Sure)), "{events}");
                assert_eq!(case(Level::Raid1, 0, "UF", "FU"), Some((vec![1], Certainty::Sure)), "{events}");
                assert_eq!(
                    case(Level::Raid1, 1, "FUU", "UFF"),
                    Some((vec![0], if events == 5 { Certainty::MayBe } else { Certainty::Sure })),
                    "{events}"
                );
                assert_eq!(
                    case(Level::Raid1, 0, "UFF", "FUU"),
                    Some((vec![1, 2], Certainty::Sure)),
                    "{events}"
                );
                assert_eq!(
                    case(Level::Raid10, 3, "FUFU", "UFUF"),
                    Some((vec![0, 2], Certainty::Sure)),
                    "{events}"
                );
                // One half took part in both, by force: the other half still has what the first wrote.
                assert_eq!(case(Level::Raid5, 0, "UUF", "FUU"), Some((vec![2], Certainty::Sure)), "{events}");
                assert_eq!(case(Level::Raid4, 0, "UUF", "FUU"), Some((vec![2], Certainty::Sure)), "{events}");
                assert_eq!(
                    case(Level::Raid6, 3, "FFUU", "UUFF"),
                    Some((vec![0, 1], Certainty::Sure)),
                    "{events}"
                );
            }
        }
    }

    #[test]
    fn who_was_only_lost_is_a_part_of_the_line() {
        for make in BOTH {
            let case = |level, own, theirs: &str, ours: &str| {
                let first = (0..).zip(ours.chars()).find(|(_, state)| *state == 'U').unwrap().0;
                judge(&make(level, own, 15, theirs), &make(level, first, 20, ours))
            };
            assert_eq!(case(Level::Raid1, 1, "UU", "UF"), None);
            assert_eq!(case(Level::Raid5, 1, "UUU", "UFU"), None);
            // Two were lost, one after the other, and the first came back: the second did not know.
            assert_eq!(case(Level::Raid6, 3, "UUFU", "UUUF"), None);
            assert_eq!(case(Level::Raid10, 3, "UFUU", "UUUF"), None);
            // Two copies of three may have been the other side.
            assert_eq!(case(Level::Raid1, 1, "UUF", "UFU"), Some((vec![2], Certainty::MayBe)));
        }
    }

    #[test]
    fn a_slot_that_was_given_away_is_another_devices() {
        // The other side filled the slot with a new device: by slots alone nothing is missing.
        let line = v1(Level::Raid1, 0, 20, "UF");
        assert_eq!(judge(&v1(Level::Raid1, 1, 15, "3U"), &line), Some((vec![0], Certainty::Replaced)));
        assert_eq!(judge(&v1(Level::Raid1, 1, 20, "3U"), &line), Some((vec![0], Certainty::Sure)));
        // The array replaced a member while this one was away: enough others stayed.
        let line = v1(Level::Raid6, 0, 20, "UU5F");
        assert_eq!(judge(&v1(Level::Raid6, 3, 15, "UUUU"), &line), None);
        // Slots that the array got later are not denied.
        let line = v1(Level::Raid1, 0, 20, "UFU");
        assert_eq!(judge(&v1(Level::Raid1, 1, 15, "UU"), &line), None);
        // Ahead of the array: it was written to after.
        let line = v1(Level::Raid5, 0, 20, "UFU");
        assert_eq!(judge(&v1(Level::Raid5, 1, 21, "UUU"), &line), None);
        assert_eq!(judge(&v1(Level::Raid5, 1, 22, "UUU"), &line), Some((vec![], Certainty::Sure)));
        // Spares have no history.
        let mut spare = v1(Level::Raid1, 1, 20, "UU");
        let Native::V1(superblock) = &mut spare else { unreachable!() };
        superblock.edit(v1::Edit::Role { number: 1, role: Role::Spare }).unwrap();
        assert_eq!(judge(&spare, &v1(Level::Raid1, 0, 20, "UF")), None);
    }

    #[test]
    fn mirrors_of_three_parted_where_all_of_the_other_side_are_here() {
        let side = |alone: &str, others: [&str; 2], both: bool| {
            let line = HistoryLine::of(&v1(Level::Raid1, 0, 26, alone), 3, Events(26));
            let others = [v1(Level::Raid1, 1, 20, others[0]), v1(Level::Raid1, 2, 20, others[1])];
            let facts = others.each_ref().map(Native::membership);
            let all = [0, 1].map(|nth| Fellow { metadata: &others[nth], facts: &facts[nth] });
            parted_with(all[0], &line, if both { &all } else { &all[..1] }).map(|parted| parted.how)
        };
        assert_eq!(side("UFF", ["FUU", "FUU"], true), Some(Certainty::Sure));
        // The third may have been in the line, or was.
        assert_eq!(side("UFF", ["FUU", "FUU"], false), Some(Certainty::MayBe));
        assert_eq!(side("UFF", ["FUU", "UFU"], true), Some(Certainty::MayBe));
        assert_eq!(side("UFF", ["UUF", "UFU"], true), None);
    }
}

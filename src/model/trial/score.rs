//! Evidence for a guess: redundancy over a sample of the members, and what is found inside of the array.

use std::collections::BTreeMap;

use superblock::{
    Level, MdUuid, Media, Sectors,
    content::{self, Content},
};

use super::{Hypothesis, Seat, points};
use raid::{Assembled, Consistency, Member};

/// The block by which redundancy is counted.
const BLOCK: usize = 4096;

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Windows of the members over which redundancy is compared.
    pub windows: u64,
    /// Bytes of each.
    pub window: usize,
    /// The most places of one kind that are compared inside.
    pub places: u32,
}

impl Effort {
    /// Enough to tell nonsense.
    pub const QUICK: Self = Self { windows: 16, window: 4096, places: 4 };

    /// For those that are left, of so many devices: of many fewer windows are looked at, so that one look reads no more than
    /// what is kept of them (`cache.rs`).
    #[must_use]
    pub fn full(devices: usize) -> Self {
        let most = u64::try_from(devices).ok().and_then(|devices| 2048u64.checked_div(devices));
        Self { windows: most.unwrap_or(128).clamp(32, 128), window: 8 << 10, places: 64 }
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Redundancy; `None` where the level has none, or a missing member leaves nothing to compare.
    pub parity: Option<Consistency>,
    /// What is inside.
    pub contents: Vec<Content>,
}

impl Evidence {
    /// Places inside that are right and that are wrong.
    #[must_use]
    pub fn tally(&self) -> (u32, u32) {
        self.contents.iter().map(Content::tally).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// From 0 to 1000: for what is inside, and for redundancy.
    #[must_use]
    pub fn points(&self) -> u32 {
        let (right, wrong) = self.tally();
        let (right, all) = (u64::from(right), u64::from(right) + u64::from(wrong));
        let counts = right.min(points::FEW) + points::CHANCE;
        let whole = all * all * (points::FEW + points::CHANCE);
        let share = (points::SHARE * right * right * counts).checked_div(whole).unwrap_or(0);
        let inside = share + points::COUNT * right.min(points::MANY) / points::MANY;
        let redundancy = match self.parity {
            Some(Consistency { checked, agree }) if checked > agree => {
                points::UNKNOWN * agree * agree / (checked * checked)
            }
            Some(Consistency { checked: 1.., .. }) => points::AGREES,
            Some(_) | None => points::UNKNOWN,
        };
        u32::try_from(inside + redundancy).unwrap_or(0)
    }
}

/// Redundancy that was found before. One sum over all members is the same in every order, layout and chunk.
#[derive(Debug, Default)]
pub struct Sums(BTreeMap<(u64, Sectors, Vec<Seat>), Option<Consistency>>);

/// Looks. `devices` are those that the guess speaks of. `None` where there can be no such array, or a device is too small
/// for it.
#[must_use]
pub fn examine(
    hypothesis: &Hypothesis,
    devices: &[&dyn Media],
    effort: Effort,
    sums: &mut Sums,
) -> Option<Evidence> {
    let array = assembled(hypothesis, devices)?;
    let geometry = hypothesis.geometry;
    let parity = if matches!(geometry.level, Level::Raid4 | Level::Raid5) && hypothesis.missing() == 0 {
        let mut seats: Vec<Seat> = hypothesis.seats.iter().flatten().copied().collect();
        seats.sort();
        let key = (effort.windows, geometry.component_size.round_down(geometry.chunk), seats);
        *sums.0.entry(key).or_insert_with(|| redundancy(&array, effort))
    } else {
        redundancy(&array, effort)
    };
    let mut contents = content::find(&array, effort.places);
    contents.retain(|content| !is_a_members_own(content, hypothesis));
    Some(Evidence { parity, contents })
}

/// A superblock that is in the array only because a member is taken to begin where its superblock is, and so no sign of that.
fn is_a_members_own(content: &Content, hypothesis: &Hypothesis) -> bool {
    let begins_at_0 = hypothesis.seats.iter().flatten().any(|seat| seat.data_offset == Sectors(0));
    let is_known = |array: MdUuid| content.id.as_deref() == Some(array.to_string().as_str());
    content.kind == "md superblock" && begins_at_0 && hypothesis.array.is_none_or(is_known)
}

/// The array that a guess makes of these devices.
pub(crate) fn assembled<'a>(hypothesis: &Hypothesis, devices: &[&'a dyn Media]) -> Option<Assembled<'a>> {
    let stripes = hypothesis.stripes()?;
    let uses = |seat: &Seat| {
        if hypothesis.geometry.data_disks().is_some() {
            hypothesis.geometry.component_size
        } else {
            seat.room
        }
    };
    let member = |seat: &Seat| {
        let media = *devices.get(seat.device)?;
        let end = seat.data_offset.checked_add(uses(seat))?;
        (end.bytes() <= media.len()).then_some(Member::new(media, seat.data_offset))
    };
    let members: Vec<Option<Member<'a>>> =
        hypothesis.seats.iter().map(|seat| seat.as_ref().and_then(member)).collect();
    let too_small =
        members.iter().zip(&hypothesis.seats).any(|(member, seat)| member.is_none() && seat.is_some());
    (!too_small).then(|| Assembled::new(stripes, members))
}

/// Compares windows that are spread evenly over the members, or over the array where there are copies instead of parity.
fn redundancy(array: &Assembled<'_>, effort: Effort) -> Option<Consistency> {
    let geometry = array.stripes().geometry();
    let span = match array.stripes().row(0) {
        Some(_) => geometry.component_size.round_down(geometry.chunk),
        None => array.stripes().size(),
    };
    let unit = Sectors(8);
    // A window stays in one stripe.
    let chunk = if array.stripes().row(0).is_some() { geometry.chunk.bytes().0 } else { u64::MAX };
    let window = effort.window.min(usize::try_from(chunk).unwrap_or(usize::MAX));
    let length = u64::try_from(window).ok()? / 512;
    let room = span.0.checked_sub(length)?;
    let mut total: Option<Consistency> = None;
    let mut last = None;
    // A third at the start, where most arrays have something; the others spread evenly.
    let dense = effort.windows / 3;
    for nth in 0..effort.windows + dense {
        let at = match nth.checked_sub(dense) {
            None => u128::from((nth * length).min(room)),
            Some(nth) => {
                u128::from(room) * u128::from(nth) / u128::from(effort.windows.saturating_sub(1).max(1))
            }
        };
        let at = Sectors(u64::try_from(at).ok()?).round_down(unit);
        let at = if chunk == u64::MAX { at } else { within_a_stripe(at, length, geometry.chunk) };
        // Small members are looked at wholly, and once.
        if last.is_some_and(|last: u64| at.0 < last + length) {
            continue;
        }
        last = Some(at.0);
        if let Some(count) = array.consistency(at.0, window, BLOCK.min(window)) {
            total.get_or_insert_default().add(count);
        }
    }
    total
}

fn within_a_stripe(at: Sectors, length: u64, chunk: Sectors) -> Sectors {
    let start = at.round_down(chunk);
    Sectors(at.0.min(start.0 + chunk.0.saturating_sub(length)))
}

/// Whether something that can be recognised has this sector of the array at this place of a device.
#[must_use]
pub fn anchored(device: &dyn Media, sector: Sectors, at: Sectors) -> bool {
    if sector.0 > 0 {
        return sector.bytes() == content::BTRFS_SUPERBLOCK
            && content::is_btrfs_superblock(device, at.bytes());
    }
    struct From<'a>(&'a dyn Media, Sectors);
    impl Media for From<'_> {
        fn len(&self) -> superblock::Bytes {
            self.0.len().saturating_sub(self.1.bytes())
        }
        fn read_at(&self, offset: superblock::Bytes, buf: &mut [u8]) -> std::io::Result<()> {
            self.0.read_at(offset.saturating_add(self.1.bytes()), buf)
        }
    }
    let found = content::find(&From(device, at), 2);
    found.iter().any(|content| content.tally().0 > 0 && content.kind != "md superblock")
}

//! Guesses about a family: it as it is, then what differs from it in one respect, in two, in three.

use superblock::{Level, Sectors, content::BTRFS_SUPERBLOCK};

use super::{
    Asked, KnownArray, TrialSeen, known,
    places::{format_at, places},
};
use crate::model::order::InOrder as _;
use crate::model::{
    Geometry,
    layout::default_layout,
    stripes::Stripes,
    trial::{Differs, GuessClass, Hypothesis, Offer, Seat},
};

/// In so many respects a guess may differ.
const FURTHEST: usize = 4;
/// Of so many members all orders are tried; of more, each two exchanged.
const ALL_ORDERS: usize = 6;
/// Chunks that arrays have, in sectors, the most usual first.
const CHUNKS: [u64; 11] = [1024, 128, 256, 512, 2048, 64, 32, 16, 8, 4096, 8192];
/// Where something may be recognised: a device, a sector of the array, and where that would be on the device.
pub type Anchor = (usize, Sectors, Sectors);

/// The sectors of an array by which things are recognised.
const TELLING: [Sectors; 2] = [Sectors(0), Sectors(BTRFS_SUPERBLOCK.0 / 512)];

/// Guesses in classes, made as they are asked for: those of one class differ in equally many respects from what is known.
pub struct Guesses<'a> {
    axes: Vec<Axes<'a>>,
    seen: &'a [TrialSeen],
    asked: &'a Asked,
    anchors: &'a mut dyn FnMut(Anchor) -> bool,
    /// Not all orders are among them.
    pub orders_cut: bool,
}

/// Every guess about the families. Those in which the array's first sector is at an anchor come before the others:
/// `anchors` answers for a device and an offset.
pub fn guesses<'a>(
    families: &'a [KnownArray],
    seen: &'a [TrialSeen],
    asked: &'a Asked,
    anchors: &'a mut dyn FnMut(Anchor) -> bool,
) -> Guesses<'a> {
    let axes: Vec<Axes<'_>> =
        families.iter().map(|family| Axes::new(family, seen, asked, &mut *anchors)).collect();
    let orders_cut = axes.iter().any(|axes| axes.orders_cut);
    Guesses { axes, seen, asked, anchors, orders_cut }
}

impl Guesses<'_> {
    /// Offers them, the most plausible first, as long as the answer is yes.
    pub fn each(&mut self, take: &mut dyn FnMut(Offer) -> bool) {
        // What is known is always looked at, whatever begins there.
        let classes = [true, false].into_iter().flat_map(|anchored| {
            (usize::from(!anchored)..=FURTHEST).map(move |distance| GuessClass { distance, anchored })
        });
        for class in classes {
            let mut some = false;
            for axes in &self.axes {
                let go_on = axes.at(class.distance, self.seen, self.asked, &mut |guess, whole| {
                    let is_its = |guess: &Hypothesis| {
                        // Where the array's start is left out nobody can say what begins there; such a guess is looked at
                        // where the same one with all members is, and not before it.
                        let whole = whole().filter(|_| class.distance > 1);
                        class.distance == 0
                            || at_anchor(whole.as_ref().unwrap_or(guess), self.anchors) == class.anchored
                    };
                    some = true;
                    let guess = guess.filter(is_its);
                    take(match guess {
                        Some(guess) => Offer::Guess(class, guess),
                        None => Offer::Nothing(class),
                    })
                });
                if !go_on {
                    return;
                }
            }
            if some && !take(Offer::Last(class)) {
                return;
            }
        }
    }
}

fn at_anchor(guess: &Hypothesis, anchors: &mut dyn FnMut(Anchor) -> bool) -> bool {
    let Some(stripes) = guess.stripes() else { return false };
    TELLING.into_iter().any(|sector| {
        stripes.copies(sector.0).any(|place| match guess.seats.get(place.slot) {
            Some(Some(seat)) => {
                anchors((seat.device, sector, seat.data_offset.saturating_add(Sectors(place.sector))))
            }
            // What is missing is rebuilt from the others.
            Some(None) => sector.0 == 0,
            None => false,
        })
    })
}

/// Whether a stale member is in or out is always looked at.
fn how_far(differs: &[Differs]) -> usize {
    differs.iter().filter(|differs| **differs != Differs::StaleIn).count()
}

/// One respect: in what it differs, and how.
type Choice<T> = (Vec<Differs>, T);

/// Makes the guess with all members of one in which a member is left out.
type Whole<'a> = &'a dyn Fn() -> Option<Hypothesis>;

struct Axes<'a> {
    family: &'a KnownArray,
    orders: Vec<Choice<Vec<Option<Seat>>>>,
    shapes: Vec<Choice<(Level, u32, Sectors)>>,
    /// With how far each is from what is known.
    offsets: Vec<(usize, Choice<Option<Sectors>>)>,
    orders_cut: bool,
}

impl<'a> Axes<'a> {
    fn new(
        family: &'a KnownArray,
        seen: &[TrialSeen],
        asked: &Asked,
        anchors: &mut dyn FnMut(Anchor) -> bool,
    ) -> Self {
        let (orders, orders_cut) = orders(family, seen, asked);
        let offsets = offsets(family, seen, asked);
        // Where something begins at another offset, and nothing at the one that superblocks name, that one is as good.
        let mut begins = |offset: &Option<Sectors>| {
            let mut seats = family.seats.iter().flatten();
            seats.any(|seat| anchors((seat.device, Sectors(0), offset.unwrap_or(seat.data_offset))))
        };
        let known = begins(&None);
        let mut far = |offset: &Choice<Option<Sectors>>| match (offset.0.len(), known) {
            (1.., false) if begins(&offset.1) => 0,
            (distance, _) => distance,
        };
        Self {
            family,
            orders,
            orders_cut,
            shapes: shapes(family, asked),
            offsets: offsets.into_iter().map(|offset| (far(&offset), offset)).collect(),
        }
    }

    /// Hands out those at a distance, `None` for what cannot be, until it is told that it is enough; answers whether it was
    /// not. With each in which a member is left out comes the same with all of them.
    fn at(
        &self,
        distance: usize,
        seen: &[TrialSeen],
        asked: &Asked,
        take: &mut dyn FnMut(Option<Hypothesis>, Whole<'_>) -> bool,
    ) -> bool {
        for (shape_differs, shape) in &self.shapes {
            for (far, (offset_differs, offset)) in &self.offsets {
                let so_far = shape_differs.len() + far;
                let Some(left) = distance.checked_sub(so_far) else { continue };
                for (order_differs, seats) in
                    self.orders.iter().filter(|(differs, _)| how_far(differs) == left)
                {
                    let differs = [order_differs, shape_differs, offset_differs].map(Vec::as_slice).concat();
                    let whole = || {
                        let mut differs = differs.clone();
                        let before = differs.len();
                        differs.retain(|differs| *differs != Differs::FreshOut);
                        let seats = Some(&self.family.seats).filter(|_| differs.len() < before)?;
                        self.one(differs, seats, *shape, *offset, seen, asked)
                    };
                    let guess = self.one(differs.clone(), seats, *shape, *offset, seen, asked);
                    if !take(guess, &whole) {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn one(
        &self,
        differs: Vec<Differs>,
        seats: &[Option<Seat>],
        (level, layout, chunk): (Level, u32, Sectors),
        offset: Option<Sectors>,
        seen: &[TrialSeen],
        asked: &Asked,
    ) -> Option<Hypothesis> {
        let family = self.family;
        let format = offset.map_or(family.format, |offset| format_at(family.format, offset));
        let moved = |seat: &Seat| match offset {
            None => Some(*seat),
            Some(data_offset) => {
                let room = known::room(format, seen.get(seat.device)?.size, data_offset);
                Some(Seat { data_offset, room, ..*seat })
            }
        };
        let seats: Vec<Option<Seat>> = seats.iter().map(|seat| seat.as_ref().and_then(moved)).collect();
        let mut geometry = Geometry { level, layout, chunk, ..family.geometry };
        let same_size = !differs
            .iter()
            .any(|differs| matches!(differs, Differs::Level | Differs::Chunk | Differs::DataOffset));
        if !same_size {
            let least = seats.iter().flatten().map(|seat| seat.room).min()?;
            geometry.component_size = known::component(&geometry, least);
        }
        if let Some(size) = asked.size {
            geometry.component_size = size;
        }
        let present: Vec<bool> = seats.iter().map(Option::is_some).collect();
        if !geometry.enough(&present, true) {
            return None;
        }
        let guess = Hypothesis {
            grounds: family.grounds.clone(),
            differs,
            format,
            geometry,
            seats,
            array: family.array,
            name: family.name.clone(),
            bitmap: family.bitmap,
        };
        guess.stripes().filter(|stripes: &Stripes| stripes.size().0 > 0)?;
        Some(guess)
    }
}

/// Who sits where.
fn orders(family: &KnownArray, seen: &[TrialSeen], asked: &Asked) -> (Vec<Choice<Vec<Option<Seat>>>>, bool) {
    let mut orders: Vec<Choice<Vec<Option<Seat>>>> = vec![(Vec::new(), family.seats.clone())];
    // Stale members come in one by one, the freshest first.
    let mut seats = family.seats.clone();
    for (slot, seat, _) in &family.stale {
        let mut alone = family.seats.clone();
        for seats in [&mut alone, &mut seats] {
            if let Some(place) = seats.get_mut(*slot) {
                *place = place.or(Some(*seat));
            }
        }
        orders.push((vec![Differs::StaleIn], alone));
        orders.push((vec![Differs::StaleIn], seats.clone()));
    }
    // Devices of which nothing is known sit where nobody does: nothing contradicts that.
    for seats in filled(family, seen) {
        orders.push((Vec::new(), seats));
    }
    let mut cut = false;
    if !asked.in_order {
        // Every member in turn may be the one that does not belong here.
        let here: Vec<usize> = (0..family.seats.len())
            .filter(|slot| family.seats.get(*slot).is_some_and(Option::is_some))
            .collect();
        let whole = orders.last().map(|(_, seats)| seats.clone()).unwrap_or_default();
        let base = if whole.iter().flatten().count() > here.len() { whole } else { family.seats.clone() };
        for slot in here {
            let mut without = family.seats.clone();
            without[slot] = None;
            orders.push((vec![Differs::FreshOut], without));
        }
        cut = base.len() > ALL_ORDERS;
        let mut others = permuted(&base);
        others.push(by_name(&base, seen));
        // Where nothing tells two apart, the one that is nearer to the order of the names is the likelier.
        others.order_by_key(|seats| disorder(seats, seen));
        orders.extend(others.into_iter().map(|seats| (vec![Differs::Order], seats)));
    }
    let mut seen: Vec<Vec<Option<Seat>>> = Vec::new();
    orders.retain(|(_, seats)| {
        let new = !seen.contains(seats);
        if new {
            seen.push(seats.clone());
        }
        new
    });
    (orders, cut)
}

/// The loose devices in the empty slots, in every way.
fn filled(family: &KnownArray, seen: &[TrialSeen]) -> Vec<Vec<Option<Seat>>> {
    let model = family.seats.iter().flatten().next().or(family.stale.first().map(|(_, seat, _)| seat));
    let Some(offset) = model.map(|seat| seat.data_offset) else { return Vec::new() };
    let mut ways = vec![family.seats.clone()];
    for device in family.loose.iter().take(ALL_ORDERS) {
        let Some(size) = seen.get(*device).map(|seen| seen.size) else { continue };
        let seat =
            Seat { device: *device, data_offset: offset, room: known::room(family.format, size, offset) };
        let more: Vec<Vec<Option<Seat>>> = ways
            .iter()
            .flat_map(|way| {
                let empty: Vec<usize> = (0..way.len()).filter(|slot| way[*slot].is_none()).collect();
                empty.into_iter().map(|slot| {
                    let mut way = way.clone();
                    way[slot] = Some(seat);
                    way
                })
            })
            .collect();
        if !more.is_empty() {
            ways = more;
        }
    }
    ways
}

/// sdb before sdaa, ram9 before ram10.
fn name_of<'a>(seat: &Seat, seen: &'a [TrialSeen]) -> (usize, &'a str) {
    seen.get(seat.device).map_or((0, ""), |seen| (seen.path.len(), &seen.path))
}

/// The members in the order of their names, in the slots that are taken.
fn by_name(seats: &[Option<Seat>], seen: &[TrialSeen]) -> Vec<Option<Seat>> {
    let mut here: Vec<Seat> = seats.iter().flatten().copied().collect();
    here.order_by_key(|seat| name_of(seat, seen));
    let mut here = here.into_iter();
    seats.iter().map(|seat| seat.and_then(|_| here.next())).collect()
}

/// How many pairs of members are not in the order of their names.
fn disorder(seats: &[Option<Seat>], seen: &[TrialSeen]) -> usize {
    let names: Vec<_> = seats.iter().flatten().map(|seat| name_of(seat, seen)).collect();
    let before = |(nth, name)| names.iter().take(nth).filter(|other| *other > name).count();
    names.iter().enumerate().map(before).sum()
}

/// All orders of few, each two exchanged of many; without the one that is there.
fn permuted(seats: &[Option<Seat>]) -> Vec<Vec<Option<Seat>>> {
    let mut found = Vec::new();
    if seats.len() > ALL_ORDERS {
        for one in 0..seats.len() {
            for other in one + 1..seats.len() {
                let mut order = seats.to_vec();
                order.swap(one, other);
                found.push(order);
            }
        }
        return found;
    }
    fn place(
        rest: &mut Vec<Option<Seat>>,
        order: &mut Vec<Option<Seat>>,
        found: &mut Vec<Vec<Option<Seat>>>,
    ) {
        if rest.is_empty() {
            found.push(order.clone());
        }
        for nth in 0..rest.len() {
            let seat = rest.remove(nth);
            order.push(seat);
            place(rest, order, found);
            order.pop();
            rest.insert(nth, seat);
        }
    }
    place(&mut seats.to_vec(), &mut Vec::new(), &mut found);
    found.retain(|order| order != seats);
    found
}

fn layouts(level: Level) -> Vec<u32> {
    match level {
        Level::Raid5 => vec![2, 0, 3, 1, 5, 4],
        Level::Raid6 => vec![2, 0, 3, 1, 5, 4, 18, 16, 19, 17, 8, 9, 10],
        Level::Raid10 => vec![0x102, 0x201, 0x1_0201, 0x103, 0x301, 0x202],
        Level::Raid0 => vec![1, 2],
        _ => vec![default_layout(level)],
    }
}

/// Levels, layouts and chunks. Another level has its own layouts and the usual one is none of its differences.
fn shapes(family: &KnownArray, asked: &Asked) -> Vec<Choice<(Level, u32, Sectors)>> {
    let own = family.geometry;
    let first = |own: Level| {
        let others = [
            Level::Raid5,
            Level::Raid6,
            Level::Raid10,
            Level::Raid0,
            Level::Raid1,
            Level::Raid4,
            Level::Linear,
        ];
        std::iter::once(own).chain(others.into_iter().filter(move |level| *level != own)).collect::<Vec<_>>()
    };
    let levels = asked.level.map_or_else(|| first(own.level), |level| vec![level]);
    let mut shapes = Vec::new();
    for level in levels {
        let usual = if level == own.level { own.layout } else { default_layout(level) };
        let mut of_level = layouts(level);
        of_level.retain(|layout| *layout != usual);
        of_level.insert(0, usual);
        if let Some(layout) = asked.layout {
            of_level = vec![layout];
        }
        let chunked = !matches!(level, Level::Raid1 | Level::Linear);
        let known = if own.chunk.0 > 0 { own.chunk.0 } else { CHUNKS[0] };
        let mut chunks: Vec<u64> =
            std::iter::once(known).chain(CHUNKS.into_iter().filter(|c| *c != known)).collect();
        if let Some(chunk) = asked.chunk {
            chunks = vec![chunk.0];
        }
        if !chunked {
            chunks = vec![0];
        }
        for layout in &of_level {
            for chunk in &chunks {
                let mut differs = Vec::new();
                differs.extend((level != own.level).then_some(Differs::Level));
                differs.extend((*layout != usual && asked.layout.is_none()).then_some(Differs::Layout));
                let other_chunk = chunked && *chunk != known && asked.chunk.is_none();
                differs.extend(other_chunk.then_some(Differs::Chunk));
                shapes.push((differs, (level, *layout, Sectors(*chunk))));
            }
        }
    }
    shapes
}

/// Where data begins: as the superblocks say, or where some version would have put it.
fn offsets(family: &KnownArray, seen: &[TrialSeen], asked: &Asked) -> Vec<Choice<Option<Sectors>>> {
    if !asked.data_offsets.is_empty() {
        let asked = asked.data_offsets.iter().map(|offset| (Vec::new(), Some(*offset)));
        return asked.collect();
    }
    let mut found: Vec<Choice<Option<Sectors>>> = vec![(Vec::new(), None)];
    let own = family.seats.iter().flatten().next().map(|seat| seat.data_offset);
    let devices: Vec<usize> = family.seats.iter().flatten().map(|seat| seat.device).collect();
    let others = places(&devices, seen, asked).into_iter().filter(|place| Some(*place) != own);
    found.extend(others.map(|place| (vec![Differs::DataOffset], Some(place))));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_orders(names: &[&str]) -> Vec<Vec<String>> {
        let one =
            |path: &&str| TrialSeen { path: (*path).to_owned(), size: Sectors(1 << 20), words: Vec::new() };
        let seen: Vec<TrialSeen> = names.iter().map(one).collect();
        let asked = Asked::default();
        let families = known::families(&seen, &asked);
        let (orders, _) = orders(families.first().unwrap(), &seen, &asked);
        let names = |seats: &Vec<Option<Seat>>| -> Vec<String> {
            seats
                .iter()
                .map(|seat| seat.map_or(String::new(), |seat| seen[seat.device].path.clone()))
                .collect()
        };
        let others = orders.iter().filter(|(differs, _)| differs.contains(&Differs::Order));
        others.map(|(_, seats)| names(seats)).take(2).collect()
    }

    #[test]
    fn the_order_of_the_names_is_the_likeliest_of_the_others() {
        assert_eq!(
            first_orders(&["sdc", "sda", "sdaa", "sdb"]),
            [["sda", "sdb", "sdc", "sdaa"], ["sda", "sdc", "sdb", "sdaa"]]
        );
        // Of many, too, although not all orders are tried.
        let many = ["ram10", "ram3", "ram9", "ram1", "ram2", "ram0", "ram8"];
        let expected = ["ram0", "ram1", "ram2", "ram3", "ram8", "ram9", "ram10"];
        assert_eq!(first_orders(&many)[0], expected);
    }

    #[test]
    fn all_members_come_before_those_without_one() {
        let one = |nth: usize| TrialSeen {
            path: format!("/dev/loop{nth}"),
            size: Sectors(1 << 18),
            words: Vec::new(),
        };
        let seen: Vec<TrialSeen> = (0..10).map(one).collect();
        let asked = Asked::default();
        let families = known::families(&seen, &asked);
        let mut offered: Vec<Hypothesis> = Vec::new();
        // Nothing known begins anywhere.
        let mut anchors = |_: Anchor| false;
        guesses(&families, &seen, &asked, &mut anchors).each(&mut |offer| {
            match offer {
                Offer::Guess(_, guess) => offered.push(guess),
                Offer::Nothing(_) | Offer::Last(_) => {}
            }
            offered.len() < 2000
        });
        let place = |differs: &[Differs]| {
            offered.iter().position(|guess| guess.geometry.level == Level::Raid6 && guess.differs == differs)
        };
        let whole = place(&[Differs::Level]).expect("as level 6, with all members");
        let without = place(&[Differs::FreshOut, Differs::Level]).expect("as level 6, without one");
        assert!(whole < without, "{whole} {without}");
        assert_eq!(offered[whole].missing(), 0);
    }
}

//! A group as it would be after what a verb asks for. Nothing is written here; a refusal leaves the group as it was.

use std::{
    collections::{BTreeSet, HashSet},
    ops::Range,
};

use superblock::{
    Bytes, Sectors,
    lvm::{BadEdit, Group, Kind, LogicalVolume, LvmUuid, NoRoom, Room, Wish, group::VolumeStatus, names},
};

use crate::{
    model::{
        human,
        volume::{FoundGroup, GroupSeen},
    },
    plan::{Refusal, Warning},
    request::volume::{Amount, NewVolume, PercentOf, PvWord, ResizeRequest, Sign, VolumeName},
};

/// Bytes of a stripe where nobody says how many.
const STRIPE: Bytes = Bytes(64 << 10);
/// lvm2 takes no smaller ones: a page.
const SMALLEST_STRIPE: u64 = 4096;
/// lvm2 takes no larger ones.
const LARGEST_STRIPE: u64 = 512 << 10;
/// The driver takes no more.
const MOST_STRIPES: u32 = 128;

/// What an edit may know beside the group.
pub struct Means<'a> {
    /// Which of the group's physical volumes a path is.
    pub pv_of: &'a dyn Fn(&str) -> Option<usize>,
    /// By index of physical volume: a full stripe of what lies below, 0 where there is none.
    pub stripes: Vec<Sectors>,
    /// New identities.
    pub fresh: std::vec::IntoIter<LvmUuid>,
    /// This machine's name.
    pub host: String,
    /// Seconds since 1970.
    pub now: i64,
}

/// Which of the group's physical volumes a path is, by the numbers of those that were named: devices have many paths.
#[must_use]
pub fn pv_of(found: &FoundGroup, seen: &GroupSeen, path: &str) -> Option<usize> {
    let dev = seen.numbers.iter().find(|(known, _)| known == path).map(|(_, dev)| *dev)?;
    found.present().find(|(_, pv)| pv.dev == dev).map(|(index, _)| index)
}

/// The paths in words for physical volumes, each once.
#[must_use]
pub fn paths<'a>(words: impl Iterator<Item = &'a PvWord>) -> Vec<String> {
    let paths: BTreeSet<&String> = words.map(|word| &word.path).collect();
    paths.into_iter().cloned().collect()
}

impl<'a> Means<'a> {
    /// What a look showed.
    #[must_use]
    pub fn of(seen: &GroupSeen, found: &FoundGroup, pv_of: &'a dyn Fn(&str) -> Option<usize>) -> Self {
        let fresh = seen.random.iter().copied().map(LvmUuid::from_random);
        Means {
            pv_of,
            stripes: found.stripes(),
            fresh: fresh.collect::<Vec<_>>().into_iter(),
            host: seen.stamp.host.clone(),
            now: seen.stamp.time,
        }
    }
}

impl Means<'_> {
    pub(super) fn identity(&mut self) -> Result<LvmUuid, Refusal> {
        self.fresh.next().ok_or_else(|| Refusal::new("no more random identities"))
    }

    /// Physical volumes and runs of extents that words name.
    pub(super) fn places(&self, group: &Group, on: &[PvWord]) -> Result<Vec<(usize, Range<u64>)>, Refusal> {
        let mut places = Vec::new();
        for word in on {
            let pv = (self.pv_of)(&word.path).ok_or_else(|| {
                Refusal::new(format!("{} is not a device of group {}", word.path, group.name))
                    .hint(format!("mdctl volume show {} lists its devices", group.name))
            })?;
            let count = group.pvs.get(pv).map_or(0, |pv| pv.pe_count);
            if word.ranges.is_empty() {
                places.push((pv, 0..count));
            }
            for (first, last) in &word.ranges {
                if *first >= count {
                    return Err(Refusal::new(format!(
                        "{} has {count} extents: 0 to {}",
                        word.path,
                        count.saturating_sub(1)
                    )));
                }
                places.push((pv, *first..last.map_or(count, |last| last.saturating_add(1).min(count))));
            }
        }
        Ok(places)
    }
}

/// A sentence about a group or a volume of it that cannot be changed so.
pub(super) fn refused(what: &str, why: &BadEdit) -> Refusal {
    Refusal::new(format!("{what}: {why}"))
}

fn no_room(what: &str, (group, room): (&Group, &Room), why: &NoRoom) -> Refusal {
    let free = room.extents();
    let sizes = format!(
        "an extent is {}, free in all: {}",
        human::size(group.extent_size.bytes().0),
        human::size(group.sectors(free).bytes().0)
    );
    let text = match why {
        NoRoom::Extents { wanted, .. } if *wanted > free => {
            format!("{what}: {wanted} extents are wanted and {free} are free ({sizes})")
        }
        NoRoom::Extents { .. } => {
            format!("{what}: there is not so much room on the devices that were named ({sizes})")
        }
        NoRoom::Legs { .. } | NoRoom::Nothing => format!("{what}: {why} ({sizes})"),
    };
    Refusal::new(text).hint(format!("mdctl volume group extend {} DEVICE adds room", group.name))
}

/// A size in extents. `own`: what the volume has now. Sizes are rounded up, percentages down, both to whole `stripes`.
fn extents(
    amount: Amount,
    (group, room): (&Group, &Room),
    places: &[(usize, Range<u64>)],
    (stripes, own): (u64, Option<u64>),
) -> Result<u64, Refusal> {
    let stripes = stripes.max(1);
    let up = |count: u64| count.div_ceil(stripes).checked_mul(stripes);
    let too_much = || Refusal::new("the size is larger than any group");
    let of = match amount {
        Amount::Bytes(bytes) => {
            let extent = group.extent_size.bytes().0.max(1);
            return up(bytes.0.div_ceil(extent)).ok_or_else(too_much);
        }
        Amount::Extents(count) => return up(count).ok_or_else(too_much),
        Amount::Percent(percent, of) => {
            let base = match of {
                PercentOf::Free => room.extents(),
                PercentOf::Group => group.pvs.iter().fold(0, |sum, pv| pv.pe_count.saturating_add(sum)),
                PercentOf::Pvs if places.is_empty() => room.extents(),
                PercentOf::Pvs => free_on(room, places),
                PercentOf::Volume => {
                    own.ok_or_else(|| Refusal::new("%LV is for a volume that is there already"))?
                }
                PercentOf::Origin => return Err(Refusal::new("%ORIGIN is for snapshots")),
            };
            u128::from(base) * u128::from(percent) / 100
        }
    };
    let of = u64::try_from(of).map_err(|_| too_much())?;
    Ok(of - of % stripes)
}

fn free_on(room: &Room, places: &[(usize, Range<u64>)]) -> u64 {
    let free = room.runs();
    let mut sum: u64 = 0;
    for (pv, place) in places {
        for run in free.get(*pv).into_iter().flatten() {
            sum = sum.saturating_add(run.end.min(place.end).saturating_sub(run.start.max(place.start)));
        }
    }
    sum
}

/// Says what a size was rounded to.
fn rounded(what: &str, amount: Amount, group: &Group, extents: u64) -> Option<Warning> {
    let Amount::Bytes(wanted) = amount else { return None };
    let size = group.sectors(extents).bytes();
    (size != wanted).then(|| {
        Warning::tell(format!(
            "{what}: {} is rounded up to {} ({extents} extents)",
            human::size(wanted.0),
            human::size(size.0)
        ))
    })
}

/// New volumes, all or none.
///
/// # Errors
/// A name that is none or is used, a size or stripes that are not to be had.
pub fn create(group: &mut Group, new: &[NewVolume], means: &mut Means<'_>) -> Result<Vec<Warning>, Refusal> {
    let mut known: HashSet<&str> = group.volumes.iter().map(|volume| volume.name.as_str()).collect();
    let mut room = group.room();
    let (mut made, mut said) = (Vec::with_capacity(new.len()), Vec::new());
    for one in new {
        let what = one.name.to_string();
        names::volume(&group.name, &one.name.volume).map_err(|why| refused(&what, &why.into()))?;
        if !known.insert(&one.name.volume) {
            return Err(refused(&what, &BadEdit::Exists(one.name.volume.clone())));
        }
        let (volume, warning) = volume(group, &mut room, one, means)?;
        made.push(volume);
        said.extend(warning);
    }
    let what = format!("group {}", group.name);
    group.add_all(made).map_err(|why| refused(&what, &why))?;
    Ok(said)
}

/// A volume with its extents, which are free no more.
fn volume(
    group: &Group,
    room: &mut Room,
    new: &NewVolume,
    means: &mut Means<'_>,
) -> Result<(LogicalVolume, Option<Warning>), Refusal> {
    let what = new.name.to_string();
    let places = means.places(group, &new.on)?;
    let legs = new.stripes;
    if !(1..=MOST_STRIPES).contains(&legs) {
        return Err(Refusal::new(format!("{what}: 1 to {MOST_STRIPES} stripes")));
    }
    let size = stripe_size(&what, group, new.stripe_size)?;
    let count = extents(new.size, (group, room), &places, (legs.into(), None))?;
    let wish = Wish {
        extents: count,
        stripes: usize::try_from(legs).unwrap_or(usize::MAX),
        stripe_size: size.sectors(),
        on: places,
        align: means.stripes.clone(),
        ..Wish::default()
    };
    let found = group.allocate_in(room, &wish).map_err(|why| no_room(&what, (group, room), &why))?;
    room.take(&found.segments);
    let mut volume = LogicalVolume::empty(new.name.volume.clone());
    volume.id = means.identity()?;
    volume.creation_time = Some(means.now);
    volume.creation_host = Some(means.host.clone());
    volume.status.set(VolumeStatus::WRITE, !new.read_only);
    volume.segments = found.segments;
    Ok((volume, rounded(&what, new.size, group, count)))
}

fn stripe_size(what: &str, group: &Group, wanted: Option<Bytes>) -> Result<Bytes, Refusal> {
    let extent = group.extent_size.bytes();
    let size = wanted.unwrap_or(STRIPE.min(extent));
    let fits =
        size.0.is_power_of_two() && (SMALLEST_STRIPE..=LARGEST_STRIPE).contains(&size.0) && size <= extent;
    if fits {
        return Ok(size);
    }
    Err(Refusal::new(format!(
        "{what}: a stripe is a power of two from 4 KiB to 512 KiB and no larger than an extent ({})",
        human::size(extent.0)
    )))
}

/// What a resize comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resized {
    /// Extents before.
    pub before: u64,
    /// Extents after.
    pub after: u64,
    /// What should be said.
    pub said: Option<Warning>,
}

/// Another size.
///
/// # Errors
/// There is no such volume or no such room, or nothing would be left of it.
pub fn resize(group: &mut Group, request: &ResizeRequest, means: &Means<'_>) -> Result<Resized, Refusal> {
    let what = request.name.to_string();
    let volume = existing(group, &request.name)?;
    let before = volume.extents();
    let last = volume.segments.last().cloned();
    let (legs, stripe_size) = match last.as_ref().map(|last| &last.kind) {
        Some(Kind::Striped { stripe_size, legs }) => (legs.len(), *stripe_size),
        _ => return Err(Refusal::new(format!("{what} is of a kind that only lvm resizes"))),
    };
    let stripes = u64::try_from(legs).unwrap_or(u64::MAX);
    let places = means.places(group, &request.on)?;
    let (sign, amount) = (request.change.sign, request.change.amount);
    let room = group.room();
    let count = extents(amount, (group, &room), &places, (stripes, Some(before)))?;
    let after = match sign {
        None => Some(count),
        Some(Sign::Plus) => before.checked_add(count),
        // What is taken away is no more than was asked for.
        Some(Sign::Minus) => {
            let less = match amount {
                Amount::Bytes(bytes) => bytes.0 / group.extent_size.bytes().0.max(1) / stripes * stripes,
                _ => count,
            };
            before.checked_sub(less).filter(|left| *left > 0)
        }
    };
    let after = after.ok_or_else(|| {
        Refusal::new(format!("{what} has {before} extents; nothing would be left of it"))
            .hint(format!("mdctl volume remove {what} removes it"))
    })?;
    if after > before {
        let wish = Wish {
            extents: after - before,
            stripes: legs,
            stripe_size,
            on: places,
            after: last,
            align: means.stripes.clone(),
            ..Wish::default()
        };
        let found = group.allocate_in(&room, &wish).map_err(|why| no_room(&what, (group, &room), &why))?;
        group.extend(&request.name.volume, found.segments).map_err(|why| refused(&what, &why))?;
    } else if after < before {
        group.reduce(&request.name.volume, after).map_err(|why| refused(&what, &why))?;
    }
    let said = if sign.is_none() { rounded(&what, amount, group, after) } else { None };
    Ok(Resized { before, after, said })
}

/// A volume that is there.
///
/// # Errors
/// It is not.
pub fn existing<'a>(group: &'a Group, name: &VolumeName) -> Result<&'a LogicalVolume, Refusal> {
    group.volume(&name.volume).ok_or_else(|| {
        Refusal::new(format!("there is no volume {name}"))
            .hint(format!("mdctl volume list {} lists those that there are", name.group))
    })
}

/// Without these volumes, and without the snapshots of those that have any. The names of all that go, snapshots first.
///
/// # Errors
/// One is not there, or is being rolled back.
pub fn remove(group: &mut Group, names: &[VolumeName]) -> Result<Vec<String>, Refusal> {
    let mut gone: Vec<String> = Vec::new();
    for name in names {
        if gone.contains(&name.volume) {
            continue;
        }
        existing(group, name)?;
        let snapshots: Vec<String> =
            group.snapshots_of(&name.volume).map(|snapshot| snapshot.cow.to_owned()).collect();
        for volume in snapshots.iter().chain(std::iter::once(&name.volume)) {
            group.remove(volume).map_err(|why| refused(&name.to_string(), &why))?;
            gone.push(volume.clone());
        }
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use superblock::lvm::PhysicalVolume;

    use super::*;
    use crate::request::volume::SizeChange;

    fn id(n: u8) -> LvmUuid {
        LvmUuid::from_random([n; 32])
    }

    /// Two devices of ten extents of 4 MiB each.
    fn group() -> Group {
        let mut group = Group::empty("vg".into());
        for n in 0..2 {
            let pv = PhysicalVolume::new(
                id(n),
                format!("/dev/md{n}"),
                Sectors(2048 + 10 * 8192),
                Sectors(2048),
                Sectors(8192),
            );
            group.add_pv(pv.unwrap()).unwrap();
        }
        group
    }

    fn means() -> Means<'static> {
        Means {
            pv_of: &|path| ["/dev/md0", "/dev/md1"].iter().position(|known| *known == path),
            stripes: Vec::new(),
            fresh: (10..20).map(id).collect::<Vec<_>>().into_iter(),
            host: "here".into(),
            now: 1,
        }
    }

    fn new(name: &str, size: Amount) -> NewVolume {
        let name = VolumeName { group: "vg".into(), volume: name.into() };
        NewVolume { name, size, stripes: 1, stripe_size: None, on: Vec::new(), read_only: false }
    }

    fn resized(group: &mut Group, sign: Option<Sign>, amount: Amount) -> Result<(u64, u64), String> {
        let name = VolumeName { group: "vg".into(), volume: "a".into() };
        let request = ResizeRequest {
            name,
            change: SizeChange { sign, amount },
            fs: false,
            force: false,
            on: Vec::new(),
        };
        resize(group, &request, &means())
            .map(|done| (done.before, done.after))
            .map_err(|refusal| refusal.text)
    }

    #[test]
    fn sizes_are_rounded_and_it_is_said() {
        let mut group = group();
        let said = create(&mut group, &[new("a", Amount::Bytes(Bytes(5 << 20)))], &mut means()).unwrap();
        assert_eq!(said[0].text, "vg/a: 5 MiB is rounded up to 8 MiB (2 extents)");
        let said =
            create(&mut group, &[new("b", Amount::Percent(50, PercentOf::Free))], &mut means()).unwrap();
        assert_eq!((said.len(), group.volume("b").unwrap().extents()), (0, 9));
        let mut striped = new("c", Amount::Percent(100, PercentOf::Free));
        striped.stripes = 2;
        let refusal = create(&mut group, &[striped], &mut means()).unwrap_err();
        assert!(refusal.text.contains("vg/c"), "{}", refusal.text);
        let again = create(&mut group, &[new("a", Amount::Extents(1))], &mut means()).unwrap_err();
        assert_eq!(again.text, "vg/a: there is a volume a already");
        let large = create(&mut group, &[new("x", Amount::Extents(100))], &mut means()).unwrap_err();
        assert!(large.text.contains("100 extents are wanted and 9 are free"), "{}", large.text);
        assert!(create(&mut group, &[new("x_tdata", Amount::Extents(1))], &mut means()).is_err());
        assert_eq!(group.volumes.len(), 2);
    }

    #[test]
    fn on_these_devices_and_extents() {
        let mut group = group();
        let on = |path: &str, ranges: &[(u64, Option<u64>)]| {
            vec![PvWord { path: path.into(), ranges: ranges.to_vec() }]
        };
        let mut volume = new("a", Amount::Percent(100, PercentOf::Pvs));
        volume.on = on("/dev/md1", &[(2, Some(4))]);
        create(&mut group, std::slice::from_ref(&volume), &mut means()).unwrap();
        let Kind::Striped { legs, .. } = &group.volume("a").unwrap().segments[0].kind else { panic!() };
        assert_eq!((legs[0].pv, legs[0].extent, group.volume("a").unwrap().extents()), (1, 2, 3));
        volume.name.volume = "b".into();
        volume.on = on("/dev/md7", &[]);
        assert_eq!(
            create(&mut group, std::slice::from_ref(&volume), &mut means()).unwrap_err().text,
            "/dev/md7 is not a device of group vg"
        );
        volume.on = on("/dev/md0", &[(10, None)]);
        assert_eq!(
            create(&mut group, std::slice::from_ref(&volume), &mut means()).unwrap_err().text,
            "/dev/md0 has 10 extents: 0 to 9"
        );
    }

    #[test]
    fn more_and_less() {
        let mut group = group();
        create(&mut group, &[new("a", Amount::Extents(4))], &mut means()).unwrap();
        let mib = |n: u64| Amount::Bytes(Bytes(n << 20));
        assert_eq!(resized(&mut group, Some(Sign::Plus), mib(5)), Ok((4, 6)));
        assert_eq!(
            resized(&mut group, Some(Sign::Minus), mib(7)),
            Ok((6, 5)),
            "no more is taken than was asked for"
        );
        assert_eq!(resized(&mut group, None, mib(8)), Ok((5, 2)));
        assert_eq!(
            resized(&mut group, Some(Sign::Plus), Amount::Percent(100, PercentOf::Volume)),
            Ok((2, 4))
        );
        assert_eq!(resized(&mut group, Some(Sign::Plus), Amount::Percent(100, PercentOf::Free)), Ok((4, 20)));
        assert!(resized(&mut group, Some(Sign::Plus), mib(1)).unwrap_err().contains("0 are free"));
        assert!(
            resized(&mut group, Some(Sign::Minus), mib(80)).unwrap_err().contains("nothing would be left")
        );
        assert_eq!(group.volume("a").unwrap().extents(), 20);
        let gone = remove(&mut group, &[VolumeName { group: "vg".into(), volume: "a".into() }]).unwrap();
        assert_eq!((gone, group.free_extents()), (vec!["a".to_owned()], 20));
    }
}

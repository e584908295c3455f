//! What must hold in every group: LVM2 itself does not take one in which it does not.

use std::collections::{HashMap, HashSet};

use super::{
    group::{Group, Kind, Leg, LogicalVolume, Segment},
    marks::distinct,
};

/// At most so many problems are told.
const MAX_PROBLEMS: usize = 32;

impl Group {
    /// Everything that contradicts itself; nothing in a sound group.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.check_pvs(&mut problems);
        self.check_names(&mut problems);
        let mut used: Vec<Vec<(u64, u64, &str)>> = vec![Vec::new(); self.pvs.len()];
        for volume in &self.volumes {
            self.check_volume(volume, &mut used, &mut problems);
        }
        self.check_overlaps(&mut used, &mut problems);
        if self.snapshots().next().is_some() {
            let index: HashMap<&str, &LogicalVolume> =
                self.volumes.iter().map(|volume| (volume.name.as_str(), volume)).collect();
            self.check_snapshots(&index, &mut problems);
        }
        problems.truncate(MAX_PROBLEMS);
        problems
    }

    fn check_pvs(&self, problems: &mut Vec<String>) {
        let mut ids = HashSet::new();
        for (number, pv) in self.pvs.iter().enumerate() {
            if !ids.insert(pv.id) {
                problems.push(format!("physical volume {} is in the group twice", pv.id));
            }
            let end = self.sectors(pv.pe_count).saturating_add(pv.pe_start);
            if pv.dev_size.0 > 0 && end > pv.dev_size {
                problems.push(format!(
                    "pv{number} ({}) has extents up to sector {} and {} sectors",
                    pv.id, end.0, pv.dev_size.0
                ));
            }
        }
        if self.pvs.is_empty() {
            problems.push("the group has no physical volume".into());
        }
    }

    fn check_names(&self, problems: &mut Vec<String>) {
        let names = self.volumes.iter().map(|volume| volume.name.as_bytes());
        let ids = self.volumes.iter().map(|volume| volume.id.stored().as_slice());
        if distinct(names) && distinct(ids) {
            return;
        }
        let (mut names, mut ids) = (HashSet::new(), HashSet::new());
        for volume in &self.volumes {
            if !names.insert(volume.name.as_str()) {
                problems.push(format!("two volumes are called {}", volume.name));
            }
            if !ids.insert(volume.id) {
                problems.push(format!("volume {} has the UUID of another one", volume.name));
            }
        }
    }

    fn check_volume<'a>(
        &'a self,
        volume: &'a LogicalVolume,
        used: &mut [Vec<(u64, u64, &'a str)>],
        problems: &mut Vec<String>,
    ) {
        let mut next = 0;
        for (number, segment) in (1u32..).zip(&volume.segments) {
            let name = &volume.name;
            let mut say = |what: &str| problems.push(format!("volume {name}, segment {number}: {what}"));
            if segment.start != next {
                say("does not begin where the one before ends");
            }
            if segment.len == 0 {
                say("has no extents");
            }
            next = segment.end();
            if let Kind::Striped { stripe_size, legs } = &segment.kind {
                let count = u64::try_from(legs.len()).unwrap_or(u64::MAX);
                if segment.len.checked_rem(count) != Some(0) {
                    say("its extents do not divide by its stripes");
                }
                if count > 1
                    && !(stripe_size.0.is_power_of_two()
                        && stripe_size.0 >= 8
                        && *stripe_size <= self.extent_size)
                {
                    say("its stripe size is no power of two from 4 KiB to an extent");
                }
            }
            self.check_legs(segment, segment.legs(), used, &volume.name, &mut say);
        }
        if volume.segments.is_empty() {
            problems.push(format!("volume {} has no segments", volume.name));
        }
        if next > u64::from(u32::MAX) {
            problems.push(format!("volume {} has more extents than LVM2 can count", volume.name));
        }
    }

    fn check_legs<'a>(
        &self,
        segment: &Segment,
        legs: &[Leg],
        used: &mut [Vec<(u64, u64, &'a str)>],
        name: &'a str,
        say: &mut impl FnMut(&str),
    ) {
        let len = segment.leg_len();
        for leg in legs {
            let Some((pv, taken)) = self.pvs.get(leg.pv).zip(used.get_mut(leg.pv)) else {
                say("is on a physical volume that the group does not have");
                continue;
            };
            let end = leg.extent.saturating_add(len);
            if end > pv.pe_count {
                say(&format!("needs extents up to {end} of pv{}, which has {}", leg.pv, pv.pe_count));
            }
            taken.push((leg.extent, end, name));
        }
    }

    fn check_overlaps(&self, used: &mut [Vec<(u64, u64, &str)>], problems: &mut Vec<String>) {
        for (number, taken) in used.iter_mut().enumerate() {
            taken.sort_unstable();
            let mut reach: Option<(u64, &str)> = None;
            for (start, end, name) in taken.iter().copied() {
                if let Some((before, other)) = reach.filter(|(before, _)| start < *before) {
                    let last = before.min(end).saturating_sub(1);
                    problems.push(format!(
                        "extents {start} to {last} of pv{number} belong to {other} and to {name}"
                    ));
                }
                reach = Some(reach.map_or((end, name), |reach| reach.max((end, name))));
            }
        }
    }

    fn check_snapshots(&self, index: &HashMap<&str, &LogicalVolume>, problems: &mut Vec<String>) {
        let mut stores = HashSet::new();
        let cows: HashSet<&str> = self.snapshots().map(|snapshot| snapshot.cow).collect();
        let mut merging = HashSet::new();
        for snapshot in self.snapshots() {
            let cow = snapshot.cow;
            let mut say = |what: &str| problems.push(format!("snapshot {cow}: {what}"));
            match index.get(snapshot.origin) {
                None => say("the volume that it is a snapshot of does not exist"),
                Some(origin) if origin.extents() != snapshot.row.extents() => {
                    say("it is not as long as the volume that it is a snapshot of");
                }
                Some(_) => {}
            }
            if !index.contains_key(cow) {
                say("the volume with its store does not exist");
            }
            if cows.contains(snapshot.origin) {
                say("it is a snapshot of a snapshot");
            }
            if !stores.insert(cow) {
                say("two snapshots have this store");
            }
            if !(snapshot.chunk.0.is_power_of_two() && (8..=1024).contains(&snapshot.chunk.0)) {
                say("its chunk is no power of two from 4 KiB to 512 KiB");
            }
            if snapshot.merging && !merging.insert(snapshot.origin) {
                say("two snapshots are going back into one volume");
            }
        }
    }
}

//! Extents that a restore gives back to volumes, and who had them since: what is on them is theirs then. What a group was in
//! between is known from LVM2's archive, as far as that has it.

use std::collections::{BTreeMap, BTreeSet};

use superblock::lvm::{Group, LogicalVolume, LvmUuid};

use crate::model::{extents::on_devices, volume::KeptState};

/// Extents of a physical volume: the first and the last.
type Run = (LvmUuid, u64, u64);

/// What is known of a group between an old state and the present one.
pub(super) struct Since<'a> {
    /// Its states after the old one, and that of now.
    states: Vec<&'a Group>,
    /// Changes of which no state is kept, in words.
    unknown: Option<String>,
}

impl<'a> Since<'a> {
    /// `kept`: all that is kept of the group.
    pub(super) fn new(old: &Group, now: &'a Group, kept: &'a [KeptState]) -> Self {
        let same = || kept.iter().map(|state| &state.group).filter(|state| state.id == old.id);
        // Where lvm2 put an older state back, later changes have lower numbers.
        let is_later = |state: &Group| state.seqno > old.seqno || state.written.time > old.written.time;
        let states = same().filter(|state| is_later(state)).chain([now]).collect();
        let unknown = if now.seqno <= old.seqno {
            Some("lvm2 put a state back in between, and numbers of changes were given twice".to_owned())
        } else {
            let known: BTreeSet<u32> = same().map(|state| state.seqno).collect();
            not_kept(&known, old.seqno, now.seqno)
        };
        Self { states, unknown }
    }

    /// Whether no state since has one of these volumes, and all states since are known: nothing of them was changed.
    pub(super) fn untouched(&self, volumes: [LvmUuid; 2]) -> bool {
        let has = |state: &Group| state.volumes.iter().any(|volume| volumes.contains(&volume.id));
        self.unknown.is_none() && !self.states.iter().any(|state| has(state))
    }

    /// The rollback in whose midst a volume was seen last, before it was removed: the change, and the snapshot.
    pub(super) fn midst(&self, volume: LvmUuid) -> Option<(u32, &str)> {
        let name = |state: &&'a Group| {
            let of = state.volumes.iter().find(|other| other.id == volume)?;
            Some((of.name.as_str(), *state))
        };
        let having = self.states.iter().filter_map(name);
        let (name, last) = having.max_by_key(|(_, state)| (state.written.time, state.seqno))?;
        let merging = last.snapshots().find(|one| one.merging && one.origin == name)?;
        Some((last.seqno, merging.cow))
    }

    /// Why volumes of the new state would not have what they had: a sentence each, by the volumes' identities.
    pub(super) fn given(&self, now: &Group, new: &Group) -> BTreeMap<LvmUuid, String> {
        let regained = regained(now, new);
        if regained.is_empty() {
            return BTreeMap::new();
        }
        let mut by_place: Vec<(Run, LvmUuid)> = regained;
        by_place.sort();
        let mut all: BTreeMap<LvmUuid, String> = BTreeMap::new();
        for state in &self.states {
            for other in &state.volumes {
                for run in runs(state, other) {
                    for owner in owners(&by_place, run).filter(|owner| *owner != other.id) {
                        all.entry(owner).or_insert_with(|| {
                            format!(
                                "been given to other volumes since: {} had some of it after change {}",
                                other.name, state.seqno
                            )
                        });
                    }
                }
            }
        }
        if let Some(unknown) = &self.unknown {
            for (_, owner) in &by_place {
                all.entry(*owner).or_insert_with(|| {
                    format!("perhaps been given to other volumes since, which nobody can tell: {unknown}")
                });
            }
        }
        all
    }
}

/// The numbers between two that are not among these.
fn not_kept(known: &BTreeSet<u32>, old: u32, now: u32) -> Option<String> {
    let between = known.range(old.saturating_add(1)..now);
    let (mut gaps, mut next) = (Vec::new(), old.saturating_add(1));
    for seqno in between.copied().chain([now]) {
        if next < seqno {
            gaps.push((next, seqno.saturating_sub(1)));
        }
        next = seqno.saturating_add(1);
    }
    let (first, last) = *gaps.first()?;
    let more = if gaps.len() > 1 { ", and others," } else { "" };
    Some(match first == last {
        true => format!("no state after change {first}{more} is kept"),
        false => format!("no states after changes {first} to {last}{more} are kept"),
    })
}

fn runs(group: &Group, volume: &LogicalVolume) -> Vec<Run> {
    let all = volume.segments.iter().flat_map(on_devices);
    all.filter_map(|(pv, first, last)| Some((group.pvs.get(pv)?.id, first, last))).collect()
}

/// What volumes of the new state have there and do not have now, each with the identity of its volume.
fn regained(now: &Group, new: &Group) -> Vec<(Run, LvmUuid)> {
    let mut all = Vec::new();
    for volume in &new.volumes {
        let had = now.volumes.iter().find(|other| other.id == volume.id);
        let had = had.map(|had| runs(now, had)).unwrap_or_default();
        let back = runs(new, volume).into_iter().flat_map(|run| without(run, &had));
        all.extend(back.map(|run| (run, volume.id)));
    }
    all
}

/// What is left of a run without these.
fn without(run: Run, had: &[Run]) -> Vec<Run> {
    let mut left = vec![run];
    for (pv, first, last) in had {
        left = left
            .into_iter()
            .flat_map(|(own, from, to)| {
                if own != *pv || to < *first || *last < from {
                    return vec![(own, from, to)];
                }
                let before = first.checked_sub(1).filter(|end| from <= *end).map(|end| (own, from, end));
                let after = last.checked_add(1).filter(|start| *start <= to).map(|start| (own, start, to));
                before.into_iter().chain(after).collect()
            })
            .collect();
    }
    left
}

/// To whom of these extents of a run come back. They are in order, and do not overlap.
fn owners(by_place: &[(Run, LvmUuid)], (pv, first, last): Run) -> impl Iterator<Item = LvmUuid> {
    let from = by_place.partition_point(|((own, _, to), _)| (*own, *to) < (pv, first));
    let meeting =
        by_place.iter().skip(from).take_while(move |((own, from, _), _)| *own == pv && *from <= last);
    meeting.map(|(_, owner)| *owner)
}

#[cfg(test)]
mod tests {
    use superblock::lvm::Kind;

    use super::*;
    use crate::plan::volume::restore::tests::{group, id, kept};

    /// A state in which the volume of this seed has so many extents from `extent` on.
    fn with(seqno: u32, volumes: &[(u8, u64, u64)]) -> Group {
        let mut group = group(seqno, &["x"]);
        let sample = group.volumes.remove(0);
        for (seed, extent, len) in volumes {
            let mut volume = LogicalVolume { id: id(*seed), name: format!("v{seed}"), ..sample.clone() };
            volume.segments[0].len = *len;
            let Kind::Striped { legs, .. } = &mut volume.segments[0].kind else { panic!() };
            legs[0].extent = *extent;
            group.volumes.push(volume);
        }
        group
    }

    fn said(old: &Group, now: &Group, between: &[Group]) -> Vec<(LvmUuid, String)> {
        let keep = |group: &Group| KeptState { group: group.clone(), ..kept(0, &[], "x") };
        let states: Vec<KeptState> = between.iter().map(keep).collect();
        Since::new(old, now, &states).given(now, old).into_iter().collect()
    }

    #[test]
    fn who_had_extents_in_between() {
        let old = with(2, &[(20, 0, 6)]);
        let had = |text: &str| vec![(id(20), text.to_owned())];
        let by_30 = "been given to other volumes since: v30 had some of it after change 4";
        // It was removed, another one came and went.
        let steps = [with(3, &[]), with(4, &[(30, 5, 2)])];
        assert_eq!(said(&old, &with(5, &[]), &steps), had(by_30));
        // It was made smaller, and another one had its end.
        let smaller = with(5, &[(20, 0, 2)]);
        let steps = [with(3, &[(20, 0, 2)]), with(4, &[(20, 0, 2), (30, 2, 4)])];
        assert_eq!(said(&old, &smaller, &steps), had(by_30));
        // Others had what it has now all the time, or what it never had.
        let steps = [with(3, &[(20, 0, 2)]), with(4, &[(20, 0, 2), (30, 6, 4)])];
        assert_eq!(said(&old, &smaller, &steps), []);
        assert_eq!(said(&old, &with(3, &[]), &[]), []);
        // The other one is there.
        assert_eq!(said(&old, &with(4, &[(30, 0, 1)]), &[with(3, &[])]), had(by_30));
        // States before it, and of another group of the name, do not count.
        let mut other = with(4, &[(30, 0, 6)]);
        other.id = id(8);
        assert_eq!(
            said(&old, &with(5, &[]), &[with(1, &[(30, 0, 6)]), with(3, &[]), with(4, &[]), other]),
            []
        );
    }

    #[test]
    fn what_is_not_kept_may_have_been_given_away() {
        let old = with(2, &[(20, 0, 6)]);
        let unknown = |now: u32, between: &[u32]| {
            let steps: Vec<Group> = between.iter().map(|seqno| with(*seqno, &[])).collect();
            let said = said(&old, &with(now, &[]), &steps).into_iter().next();
            said.map(|(_, text)| text.rsplit(": ").next().unwrap().to_owned())
        };
        assert_eq!(unknown(5, &[3, 4]), None);
        assert_eq!(unknown(5, &[3]).unwrap(), "no state after change 4 is kept");
        assert_eq!(unknown(8, &[4, 7]).unwrap(), "no state after change 3, and others, is kept");
        assert_eq!(unknown(8, &[]).unwrap(), "no states after changes 3 to 7 are kept");
        assert!(unknown(2, &[]).unwrap().contains("lvm2 put a state back"));
        // Nothing comes back: nobody asks.
        assert_eq!(said(&old, &with(9, &[(20, 0, 6)]), &[]), []);
        // lvm2 put an older state back: what comes after it has lower numbers.
        let mut later = with(1, &[(30, 0, 1)]);
        later.written.time = 5;
        let text = said(&old, &with(3, &[]), &[later]).remove(0).1;
        assert!(text.contains("v30 had some of it after change 1"), "{text}");
    }

    #[test]
    fn what_is_left_of_a_run() {
        let run = |first, last| (id(1), first, last);
        for (had, left) in [
            (vec![], vec![run(2, 9)]),
            (vec![run(0, 1), run(10, 12), (id(2), 0, 99)], vec![run(2, 9)]),
            (vec![run(0, 3)], vec![run(4, 9)]),
            (vec![run(4, 5), run(8, 20)], vec![run(2, 3), run(6, 7)]),
            (vec![run(2, 9)], vec![]),
        ] {
            assert_eq!(without(run(2, 9), &had), left, "{had:?}");
        }
    }
}

//! A device that failed with data that only it has, and the way to have it back.

use std::ops::Range;

use superblock::Role;

use super::{Finding, Kind, NextCommand, Severity, member, running::Work, stopped};
use crate::{
    model::{
        DevId, Geometry, human,
        status::{MemberRole, MemberStatus},
        trial::{Grounds, Hypothesis, Seat},
    },
    plan::{
        assemble::{Claim, Lineup},
        only_copy::{OnlyCopy, WayBack, failed_in_resync, failed_in_some_resync, left_behind},
        trial::words_for_create,
    },
};

impl Work<'_> {
    /// What only this device has: it failed before a resync that took data from it was finished.
    pub(super) fn only_copy(&self, id: Option<DevId>) -> Option<OnlyCopy> {
        let claim = self.claims.iter().find(|claim| Some(claim.id) == id)?;
        let role = self.inside(claim).map(|member| self.array.role_of(member));
        if !matches!(role, None | Some(MemberRole::Faulty)) || claim.damage.is_some() {
            return None;
        }
        let device = member::kernel_name(self.scene, claim);
        let in_resync = failed_in_resync(self.scene.log, &self.array.kernel_name, &device);
        let serves = |slot| {
            let of_slot = |member: &&MemberStatus| member.slot == Some(slot);
            let member = self.array.members.iter().find(of_slot);
            member.is_some_and(|member| self.array.role_of(member) == MemberRole::Active)
        };
        left_behind(&claim.metadata, in_resync, serves)
    }

    pub(super) fn has_only_copy(&self, path: &str, only: OnlyCopy) -> Finding {
        let array = self.array.shown();
        let from = if only.from.0 == 0 {
            "what was not resynced yet".to_owned()
        } else {
            format!("what lies behind {}", human::size(only.from.bytes().0))
        };
        let only_there = format!(
            "{path}: failed before a resync from it was finished: {from} is only on it, and what {array} shows there is wrong"
        );
        let needed = format!(
            "{path}: failed before a resync was finished: {from} cannot be made from the others, and what {array} shows there is wrong"
        );
        let (text, way) = match only.way {
            WayBack::Alone => (
                only_there,
                format!(
                    "then `mdctl assemble --run {array} {path}` starts it with {path} alone. Where its data is right, \
                     each other member needs `mdctl zero-superblock` and `mdctl manage {array} --add` before it is started again: \
                     with what they say now the next start takes one of them"
                ),
            ),
            WayBack::WithoutMirrors { first, copies } => (
                only_there,
                format!(
                    "then `mdctl assemble --force {array} {path} {}` starts it with {path} and without its mirrors",
                    in_other_slots(self.claims, first..first.saturating_add(copies)).join(" ")
                ),
            ),
            WayBack::WithAll => (
                needed,
                match self.made_again(&array) {
                    Some(create) => format!(
                        "then `{create}` takes all members as they are, `mdctl --misc --action=repair {array}` makes the redundancy right, and what was written to it since {path} failed is to be looked at"
                    ),
                    None => "then all members have to be here".to_owned(),
                },
            ),
        };
        Finding::new(Kind::OnlyCopy, Severity::Blocks, text)
            .of(path)
            .also(self.log(&[path.rsplit('/').next().unwrap_or_default()]))
            .needs(format!("{path} as it is: do not erase it, and do not add it again"))
            .try_next(NextCommand::new(
                ["mdctl", "stop", &array],
                format!("stops it and changes nothing on its devices; {way}"),
            ))
    }

    /// The command that takes every member in its slot as it is, for no assembly does: those that are up to date are enough to
    /// start the array, with what cannot be made from them.
    fn made_again(&self, array: &str) -> Option<String> {
        let claim = self.fresh.or(self.claims.first())?;
        let (model, metadata) = (&claim.facts, &claim.metadata);
        if model.reshape_position.is_some() || metadata.wants_journal() || metadata.has_ppl() {
            return None;
        }
        let in_slot = |slot: u32| {
            let is_it = |claim: &Claim| claim.facts.role == Role::Slot { slot, replacement: false };
            let device = self.claims.iter().position(is_it)?;
            // Of two that say so nobody knows which one it is.
            if self.claims.iter().filter(|claim| is_it(claim)).count() > 1 {
                return None;
            }
            let claim = self.claims.get(device).filter(|claim| claim.damage.is_none())?;
            let facts = &claim.facts;
            Some(Some(Seat { device, data_offset: facts.data_offset, room: facts.data_size }))
        };
        let guess = Hypothesis {
            grounds: Grounds::Superblocks,
            differs: Vec::new(),
            format: metadata.format(),
            geometry: Geometry {
                level: model.level,
                layout: model.layout,
                chunk: model.chunk,
                raid_disks: model.raid_disks,
                component_size: model.component_size,
            },
            seats: (0..model.raid_disks).map(in_slot).collect::<Option<_>>()?,
            array: Some(model.array),
            name: model.name.clone(),
            bitmap: false,
        };
        let paths: Vec<&str> = self.claims.iter().map(|claim| claim.path.as_str()).collect();
        Some(words_for_create(&guess, &paths, array).join(" "))
    }
}

/// Of an array that does not run.
impl stopped::Work<'_> {
    /// What only this device has, of one that the array would be started without.
    pub(super) fn only_copy(&self, claim: &Claim) -> Option<OnlyCopy> {
        let present = self.lineup.as_ref().map(Lineup::present).unwrap_or_default();
        let serves = |slot| usize::try_from(slot).is_ok_and(|slot: usize| present.get(slot) == Some(&true));
        let device = member::kernel_name(self.scene, claim);
        left_behind(&claim.metadata, failed_in_some_resync(self.scene.log, &device), serves)
            .filter(|_| claim.damage.is_none())
    }

    pub(super) fn has_only_copy(&self, claim: &Claim, only: OnlyCopy) -> Finding {
        let path = &claim.path;
        let text = match only.way {
            WayBack::Alone | WayBack::WithoutMirrors { .. } => format!(
                "{path}: failed before a resync from it was finished: what was not resynced yet is only on it, and is wrong where the array starts without it"
            ),
            WayBack::WithAll => format!(
                "{path}: failed before a resync was finished: what was not resynced yet cannot be made from the others, and is wrong where the array starts without it"
            ),
        };
        let finding = Finding::new(Kind::OnlyCopy, Severity::Blocks, text)
            .of(path)
            .needs(format!("{path} as it is: do not erase it, and do not add it again"));
        match (only.way, self.path.as_deref()) {
            (WayBack::WithAll, _) => {
                finding.because("once the array runs, explain says how all members are taken as they are")
            }
            (_, None) => finding,
            (WayBack::Alone, Some(array)) => finding.try_next(NextCommand::new(
                ["mdctl", "assemble", "--readonly", "--run", array, path],
                format!("starts it with {path} alone, and changes nothing: look whether its data is right"),
            )),
            (WayBack::WithoutMirrors { first, copies }, Some(array)) => {
                let mut command = NextCommand::new(
                    ["mdctl", "assemble", "--readonly", "--force", array, path],
                    format!("starts it with {path} and without its mirrors: look whether its data is right"),
                );
                command.words.extend(in_other_slots(self.claims, first..first.saturating_add(copies)));
                finding.try_next(command)
            }
        }
    }
}

/// The members in other slots than these.
fn in_other_slots(claims: &[Claim], slots: Range<u32>) -> Vec<String> {
    let outside = |claim: &&Claim| {
        claim.damage.is_none() && claim.slot().is_some_and(|(slot, _)| !slots.contains(&slot))
    };
    claims.iter().filter(outside).map(|claim| claim.path.clone()).collect()
}

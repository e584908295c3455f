//! What a user's word means: an array in the kernel, one that is only on devices, or a device.

use std::collections::BTreeSet;

use superblock::MdUuid;

use super::ExplainScene;
use crate::{model::DevId, plan::assemble::session::is_line_for};

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An array.
    Array {
        /// Its index among those in the kernel.
        running: Option<usize>,
        /// Its identity.
        uuid: Option<MdUuid>,
    },
    /// A device.
    Device(String),
}

/// What a word was found to mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundWord {
    /// These; more than one where several arrays have the name.
    Subjects(Vec<Subject>),
    /// Nothing that is known.
    Nothing,
}

impl ExplainScene<'_> {
    /// Understands a word; `id` is the device number, where it is a path to a block device.
    #[must_use]
    pub fn understand(&self, word: &str, id: Option<DevId>) -> FoundWord {
        if let Some(index) = self.arrays.iter().position(|array| array.is_called(word, id)) {
            let uuid = self.arrays.get(index).and_then(|array| self.uuid_of(array));
            return FoundWord::Subjects(vec![Subject::Array { running: Some(index), uuid }]);
        }
        let path = word.starts_with("/dev/") || word.contains('/');
        if id.is_some() && path {
            return FoundWord::Subjects(vec![Subject::Device(word.to_owned())]);
        }
        let uuids = self.named(word);
        if uuids.is_empty() {
            return FoundWord::Nothing;
        }
        let subject = |uuid| Subject::Array { running: self.running(uuid), uuid: Some(uuid) };
        FoundWord::Subjects(uuids.into_iter().map(subject).collect())
    }

    /// Everything that is not as it should be: arrays in the kernel that are not complete, arrays on devices that do
    /// not run.
    #[must_use]
    pub fn troubles(&self) -> Vec<Subject> {
        let arrays = (0..self.arrays.len()).map(|index| Subject::Array {
            running: Some(index),
            uuid: self.arrays.get(index).and_then(|array| self.uuid_of(array)),
        });
        let others = self.not_running().into_iter();
        arrays.chain(others.map(|uuid| Subject::Array { running: None, uuid: Some(uuid) })).collect()
    }

    /// Arrays that are on devices, and not in the kernel, in the order of their first device.
    #[must_use]
    pub fn not_running(&self) -> Vec<MdUuid> {
        let mut seen = BTreeSet::new();
        let uuids = self.claims().map(|claim| claim.facts.array);
        uuids.filter(|uuid| self.running(*uuid).is_none() && seen.insert(*uuid)).collect()
    }

    /// The array in the kernel with this UUID.
    fn running(&self, uuid: MdUuid) -> Option<usize> {
        self.arrays.iter().position(|array| self.uuid_of(array) == Some(uuid))
    }

    /// The arrays on devices that have this UUID or name, or the path that an ARRAY line gives.
    fn named(&self, word: &str) -> BTreeSet<MdUuid> {
        let known = |uuid: &MdUuid| self.claims().any(|claim| claim.facts.array == *uuid);
        if let Ok(uuid) = word.parse() {
            return [uuid].into_iter().filter(known).collect();
        }
        let lines = self.session.config.arrays.iter().filter(|line| is_line_for(line, word));
        let listed: BTreeSet<MdUuid> = lines.filter_map(|line| line.uuid).filter(known).collect();
        if !listed.is_empty() {
            return listed;
        }
        let bare = word.strip_prefix("/dev/md/").unwrap_or(word);
        let bare = bare.strip_prefix("/dev/md").unwrap_or(bare);
        let fits =
            |stored: &str| stored == bare || stored.split_once(':').is_some_and(|(_, name)| name == bare);
        self.claims().filter(|claim| fits(&claim.name())).map(|claim| claim.facts.array).collect()
    }
}

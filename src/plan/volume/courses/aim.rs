//! What a move is about to do, and with which volume: by its identity, for its name may be another one by the next look.

use superblock::lvm::{Group, LvmUuid};

use crate::plan::{
    Refusal,
    volume::{
        failing,
        mover::{self, Stand, Underway},
        shift::GroupScene,
    },
};

/// A volume that is to be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// Its name, as it was seen last.
    pub(super) name: String,
    /// What it is known by.
    pub(super) id: LvmUuid,
}

impl Subject {
    fn current(self, group: &Group) -> Self {
        let now = group.volumes.iter().find(|volume| volume.id == self.id);
        Self { name: now.map_or(self.name, |volume| volume.name.clone()), id: self.id }
    }
}

/// What the next look, and the change that follows it, are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// What is there?
    First,
    /// The next of the queue.
    Next,
    /// A volume that is not active becomes it, for the copy alone.
    Wake(Subject),
    /// Begins.
    Begin(Subject, bool),
    /// It was begun: what the metadata says of it.
    Begun(Subject),
    /// How far is it?
    Watch(Underway),
    /// Nothing copies: is somebody changing the group?
    Settle(Underway),
    /// The copy begins again.
    Resume(Underway),
    /// All is copied.
    Finish(Underway),
    /// A device of it fails: what is held is let go before this.
    LetGo(Underway, Box<For>),
    /// Everything stays where it was.
    Abort(Underway),
    /// It does not fit any more.
    Abandon(Underway, &'static str),
    /// Somebody else is to end it.
    Follow(Underway, u64),
    /// What was active for its move alone is not active any more.
    Sleep(Subject),
}

impl For {
    /// The same with the names of now.
    pub(super) fn current(self, group: &Group) -> Self {
        let now = |move_| mover::current(group, move_);
        match self {
            Self::Watch(move_) => Self::Watch(now(move_)),
            Self::Settle(move_) => Self::Settle(now(move_)),
            Self::Resume(move_) => Self::Resume(now(move_)),
            Self::Finish(move_) => Self::Finish(now(move_)),
            Self::LetGo(move_, then) => Self::LetGo(now(move_), Box::new(then.current(group))),
            Self::Abort(move_) => Self::Abort(now(move_)),
            Self::Abandon(move_, why) => Self::Abandon(now(move_), why),
            Self::Follow(move_, percent) => Self::Follow(now(move_), percent),
            Self::Wake(volume) => Self::Wake(volume.current(group)),
            Self::Begin(volume, asleep) => Self::Begin(volume.current(group), asleep),
            Self::Begun(volume) => Self::Begun(volume.current(group)),
            Self::Sleep(volume) => Self::Sleep(volume.current(group)),
            Self::First | Self::Next => self,
        }
    }
}

/// What is still to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Goes on with what was begun.
    End(Underway),
    /// Moves a volume.
    Begin(Subject),
    /// Gives it up.
    Abort(Underway),
}

/// So often it is looked again where a device is not to be seen, which may be suspended for a moment.
pub(super) const MOST_BLIND: u32 = 30;

/// How far a move is.
pub(super) enum Far {
    Over,
    Interrupted,
    Unfit,
    Lost(&'static str),
    /// One of its devices fails: which, in words.
    Fails(String),
    /// A device of the group is not to be seen; the kernel copies.
    Blind,
    /// The regions that are copied, and all of them.
    Copied(u64, u64),
}

impl Far {
    pub(super) fn of(scene: &GroupScene<'_>, move_: &Underway) -> Self {
        match mover::stand(scene, move_) {
            Stand::Copies(device) => match failing::failing(scene, move_) {
                Some(which) => Self::Fails(which),
                None => {
                    let (done, all) = mover::progress(device.status.iter()).unwrap_or_default();
                    Self::Copied(done, all)
                }
            },
            Stand::Over => Self::Over,
            Stand::Interrupted => Self::Interrupted,
            Stand::Unfit => Self::Unfit,
            Stand::Lost(_) if scene.found.devices.iter().any(Option::is_none) => {
                failing::failing(scene, move_).map_or(Self::Blind, Self::Fails)
            }
            Stand::Lost(why) => Self::Lost(why),
        }
    }
}

/// Where it is none.
pub(super) fn no_device(path: &str, group: &str) -> Refusal {
    Refusal::new(format!("{path} is not a device of group {group}"))
}

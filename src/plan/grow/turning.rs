//! A reshape that is to be turned round: nobody goes on with it, what is set aside is written, and there is a store for the way
//! back. Then it can be stopped, and assembled the other way.

use raid::Reshape;
use superblock::{Level, Native};

use super::{
    Act,
    going::{Going, PULSE, Stage, Until, follow, has_store, lock},
    shape, store,
};
use crate::{
    model::{
        Geometry,
        detail::MetadataVersion,
        grow::{Growing, GrowingMember, ReshapeNote, WindowSight},
    },
    plan::{
        ArrayName, MdStep, Plan, Refusal, Step, SystemStep,
        course::{Cause, Look, Then, Turn, Wait},
    },
    words::{ArrayAttr, MemberState},
};

impl Going {
    /// One that goes on later, the other way or the same.
    pub(super) fn seen_for_now(&mut self, array: Box<Growing>) -> Turn {
        let kernel = array.managed.detail.kernel_name.clone();
        let array_name = ArrayName { kernel, path: self.path.clone() };
        let step = match self.until {
            Until::InTheBackground if array.note.is_some() => follow(&array_name),
            // Whoever led it to a place has let it go no farther.
            Until::InTheBackground => Step::Md(MdStep::SetAttr {
                array: array_name.clone(),
                attr: ArrayAttr::SyncMax,
                value: "max".to_owned(),
                optional: true,
            }),
            Until::ItStands => return self.look_for_the_place(array),
            _ if array.reshape_at.is_none() => {
                let text = format!("{} is not being reshaped: there is nothing to turn round", self.path);
                return Turn::refuse(Refusal::new(text));
            }
            _ if array.before.is_some_and(|before| is_unsayable(&array, &before)) => {
                let text = format!(
                    "{}: its metadata, 0.90, has no words for a reshape of as many devices that goes back",
                    self.path
                );
                let hint = format!("`mdctl wait {}`, and change it back then", self.path);
                return Turn::refuse(Refusal::new(text).hint(hint));
            }
            _ if self.members.is_empty() => {
                let known =
                    |member: &GrowingMember| member.path.clone().filter(|_| !member.is(&MemberState::Faulty));
                self.members = array.members.iter().filter_map(known).collect();
                Step::System(SystemStep::EndFollow { lock: lock(&array_name) })
            }
            _ if has_store(&array) => return self.look_closely(array),
            _ => {
                return match self.store_for_the_way_back(&array) {
                    Ok(None) => Turn::end(0),
                    Ok(Some(act)) => {
                        self.stage = Stage::Alone;
                        Turn::carry_out(act.plan)
                    }
                    Err(refusal) => Turn::refuse(refusal),
                };
            }
        };
        let (steps, summary) = (
            vec![Step::Commit, step],
            match self.until {
                Until::InTheBackground => format!("have the reshape of {} go on", self.path),
                _ => format!("let nobody go on with the reshape of {}", self.path),
            },
        );
        self.stage = Stage::Alone;
        Turn::carry_out(Plan { summary, steps, warnings: Vec::new() })
    }

    /// Data that is written where it was read needs a store in the beginning, also on the way back. What was made for the way there may
    /// be gone.
    fn store_for_the_way_back(&self, array: &Growing) -> Result<Option<Act>, Refusal> {
        let lies =
            |member: &GrowingMember| member.superblock.as_ref().is_some_and(Native::is_laid_where_it_lies);
        let reshape = array.before.map(|before| Reshape { before, after: array.geometry() });
        let parity = |reshape: &Reshape| reshape.before.level != Level::Raid10;
        let reshape = reshape.filter(|reshape| array.members.iter().any(lies) && parity(reshape));
        let (Some(reshape), Some(path), (file, now)) = (reshape, array.note_file(), &self.store) else {
            return Ok(None);
        };
        let window = store::window(&self.path, file.is_some(), array, &reshape)?;
        let note = array
            .note
            .clone()
            .unwrap_or_else(|| ReshapeNote::new(*now, &reshape.after, Vec::new(), false))
            .with_window(Some(window.clone()));
        let mut act = Act::new(format!("make ready to set aside what {} has", self.path));
        store::make(&self.path, *now, array, &window, &mut act);
        let note = SystemStep::WriteFile { path, text: note.text(), mode: shape::MODE };
        act.then([Step::System(note), Step::Commit], "");
        Ok(Some(act))
    }

    /// Of what is on the members only that counts.
    pub(super) fn look_for_the_place(&mut self, array: Box<Growing>) -> Turn {
        self.stage = Stage::Window(array);
        Turn::look(Look::Window { array: self.path.clone(), store: String::new(), at: 0 })
    }

    pub(super) fn stands(&mut self, array: Box<Growing>, sight: &WindowSight) -> Turn {
        let reshape = array.before.map(|before| Reshape { before, after: array.geometry() });
        let (Some(at), Some(unit)) = (sight.position, reshape.and_then(|reshape| reshape.window_unit()))
        else {
            return Turn::refuse(Refusal::new(format!("the reshape of {} is over", self.path)));
        };
        if at.0.checked_rem(unit.0) == Some(0) {
            return Turn::end(0);
        }
        let attr = |attr| Cause::Attribute { array: sight.kernel.clone(), attr };
        let on = vec![attr(ArrayAttr::SyncCompleted), attr(ArrayAttr::SyncAction)];
        self.stage = Stage::Window(array);
        Then::Wait(Wait { on, most: PULSE, bar: None }).into()
    }
}

/// Which way a reshape goes follows from the number of devices in 0.90.
fn is_unsayable(array: &Growing, before: &Geometry) -> bool {
    let old = matches!(array.managed.detail.metadata, MetadataVersion::Native(0, _));
    old && before.raid_disks == array.geometry().raid_disks
}

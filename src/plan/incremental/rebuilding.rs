//! The map is made again from what the kernel has: by the superblocks of the members, and by names that the map knew.

use crate::{
    model::{RunningArray, world::MapEntry},
    plan::{
        ArrayName, Plan, Step, SystemStep,
        assemble::{CandidatePath, Claim, Session},
        course::{Course, Deed, Event, Look, Said, Turn, Unseen, UsedBy},
    },
};

use super::names;

/// The map.
pub struct Rebuilding<'a> {
    session: Session<'a>,
    stage: Stage,
    say: Vec<Said>,
}

#[derive(Clone, Copy)]
enum Stage {
    World,
    Members,
    Acting,
}

impl Course for Rebuilding<'_> {
    fn next(&mut self, event: Event) -> Turn {
        let turn = self.turn(event).unwrap_or_else(Turn::refuse);
        turn.after(std::mem::take(&mut self.say))
    }
}

impl<'a> Rebuilding<'a> {
    /// Begins; the session has looked at nothing yet.
    #[must_use]
    pub fn new(session: Session<'a>) -> Self {
        Self { session, stage: Stage::World, say: Vec::new() }
    }

    fn turn(&mut self, event: Event) -> Result<Turn, Unseen> {
        Ok(match (self.stage, event) {
            (Stage::World, Event::Begin) => Turn::look(Look::World { fresh: 0 }),
            (Stage::World, Event::Seen(view)) => {
                self.session.world = *view.world()?;
                let native = self.session.world.arrays.iter().filter(|array| is_native(array));
                let paths = native.flat_map(|array| &array.names).map(|name| super::node(name)).collect();
                self.stage = Stage::Members;
                Turn::look(Look::Members { paths, used_by: UsedBy::Unasked })
            }
            (Stage::Members, Event::Seen(view)) => {
                let asked = self.session.asked;
                let found = view.members()?;
                self.session.candidates =
                    found.iter().map(|sight| CandidatePath::new(sight, asked)).collect();
                self.stage = Stage::Acting;
                Turn::carry_out(self.plan())
            }
            (Stage::Acting, Event::Done(deeds)) => {
                let mut status = 0;
                for deed in deeds {
                    if let Deed::Failed(failure) = deed {
                        let (said, ended) = Said::ended(&failure, "the map is not made again");
                        self.say.extend(said);
                        status |= ended;
                    }
                }
                Turn::end(status)
            }
            (_, Event::Unseen(unseen)) => return Err(unseen),
            (_, event) => {
                return Err(Unseen { text: format!("an answer to no question: {event:?}"), errno: None });
            }
        })
    }

    fn plan(&mut self) -> Plan {
        let before = std::mem::take(&mut self.session.world.map);
        let arrays = self.session.world.arrays.clone();
        // Lines of arrays that are there and whose members say nothing stay.
        let (kept, gone): (Vec<MapEntry>, Vec<MapEntry>) = before.iter().cloned().partition(|entry| {
            let of = arrays.iter().find(|array| array.name == entry.devnm);
            of.is_some_and(|array| self.claim(array).is_none())
        });
        self.session.world.map = kept;
        let mut entries = Vec::new();
        for array in &arrays {
            let Some(claim) = self.claim(array).cloned() else { continue };
            let known = before.iter().find(|entry| entry.devnm == array.name);
            let entry = self.entry(array, &claim, known);
            self.session.world.map.push(entry.clone());
            entries.push(entry);
        }
        let mut steps = vec![Step::System(SystemStep::LockMap)];
        steps.extend(gone.into_iter().map(|entry| Step::System(SystemStep::MapRemove { entry })));
        steps.extend(entries.iter().cloned().map(|entry| Step::System(SystemStep::MapAdd { entry })));
        steps.extend([Step::Commit, Step::System(SystemStep::UnlockMap)]);
        steps.extend(entries.into_iter().map(|entry| {
            let array = ArrayName { kernel: entry.devnm, path: entry.path };
            Step::System(SystemStep::Uevent { array })
        }));
        Plan { summary: "make the map again".to_owned(), steps, warnings: Vec::new() }
    }

    /// What a member of the array says.
    fn claim(&self, array: &RunningArray) -> Option<&Claim> {
        let claims = self.session.candidates.iter().filter_map(|known| known.of(self.session.asked).ok());
        claims.into_iter().find(|claim| array.members.contains(&claim.id) && claim.damage.is_none())
    }

    fn entry(&self, array: &RunningArray, claim: &Claim, known: Option<&MapEntry>) -> MapEntry {
        let uuid = claim.facts.array;
        let known = known.filter(|entry| entry.uuid == uuid && !entry.path.is_empty());
        let path = known.map(|entry| entry.path.clone());
        let path = path.unwrap_or_else(|| names::path(&self.session, array, claim));
        let metadata = claim.metadata.format().name().to_owned();
        MapEntry { devnm: array.name.clone(), metadata, uuid, path }
    }
}

fn is_native(array: &RunningArray) -> bool {
    !array.metadata.starts_with("external:")
}

//! Guesses assembled for real, each on its own overlays.

use std::time::Duration;

use anyhow::{Result, anyhow};

use super::{Work, overlay};
use crate::{
    cli::request::Common,
    command::keep::{self, Kept},
    inventory,
    kernel::{host, notes::Notes, program},
    model::{
        trial::{Hypothesis, Scored, rank_tried},
        unfinished::Note,
    },
    plan::{ArrayName, overlay::NewSet, trial},
    report::trial::{KeptGuess as Up, TrialAssembled},
};

/// How long a tool may look at a file system.
const TOOL_LIMIT: Duration = Duration::from_secs(300);

impl Work<'_> {
    /// Tries the best, and ranks them again by what came of it.
    pub(super) fn assemble(&self, ranked: &mut [(Scored, Option<TrialAssembled>)]) -> Result<()> {
        let count = self.request.assemble.min(ranked.len());
        for (nth, (scored, assembled)) in ranked.iter_mut().take(count).enumerate() {
            let set = format!("trial{}_{}", std::process::id(), nth + 1);
            *assembled = Some(self.one(&set, scored)?);
        }
        rank_tried(ranked, |assembled| assembled.as_ref().and_then(TrialAssembled::verdict));
        Ok(())
    }

    /// Starts it, looks, and takes everything away again.
    fn one(&self, set: &str, scored: &Scored) -> Result<TrialAssembled> {
        // Held until all is taken away: whoever finds it without its writer does that.
        let _notes = self.note(set)?;
        let array = match self.start(set, &scored.hypothesis) {
            Ok(array) => array,
            Err(error) => {
                let no_room = self.had_no_room(set);
                self.take_away(set)?;
                return Ok(TrialAssembled {
                    error: Some(format!("{error:#}")),
                    no_room,
                    ..TrialAssembled::default()
                });
            }
        };
        let looked = look(scored, &format!("/dev/{}", array.kernel));
        let down = keep::run(&self.unkept(&trial::take_down(&array)), self.machine, self.ui);
        self.take_away(set)?;
        down?;
        Ok(looked.unwrap_or_else(|error| TrialAssembled {
            tool: Some(error.to_string()),
            ..TrialAssembled::default()
        }))
    }

    /// Whether the overlays could not be made or are full: that says nothing of the guess.
    fn had_no_room(&self, set: &str) -> bool {
        let all = inventory::overlays(self.machine, self.request.store.as_deref()).unwrap_or_default();
        let mut own = all.iter().filter(|overlay| overlay.set == set).peekable();
        own.peek().is_none() || own.any(|overlay| overlay.lost().is_some())
    }

    /// Starts one that stays up.
    pub(super) fn keep(&self, number: usize, guess: &Hypothesis) -> Result<Up> {
        let set = format!("trial{}", std::process::id());
        let notes = self.note(&set)?;
        let started = self.start(&set, guess);
        let array = match started {
            Ok(array) => array,
            Err(error) => {
                self.take_away(&set)?;
                return Err(error);
            }
        };
        keep::run(&self.unkept(&trial::leave_up(&array)), self.machine, self.ui)?;
        drop(notes);
        Ok(Up { number, set, array: format!("/dev/{}", array.kernel) })
    }

    fn note(&self, set: &str) -> Result<Notes> {
        let mut notes = Notes::begin(&self.machine.places.unfinished())?;
        let begun = Note::Begun { command: self.common.words.join(" "), time: host::now().0 };
        notes.add(&begun.to_string())?;
        let store = overlay::new_set(self.machine, Some(set), self.request.store.as_deref(), None).store;
        notes.add(&Note::Overlays { set: set.to_owned(), store }.to_string())?;
        Ok(notes)
    }

    fn take_away(&self, set: &str) -> Result<()> {
        overlay::take_away(set, self.request.store.as_deref(), self.common, self.machine, self.ui)
    }

    /// What is written to overlays is not worth keeping.
    fn unkept(&self, plan: &crate::plan::Plan) -> Kept {
        let common = Common { no_archive: true, ..self.common.clone() };
        Kept::new(plan, self.machine, &common)
    }

    fn start(&self, set: &str, guess: &Hypothesis) -> Result<ArrayName> {
        let store = self.request.store.as_deref();
        let new: NewSet = overlay::new_set(self.machine, Some(set), store, self.request.store_size);
        let all: Vec<String> = self.devices.iter().map(|device| device.path.clone()).collect();
        let used: Vec<String> =
            guess.seats.iter().flatten().filter_map(|seat| all.get(seat.device).cloned()).collect();
        let made = match overlay::make(self.machine, &new, &used) {
            Ok(plan) => plan,
            Err(no_plan) => return Err(anyhow!(no_plan?.text)),
        };
        keep::run(&self.unkept(&made), self.machine, self.ui)?;
        let paths = overlay::paths(&new, self.machine, &all);
        let (plan, context) =
            self.plan(guess, &paths, "/dev/md/trial", true)?.map_err(|refusal| anyhow!(refusal.text))?;
        keep::run(&self.unkept(&trial::unseen(&plan)), self.machine, self.ui)?;
        Ok(context.array)
    }
}

/// Has the file system's own tool look at it, without a write.
fn look(scored: &Scored, device: &str) -> Result<TrialAssembled> {
    let kind = scored.evidence.contents.first().map(|content| content.kind.as_str());
    let (tool, args): (&str, &[&str]) = match kind {
        Some("ext2" | "ext3" | "ext4") => ("e2fsck", &["-f", "-n"]),
        Some("xfs") => ("xfs_repair", &["-n"]),
        Some("btrfs") => ("btrfs", &["check", "--readonly"]),
        _ => return Ok(TrialAssembled::default()),
    };
    let args: Vec<&str> = args.iter().copied().chain([device]).collect();
    if !program::is_there(tool) {
        return Ok(TrialAssembled::default());
    }
    let status = program::run_for(tool, &args, TOOL_LIMIT)?.status;
    Ok(TrialAssembled { tool: Some(tool.to_owned()), status, ..TrialAssembled::default() })
}

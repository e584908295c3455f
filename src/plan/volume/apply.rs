//! Putting a stream of a snapshot's changes on a copy, as a course. The target is kept from others from before it is looked at
//! until the end: just what was compared is overwritten.

use superblock::Bytes;

use super::siblings;
use crate::{
    model::{
        delta::{Begun, Compared, DeltaHead, KeptBy},
        human,
    },
    plan::{
        DiskStep, Plan, Refusal, Step,
        course::{Course, Deed, Event, Hold, Look, Said, Then, Turn, View},
    },
};

/// So often it is looked again, because somebody else changed the stream.
const MOST_AGAIN: u32 = 3;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamCame {
    /// The target has all of it already.
    AllThere,
    /// It is what the stream is for; nothing was written.
    Fits,
    /// It is now what the stream leads to.
    Applied,
}

/// The course.
#[derive(Debug)]
pub struct Apply {
    stream: String,
    target: String,
    head: Option<DeltaHead>,
    compared: Compared,
    came: Option<StreamCame>,
    again: u32,
}

impl Apply {
    /// A stream's file, and a device or an image.
    #[must_use]
    pub fn new(stream: &str, target: &str) -> Self {
        let (stream, target) = (stream.to_owned(), target.to_owned());
        Self { stream, target, head: None, compared: Compared::default(), came: None, again: 0 }
    }

    /// What came of it, and the records of the stream with the bytes of their data; `None`: why not was said.
    #[must_use]
    pub fn came(&self) -> Option<(StreamCame, (u64, Bytes))> {
        Some((self.came?, (self.compared.records, self.compared.bytes)))
    }

    fn look(&self) -> Turn {
        let (stream, target) = (self.stream.clone(), self.target.clone());
        Turn::look(Look::DeltaHead { stream, target })
    }

    fn head_seen(&mut self, head: DeltaHead) -> Turn {
        if let Some(why) = unfit(&head) {
            return Turn::refuse(Refusal::new(format!("{}: {why}; nothing was written", self.target)));
        }
        self.head = Some(head);
        let (stream, target) = (self.stream.clone(), self.target.clone());
        Turn::look(Look::DeltaFit { stream, target })
    }

    fn fit_seen(&mut self, compared: Compared) -> Turn {
        self.compared = compared;
        let Some(head) = &self.head else { return self.look() };
        if let Some(at) = compared.wrong {
            let is = if head.header.reverse { "a copy of the volume" } else { "a copy of the snapshot" };
            return Turn::refuse(Refusal::new(format!(
                "{} is not {is} that {} was made from: it has something else at sector {}; nothing was written",
                self.target, self.stream, at.0
            )));
        }
        if compared.done {
            self.came = Some(StreamCame::AllThere);
            return Turn::end(0);
        }
        match head.volume.clone() {
            Some((group, volume)) => Turn::look(Look::KeptBy { group, volume }),
            None => self.put(),
        }
    }

    /// Where the target is a volume that has snapshots, each of them keeps what is overwritten.
    fn kept_by(&self, kept: Option<&KeptBy>) -> Turn {
        let written = siblings::anywhere(self.compared.bytes, self.compared.records);
        let room = kept.map_or(Ok(()), |kept| {
            siblings::have_room(&kept.group, &kept.volume, None, &written, &kept.stores)
        });
        match room {
            Ok(()) => self.put(),
            Err(refusal) => Turn::refuse(refusal),
        }
    }

    fn put(&self) -> Turn {
        let Some(head) = &self.head else { return self.look() };
        let (stream, target) = (self.stream.clone(), self.target.clone());
        let summary = format!("put {stream} on {target}");
        let (header, bytes) = (Box::new(head.header.clone()), self.compared.bytes);
        let begun = Begun::new(self.compared.digest, &head.identity);
        let put = DiskStep::PutStream { stream, target, header, bytes, begun };
        let steps = vec![Step::Commit, Step::Disk(put)];
        Turn::carry_out(Plan { summary, steps, warnings: Vec::new() })
    }

    fn ended(&mut self, deed: Option<Deed>) -> Turn {
        match deed {
            Some(Deed::Done) => {
                self.came = Some(StreamCame::Applied);
                Turn::end(0)
            }
            Some(Deed::Shown) => {
                self.came = Some(StreamCame::Fits);
                Turn::end(0)
            }
            // Then nothing was written.
            Some(Deed::Failed(failure)) if failure.stale && self.again < MOST_AGAIN => {
                self.again += 1;
                self.look()
            }
            Some(Deed::Failed(failure)) => {
                let why = format!("{:#}; the same command goes on where this one stopped", failure.cause);
                Turn::end(1).after(vec![Said::error(format!("{}: {why}", self.target))])
            }
            None => Turn::refuse(Refusal::new("nothing was carried out")),
        }
    }
}

impl Course for Apply {
    fn next(&mut self, event: Event) -> Turn {
        match event {
            Event::Begin | Event::Woke(_) | Event::Answered(_) => {
                Then::Hold(Hold::Device { path: self.target.clone() }).into()
            }
            Event::Unseen(unseen) => Turn::refuse(unseen),
            Event::Seen(View::DeltaHead(head)) => self.head_seen(*head),
            Event::Seen(View::DeltaFit(compared)) => self.fit_seen(compared),
            Event::Seen(view) => match view.kept_by() {
                Ok(kept) => self.kept_by(kept.as_deref()),
                Err(unseen) => Turn::refuse(unseen),
            },
            // The first of all is the hold.
            Event::Done(deeds) if self.head.is_none() => match deeds.into_iter().next() {
                Some(Deed::Failed(failure)) => Turn::refuse(Refusal::new(format!("{:#}", failure.cause))),
                Some(Deed::Done | Deed::Shown) | None => self.look(),
            },
            Event::Done(deeds) => self.ended(deeds.into_iter().next()),
        }
    }
}

/// Why a device is not what a stream is for, as far as can be told without reading it.
fn unfit(head: &DeltaHead) -> Option<String> {
    let DeltaHead { header, size, volume, .. } = head;
    if *size < header.size.bytes() {
        let (has, wants) = (human::size(size.0), human::size(header.size.bytes().0));
        return Some(format!("it has {has}, and the volume of the stream {wants}"));
    }
    let (group, volume) = volume.as_ref()?;
    let is = |id: &[u8; 32]| volume.as_bytes() == id && group.as_bytes() == header.group;
    if is(&header.volume) && !header.reverse {
        return Some("it is the volume itself, which has all this already".to_owned());
    }
    is(&header.snapshot).then(|| "it is the snapshot itself".to_owned())
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;

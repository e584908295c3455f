//! Creating an array: from words and devices to the bytes of every member and the steps that make it run.

mod build;
mod check;
mod content;
mod making;
mod size;
pub mod slots;
mod v0;
mod v1;

use superblock::{Level, v1::Minor};

pub(super) use self::build::{unchanged, wipes};
use self::slots::{ListedWords, SlotWish};
use super::{ArrayName, MdStep, Plan, Refusal, Step, Warning, naming};
pub use making::{MakeJob, Making};

pub use crate::model::trial::Format;
use crate::{
    config::Config,
    model::{DevId, Device, World},
    request::{BitmapKind, ConsistencyPolicy, CreateRequest, MemberSource, MemberWord, Metadata},
    words::ArrayAttr,
};

/// Most devices that an array of this format has.
fn max_devices(format: Format) -> u32 {
    match format {
        Format::V0 => 27,
        Format::V1(_) => 1920,
    }
}

/// What was decided before: names, and what the configuration says.
#[derive(Clone, Debug)]
pub struct CreateContext {
    /// The array's names.
    pub array: ArrayName,
    /// Its number, where its kernel name gives one.
    pub id: Option<DevId>,
    /// The name to store.
    pub name: String,
    /// The host to store with it.
    pub homehost: Option<String>,
    /// `-v` counted up, `-q` down.
    pub verbose: i32,
    /// Whether members get a bad-block log (`CREATE bbl=`).
    pub bad_block_log: bool,
    /// The zone in which dates are said.
    pub zone: jiff::tz::TimeZone,
    /// Members of other arrays are overwritten without a question.
    pub overwrite: bool,
    /// `CREATE metadata=`.
    pub default_metadata: Option<Metadata>,
}

/// What the command and the configuration say for every array that is made.
#[derive(Clone, Debug)]
pub struct CreateSettings {
    /// The configuration.
    pub config: Config,
    /// The host to store with names.
    pub homehost: Option<String>,
    /// `-v` counted up, `-q` down.
    pub verbose: i32,
    /// The zone in which dates are said.
    pub zone: jiff::tz::TimeZone,
    /// Words and answers are our own, not the original's.
    pub native: bool,
}

impl CreateSettings {
    /// Names for an array, and what the configuration says.
    ///
    /// # Errors
    /// The word names no array, or one that is there already.
    pub fn context(&self, request: &CreateRequest, world: &World) -> Result<CreateContext, Refusal> {
        let word = request.device.to_string_lossy().into_owned();
        let chosen = naming::given(&word, request.name.as_deref(), world, &self.config)?;
        Ok(CreateContext {
            array: chosen.array,
            id: chosen.id,
            name: naming::to_store(&word, request.name.as_deref()),
            homehost: self.homehost.clone(),
            verbose: self.verbose,
            bad_block_log: self.config.create.bbl != Some(false),
            zone: self.zone.clone(),
            default_metadata: self.config.create.metadata,
            // The original asks in spite of --force.
            overwrite: request.force && self.native,
        })
    }
}

/// One listed device with what was found.
pub(crate) struct Listing<'a> {
    device: Option<&'a Device>,
    journal: bool,
}

/// Whether the original asks if a bitmap is wanted: nothing was said, and the level could have one.
#[must_use]
pub fn asks_for_bitmap(request: &CreateRequest) -> bool {
    !request.run && could_have_bitmap(request)
}

/// Whether nothing was said about a bitmap, and one would be of use.
#[must_use]
pub fn could_have_bitmap(request: &CreateRequest) -> bool {
    let journal = |word: &MemberWord| matches!(word.source, MemberSource::Journal(_));
    request.bitmap.is_none()
        && !request.members.iter().any(journal)
        && request.level.is_some_and(|level| level.number() >= 1)
        && matches!(request.consistency_policy, None | Some(ConsistencyPolicy::Bitmap))
}

/// What is said of an array that waits with its resync.
#[must_use]
pub fn waits_for_writes(plan: &Plan, array: &ArrayName) -> Option<String> {
    let waits = |step: &Step| matches!(step, Step::Md(MdStep::SetAttr { attr: ArrayAttr::ArrayState, value, .. }) if value == build::WAITING);
    plan.steps.iter().any(waits).then(|| {
        format!(
            "{0} is not resynced until it is written to, so that this can still be undone wholly:\n    \
             mdctl stop {0}; mdctl undo",
            array.path
        )
    })
}

/// A plan whose remark on boot loaders is a remark: nobody has to agree to it.
fn with_boot_remark(mut plan: Plan) -> Plan {
    for warning in plan.warnings.iter_mut().filter(|warning| warning.text == size::BOOT_NOTE) {
        *warning = Warning::note(size::BOOT_REMARK);
    }
    plan
}

/// A refusal without the remark on boot loaders: nothing was made from which one could boot.
#[must_use]
pub fn without_boot_note(mut refusal: Refusal) -> Refusal {
    refusal.said.retain(|warning| warning.text != size::BOOT_NOTE);
    refusal
}

/// Decides everything.
///
/// # Errors
/// A [`Refusal`] in the original's words, with the remarks that came before it.
pub fn plan(request: &CreateRequest, context: &CreateContext, world: &World) -> Result<Plan, Refusal> {
    let mut said = Vec::new();
    decide(request, context, world, &mut said).map_err(|refusal| refusal.after(std::mem::take(&mut said)))
}

fn decide(
    request: &CreateRequest,
    context: &CreateContext,
    world: &World,
    said: &mut Vec<Warning>,
) -> Result<Plan, Refusal> {
    if request.level.is_none() && matches!(request.metadata, Some(Metadata::Ddf | Metadata::Imsm)) {
        // The level is `container` then.
        format(request, context)?;
    }
    let (level, raid_disks) = check::shape(request)?;
    let format = format(request, context)?;
    check::bitmap_format(request, format)?;
    let listed = check::listed(request);
    let wanted = size::Wanted::new(request, context, (level, raid_disks), format)?;
    let (listing, sizing) = size::survey(&wanted, world, said)?;
    content::names_a_member(request, &listing)?;
    if u64::from(raid_disks) + u64::from(request.spares) > u64::from(max_devices(format)) {
        let most = max_devices(format);
        return Err(Refusal::new(format!(
            "Too many devices: {} metadata only supports {most}",
            format.name()
        )));
    }
    if level.number() <= 0 && listed.contains(&ListedWords::Missing) {
        return Err(Refusal::new("This level does not support missing devices"));
    }
    let slots = slots::place(
        &listed,
        SlotWish {
            level,
            raid_disks,
            assume_clean: request.assume_clean || request.write_zeroes,
            force: request.force,
        },
    );
    build::build(
        &build::Decided { request, context, world, level, raid_disks, format, listing, sizing, slots },
        said,
    )
}

/// The format that was asked for; 1.2 where nothing was.
fn format(request: &CreateRequest, context: &CreateContext) -> Result<Format, Refusal> {
    let native = match request.metadata.or(context.default_metadata) {
        Some(Metadata::V0) => Format::V0,
        Some(Metadata::V1(Some(0))) => Format::V1(Minor::V1_0),
        Some(Metadata::V1(Some(1))) => Format::V1(Minor::V1_1),
        None | Some(Metadata::V1(_) | Metadata::Default) => Format::V1(Minor::V1_2),
        Some(Metadata::Ddf | Metadata::Imsm) => {
            return Err(Refusal::new("creating containers of ddf or imsm metadata is not supported yet"));
        }
        Some(Metadata::Gpt | Metadata::Mbr) => {
            return Err(Refusal::new("a partition table is no metadata for an array"));
        }
    };
    if request.level == Some(Level::Container) {
        let name = if native == Format::V0 { "0.90" } else { "1.x" };
        return Err(Refusal::new(format!("{name} metadata does not support containers")));
    }
    // Its superblock has no place for the number; without one the kernel's default decides, at each start.
    if native == Format::V0 && request.level == Some(Level::Raid0) && request.layout.is_some_and(|it| it != 0)
    {
        return Err(Refusal::new("0.90 metadata does not support layouts for RAID0"));
    }
    Ok(native)
}

impl CreateRequest {
    /// The devices that are to be written.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let path = |source: &MemberSource| match source {
            MemberSource::Path(path) | MemberSource::Journal(path) => Some(path.display().to_string()),
            MemberSource::Missing => None,
        };
        self.members.iter().filter_map(|word| path(&word.source)).collect()
    }

    /// So many fresh identities may be needed for it.
    #[must_use]
    pub fn identities(&self) -> usize {
        self.members.len() + 2
    }
}

/// The bitmap that the array gets.
fn bitmap_kind(request: &CreateRequest) -> BitmapKind {
    match (request.bitmap, request.consistency_policy) {
        (Some(kind), _) => kind,
        (None, Some(ConsistencyPolicy::Bitmap)) => BitmapKind::Internal,
        (None, _) => BitmapKind::None,
    }
}

/// Whether the level keeps redundancy that a resync establishes.
fn is_redundant(level: Level) -> bool {
    level.number() > 0
}

#[cfg(test)]
pub(crate) mod tests;

//! `--update=`: what changes in the metadata of all members before they are assembled. All of them, or none.

use superblock::{
    Endian, Judge as _, MdUuid, Native, Sectors, Write, bitmap, ppl, v0,
    v1::{self, FeatureMap, Minor, NotReverted},
};

use super::{Remark, claim::Claim, steps::Rewrite};
use crate::{
    plan::{ArrayName, Refusal, Warning},
    request::Update,
};

/// An update and what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updating {
    /// What is updated.
    pub what: Update,
    /// The new UUID; a fresh one where none is given.
    pub uuid: Option<MdUuid>,
    /// The new name; the array's minor number where none is given.
    pub name: Option<String>,
    /// The host that the array is to belong to.
    pub host: Option<String>,
    /// Nodes of the cluster.
    pub nodes: Option<u32>,
    /// The cluster.
    pub cluster: Option<String>,
    /// A reshape that has not moved anything is only forgotten.
    pub unstarted: bool,
    /// Damaged superblocks are updated, too.
    pub force: bool,
    /// Random identities.
    pub fresh: Vec<MdUuid>,
}

/// What is written of one member besides its superblock.
type Extra = Vec<Write>;

/// Why the update cannot be: the sentences, of which the last is the refusal.
type Why = Vec<String>;

/// Makes the change in all members.
pub(super) fn apply(
    claims: &mut [Claim],
    updating: &Updating,
    name: &ArrayName,
) -> Result<(Vec<Rewrite>, Vec<Remark>), Refusal> {
    let updating = Updating { uuid: Some(new_uuid(claims, updating)), ..updating.clone() };
    let mut rewrites = Vec::new();
    let mut remarks = Vec::new();
    for (index, claim) in claims.iter_mut().enumerate() {
        let swapped = updating.what == Update::ByteOrder && claim.is_swapped();
        if !claim.is_usable(updating.force) && !swapped {
            continue;
        }
        let before = claim.metadata.clone();
        let extra = change(claim, &updating, name, index).map_err(|why| refusal(claim, &updating, why))?;
        remarks.extend(remark(claim, &updating, name));
        claim.reread(swapped);
        if claim.metadata != before || !extra.is_empty() {
            let what = format!("superblock (--update={})", updating.what.name());
            rewrites.push(Rewrite { claim: index, what, extra });
        }
    }
    Ok((rewrites, remarks))
}

/// Of 0.90 the second half tells the host, unless the whole was given.
fn new_uuid(claims: &[Claim], updating: &Updating) -> MdUuid {
    if let Some(uuid) = updating.uuid {
        return uuid;
    }
    let fresh = updating.fresh.first().copied().unwrap_or_default();
    let old = claims.iter().find_map(|claim| match &claim.metadata {
        Native::V0(superblock) => Some(superblock),
        Native::V1(_) => None,
    });
    match (old, &updating.host) {
        (Some(_), Some(host)) => v0::uuid_at_home(fresh, host.as_bytes(), Endian::HOST),
        _ => fresh,
    }
}

fn refusal(claim: &Claim, updating: &Updating, mut why: Why) -> Refusal {
    let format = if claim.metadata.version().0 == 0 { "0.90" } else { "1.x" };
    let text = why
        .pop()
        .unwrap_or_else(|| format!("--update={} not understood for {format} metadata", updating.what.name()));
    Refusal::new(text).after(why.into_iter().map(Warning::note).collect())
}

/// What the original says of each member.
fn remark(claim: &Claim, updating: &Updating, name: &ArrayName) -> Option<Remark> {
    let path = &claim.path;
    match updating.what {
        Update::Sparc22 => {
            Some(Remark::note(format!("adjusting superblock of {path} for 2.2/sparc compatibility.")))
        }
        Update::SuperMinor => {
            let minor = minor(name).unwrap_or(0);
            Some(Remark::detail(format!("updating superblock of {path} with minor number {minor}")))
        }
        _ => None,
    }
}

fn change(claim: &mut Claim, updating: &Updating, name: &ArrayName, index: usize) -> Result<Extra, Why> {
    let (path, device, bitmap) = (claim.path.clone(), claim.device, claim.bitmap);
    let extra = match &mut claim.metadata {
        Native::V1(superblock) => change_v1(superblock, bitmap, updating, name, &path, device),
        Native::V0(_) if updating.what == Update::Metadata => to_v1(claim, updating, index),
        Native::V0(superblock) => change_v0(superblock, bitmap, updating, name, &path),
    }?;
    judge(claim, updating, &extra)?;
    Ok(extra)
}

/// What is about to be written must be what reading accepts, and new bitmaps and logs harm no data.
fn judge(claim: &Claim, updating: &Updating, extra: &[Write]) -> Result<(), Why> {
    let is_new = matches!(updating.what, Update::Nodes | Update::HomeCluster | Update::Ppl);
    let judged = match &claim.metadata {
        Native::V1(superblock) if is_new => superblock.judge_new(claim.device, extra),
        native => native.judge_bounds(claim.device),
    };
    judged.map_err(|why| vec![format!("{}: the metadata does not fit: {why}", claim.path)])
}

/// The number of an array that is named by one.
fn minor(name: &ArrayName) -> Option<u32> {
    name.kernel.strip_prefix("md")?.parse().ok()
}

fn known_minor(name: &ArrayName) -> Result<u32, Why> {
    let text =
        || format!("the number of {} is not known before it is made: name it by its number", name.kernel);
    minor(name).ok_or_else(|| vec![text()])
}

fn said<T>(text: impl Into<String>) -> Result<T, Why> {
    Err(vec![text.into()])
}

fn not_understood<T>() -> Result<T, Why> {
    Err(Vec::new())
}

fn change_v0(
    superblock: &mut v0::Superblock,
    bitmap: Option<(Sectors, bitmap::Superblock)>,
    updating: &Updating,
    name: &ArrayName,
    path: &str,
) -> Result<Extra, Why> {
    let edit = match updating.what {
        Update::Sparc22 => v0::Edit::Sparc22,
        Update::Summaries => v0::Edit::Summaries,
        Update::Resync => v0::Edit::MarkDirty,
        Update::NoBitmap => v0::Edit::NoBitmap,
        Update::SuperMinor => v0::Edit::Minor(known_minor(name)?),
        Update::ByteOrder if superblock.order() == Endian::HOST => return Ok(Extra::new()),
        Update::ByteOrder => v0::Edit::ByteOrder,
        Update::Uuid => v0::Edit::Uuid(updating.uuid.unwrap_or_default()),
        Update::HomeHost => {
            let Some(host) = &updating.host else { return not_understood() };
            v0::Edit::Uuid(v0::uuid_at_home(superblock.set_uuid(), host.as_bytes(), superblock.order()))
        }
        Update::RevertReshape => {
            let done = superblock.revert_reshape();
            return done.map(|()| Extra::new()).map_err(|why| not_reverted(why, path));
        }
        _ => return not_understood(),
    };
    superblock.edit(edit).map_err(|why| vec![why.to_string()])?;
    let uuid = superblock.uuid_bytes();
    let bitmap = bitmap.filter(|(_, bitmap)| superblock.bitmap_at().is_some() && bitmap.uuid() != uuid);
    Ok(bitmap.map(|(at, bitmap)| bitmap.with_uuid(uuid).encode(at)).into_iter().collect())
}

fn not_reverted(why: NotReverted, path: &str) -> Why {
    match why {
        NotReverted::NoReshape => vec![format!("{why} on {path}")],
        NotReverted::SameDevices | NotReverted::Geometry => vec![format!("{path}: {why}")],
        NotReverted::Unaligned => vec![why.to_string(), "Try normal assembly and stop again".to_owned()],
    }
}

/// 0.90 becomes 1.0, which lies behind it; the old superblock stays and is outdone by the younger one.
fn to_v1(claim: &mut Claim, updating: &Updating, index: usize) -> Result<Extra, Why> {
    let Native::V0(old) = &claim.metadata else { return not_understood() };
    if old.bitmap_at().is_some() {
        return said("Cannot update metadata when bitmap is present");
    }
    if old.state() != v0::ArrayState::CLEAN {
        return said("Cannot update metadata on unclean array");
    }
    let member = updating.fresh.get(index).copied().unwrap_or_default();
    let new = v1::Superblock::from_v0(old, claim.device.bytes(), member);
    let Some(new) = new else { return said(format!("{} is too small for 1.0 metadata", claim.path)) };
    // What follows the superblock in its KiB.
    let rest = Write { at: new.at().saturating_add(Sectors(1)).bytes(), data: vec![0; 512] };
    claim.metadata = Native::V1(new);
    Ok(vec![rest])
}

fn change_v1(
    superblock: &mut v1::Superblock,
    bitmap: Option<(Sectors, bitmap::Superblock)>,
    updating: &Updating,
    name: &ArrayName,
    path: &str,
    device: Sectors,
) -> Result<Extra, Why> {
    let mut extra = Extra::new();
    let edit = match updating.what {
        Update::Name => v1::Edit::Name(stored_name(updating, name)?),
        Update::HomeHost => {
            let Some(host) = &updating.host else { return not_understood() };
            let bare = superblock.host_and_name().1.to_vec();
            v1::Edit::Name(v1::set_name(Some(host.as_bytes()), &bare))
        }
        Update::Uuid => {
            check_journal(superblock, updating)?;
            let uuid = updating.uuid.unwrap_or_default();
            extra.extend(bitmap.map(|(at, bitmap)| bitmap.with_uuid(uuid.0).encode(at)));
            v1::Edit::Uuid(uuid)
        }
        Update::Resync => v1::Edit::MarkDirty,
        Update::NoBitmap => v1::Edit::NoBitmap,
        Update::HomeCluster | Update::Nodes => return cluster(superblock, bitmap, updating),
        // Where the list has entries, its place stays.
        Update::Bbl if superblock.feature_map().contains(FeatureMap::BAD_BLOCKS) => return Ok(extra),
        Update::Bbl => match superblock.room_for_bad_block_log(bitmap.as_ref().map(|(_, bitmap)| bitmap)) {
            Some(log) => v1::Edit::BadBlockLog(log),
            None => return Ok(extra),
        },
        Update::NoBbl if superblock.feature_map().contains(FeatureMap::BAD_BLOCKS) => {
            return said(format!("Cannot remove active bbl from {path}"));
        }
        Update::NoBbl | Update::ForceNoBbl => v1::Edit::NoBadBlockLog,
        Update::Ppl => return add_ppl(superblock),
        Update::NoPpl => v1::Edit::NoPpl,
        Update::DeviceSize if superblock.minor() == Minor::V1_0 => return Ok(extra),
        Update::DeviceSize => v1::Edit::DataSize(device.saturating_sub(superblock.data_offset())),
        Update::RevertReshape => {
            let done = superblock.revert_reshape(updating.unstarted);
            return done.map(|()| extra).map_err(|why| not_reverted(why, path));
        }
        Update::LayoutOriginal | Update::LayoutAlternate | Update::LayoutUnspecified => {
            layout(superblock, updating.what, path)?
        }
        Update::Sparc22
        | Update::Summaries
        | Update::ByteOrder
        | Update::SuperMinor
        | Update::Bitmap
        | Update::Metadata => return not_understood(),
    };
    superblock.edit(edit).map_err(|why| vec![why.to_string()])?;
    Ok(extra)
}

fn stored_name(updating: &Updating, name: &ArrayName) -> Result<[u8; 32], Why> {
    let new = match &updating.name {
        Some(name) => name.clone(),
        None => known_minor(name)?.to_string(),
    };
    Ok(v1::set_name(updating.host.as_deref().map(str::as_bytes), new.as_bytes()))
}

/// What the journal holds belongs to the old UUID; the kernel would begin a new journal and forget it.
fn check_journal(superblock: &v1::Superblock, updating: &Updating) -> Result<(), Why> {
    if superblock.feature_map().contains(FeatureMap::JOURNAL) && !updating.force {
        return said(
            "the journal belongs to the old UUID, and what it holds would be lost (--force if it holds nothing)",
        );
    }
    Ok(())
}

fn layout(superblock: &v1::Superblock, what: Update, path: &str) -> Result<v1::Edit, Why> {
    if superblock.level() != superblock::Level::Raid0 {
        let name = what.name();
        return Err(vec![
            format!("{path}: {name} only supported for RAID0"),
            format!("--update={name} not understood for 1.x metadata"),
        ]);
    }
    Ok(v1::Edit::Raid0Layout(match what {
        Update::LayoutOriginal => Some(1),
        Update::LayoutAlternate => Some(2),
        _ => None,
    }))
}

/// An empty log comes with it: what an older one left there must not be replayed.
fn add_ppl(superblock: &mut v1::Superblock) -> Result<Extra, Why> {
    if superblock.ppl().is_some() {
        return Ok(Extra::new());
    }
    if superblock.level() != superblock::Level::Raid5 {
        return said("PPL consistency policy is only supported for RAID level 5.");
    }
    let ppl = superblock.room_for_ppl().map_err(|why| vec![why.to_string()])?;
    superblock.edit(v1::Edit::Ppl(ppl)).map_err(|why| vec![why.to_string()])?;
    let Some(at) = superblock.ppl_at() else { return said(v1::NoPpl::NoRoom.to_string()) };
    Ok(vec![ppl::Header::new(superblock.set_uuid()).initial(at, Sectors(ppl.size.into()))])
}

/// Nodes and name of a cluster stand in the bitmaps, all of which begin anew: node 0 with all to be synchronised.
fn cluster(
    superblock: &v1::Superblock,
    bitmap: Option<(Sectors, bitmap::Superblock)>,
    updating: &Updating,
) -> Result<Extra, Why> {
    let Some((at, bitmap)) = bitmap else { return said("Error: Invalid bitmap") };
    if bitmap.version() != Some(bitmap::Version::Clustered) {
        return said("the bitmap is not a cluster's");
    }
    let new = if updating.what == Update::HomeCluster {
        let Some(name) = &updating.cluster else {
            return said("the cluster's name is missing: --home-cluster=");
        };
        bitmap.with_cluster_name(name.as_bytes())
    } else {
        let nodes = updating.nodes.unwrap_or(0);
        if superblock.minor() != Minor::V1_2 {
            return said("Warning: cluster md only works with superblock 1.2");
        }
        if nodes < 2 {
            return said("Warning: cluster-md at least needs two nodes");
        }
        let most = superblock.most_nodes(&bitmap);
        if u64::from(nodes) > most {
            return said(format!("Warning: The max num of nodes can't exceed {most}"));
        }
        bitmap.with_nodes(nodes)
    };
    let Some(write) = new.initial(at) else { return said("the bitmaps would be too large") };
    Ok(vec![write])
}

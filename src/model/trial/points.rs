//! How evidence is weighed: every number by which guesses are ranked, and from which they are believed.
//!
//! A guess has up to 1000 points: [`SHARE`] and [`COUNT`] for what is inside, [`AGREES`] for redundancy. In what it differs from
//! what it starts from takes a few away, so that of two with the same evidence the one comes first that assumes less.

/// What is inside: for the share of the places looked at that are right.
pub(super) const SHARE: u64 = 600;
/// With this many right places the share counts in full. Fewer may be chance, and where members are in the wrong order fewer
/// places are found at all.
pub(super) const FEW: u64 = 8;
/// With none it would count as much as this is of [`FEW`] and this together.
pub(super) const CHANCE: u64 = 4;
/// What is inside: for the number of right places, wholly from [`MANY`] on.
pub(super) const COUNT: u64 = 100;
/// So many right places are as good as any number of them.
pub(super) const MANY: u64 = 40;

/// Redundancy that agrees everywhere.
pub(super) const AGREES: u64 = 300;
/// Redundancy that cannot be compared: it says less than one that agrees, and more than one that does not, which has the
/// square of its share of this.
pub(super) const UNKNOWN: u64 = 240;

/// Taken away for a stale member that serves again: reading it gives old data wherever it holds data, whatever a sample
/// says.
pub(super) const STALE_IN: u32 = 80;
/// Taken away for a member that is left out though it says it is up to date.
pub(super) const FRESH_OUT: u32 = 14;
/// Taken away for another level than superblocks say: more than for a member that is left out, for the beginning of a mirror
/// is in place in much that is not one.
pub(super) const LEVEL: u32 = 20;
/// Taken away for anything else in which a guess differs.
pub(super) const DIFFERS: u32 = 4;
/// Taken away for each member that would begin where the others do not, without a superblock that says so.
pub(super) const ELSEWHERE: u32 = 16;

/// Given where the file system's own tool finds it clean. It decides between guesses that are as good as equal: one that
/// is right may have errors that it had before.
pub(super) const CLEAN: i64 = 5;
/// Taken away where it finds errors.
pub(super) const ERRORS: i64 = 5;
/// Taken away where the kernel does not start the array: as much as redundancy that agrees can give, so that it is behind all
/// of which anything else is known.
pub(super) const NO_START: i64 = 300;

/// This many right places inside, and no wrong one, leave no doubt.
pub(super) const CONCLUSIVE: u32 = 8;
/// This many right places confirm what superblocks say.
pub(super) const BEARS_OUT: u32 = 4;
/// Where only the right order agrees, this many windows that agree confirm what superblocks say.
pub(super) const WINDOWS_BEAR_OUT: u64 = 8;
/// Redundancy supports a guess if at least this many windows were compared…
pub(super) const WINDOWS: u64 = 4;
/// …and this percentage of them agree.
pub(super) const PERCENT: u64 = 95;

//! `--grow`: sizes, shapes and bitmaps of arrays that run, beside the original; and reshapes that are cut off anywhere.

mod cut;
mod matrix;
mod stopped;
mod turned;

use crate::guest::Case;

pub(crate) fn cases() -> Vec<Case> {
    [matrix::cases(), stopped::cases(), turned::cases(), cut::cases()].into_iter().flatten().collect()
}

//! How long to wait before looking again at what the kernel copies, where no event tells that it is done.

use std::time::Duration;

/// Never sooner: a look reads the metadata of the group.
const LEAST: Duration = Duration::from_millis(200);
/// Never later: so long something that is done may stand unfinished.
const MOST: Duration = Duration::from_secs(10);
/// Somebody watches a bar.
const SHOWN: Duration = Duration::from_millis(500);

/// Half the time that the rest will take at the pace so far, so that the looks are few and the last one is soon after the end.
#[must_use]
pub fn next(copied: u64, elapsed: Duration, left: u64, is_shown: bool) -> Duration {
    let rest = if copied == 0 {
        elapsed
    } else {
        let millis = u128::from(left).saturating_mul(elapsed.as_millis()) / u128::from(copied);
        Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    };
    (rest / 2).clamp(LEAST, if is_shown { SHOWN } else { MOST })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_looks_and_the_last_one_soon() {
        // A minute's work at an even pace.
        let (mut now, mut looks) = (Duration::ZERO, 0);
        let all = 60_000_u64;
        loop {
            let copied = u64::try_from(now.as_millis()).unwrap().min(all);
            if copied == all {
                break;
            }
            looks += 1;
            now += next(copied, now, all - copied, false);
        }
        assert!(looks < 20, "{looks} looks");
        assert!(now < Duration::from_secs(61), "{now:?}");
    }

    #[test]
    fn always_within_bounds() {
        for copied in [0, 1, u64::MAX] {
            for left in [0, 1, u64::MAX] {
                for elapsed in [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(1 << 40)] {
                    assert!((LEAST..=MOST).contains(&next(copied, elapsed, left, false)));
                    assert!((LEAST..=SHOWN).contains(&next(copied, elapsed, left, true)));
                }
            }
        }
    }
}

//! Dates as people and the original read them.

use jiff::{Timestamp, tz::TimeZone};

/// A date as `ctime` prints it, in this zone, without the line end and never longer than 24 characters.
///
/// Seconds may be any number that a disk holds, so the calendar is reckoned here; of the zone only the offset is asked.
#[must_use]
pub fn ctime(seconds: u64, zone: &TimeZone) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let utc = i64::try_from(seconds).unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
    let known = Timestamp::from_second(utc).unwrap_or(Timestamp::MAX);
    let local = utc + i64::from(zone.to_offset(known).seconds());
    let (day, second) = (local.div_euclid(86400), local.rem_euclid(86400));
    let (year, month, date) = civil(day);
    let name = |names: &[&'static str], nth: i64| {
        usize::try_from(nth).ok().and_then(|nth| names.get(nth)).copied().unwrap_or("???")
    };
    let (weekday, month) = (name(&DAYS, day.rem_euclid(7)), name(&MONTHS, month - 1));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut text = format!("{weekday} {month}{date:3} {hour:02}:{minute:02}:{second:02} {year}");
    text.truncate(24);
    text
}

/// The zone of a `TZ` that names a summer time and not its dates (`CET-1CEST`): those of the United States, as with glibc.
#[must_use]
pub fn undated_zone(rule: &str) -> Option<TimeZone> {
    TimeZone::posix(&format!("{rule},M3.2.0,M11.1.0")).ok()
}

/// Year, month and day of a day number since 1970, in the Gregorian calendar (years that begin in March).
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, date)
}

/// A date and time of day in UTC as one word, `20261122-103455`.
#[must_use]
pub fn compact(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
    let (year, month, date) = civil(seconds.div_euclid(86400));
    let second = seconds.rem_euclid(86400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{date:02}-{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summer_time_without_dates() {
        let zone = undated_zone("CET-1CEST").unwrap();
        // 1 January and 1 July 2026, 0:00 UTC.
        assert_eq!(ctime(1_767_225_600, &zone), "Thu Jan  1 01:00:00 2026");
        assert_eq!(ctime(1_782_864_000, &zone), "Wed Jul  1 02:00:00 2026");
        assert!(
            ["", "UTC", "CET-1CEST,M3.5.0,M10.5.0", "nonsense"]
                .iter()
                .all(|rule| undated_zone(rule).is_none())
        );
    }
}

//! `mdctl scrub`: checks of redundant arrays.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::blocks::Acting;
use crate::request::{Common, Request, ScheduleRequest, ScheduleWhen, ScrubChoice, ScrubRequest, ScrubVerb};

/// Compare the members of redundant arrays, and go on where a check was cut off
#[derive(Args, Debug)]
pub(super) struct ScrubArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Begin checks where they were cut off, else at the start, and return
    Start(StartArgs),
    /// The same, and stay until they are over
    Run(RunArgs),
    /// Stop checks, and note where they were
    Stop(StopArgs),
    /// Show what is checked, where it was cut off, and what the last check found
    Status(StatusArgs),
    /// Read the members now and show where they differ, what is there, and which member is wrong where that can be told
    Locate(LocateArgs),
    /// Have arrays due again that were checked already
    Renew(StopArgs),
    /// Show when checks run, or set it: by systemd's timers
    Schedule(ScheduleArgs),
}

#[derive(Args, Debug)]
struct StartArgs {
    /// Only these: paths, kernel names, names or UUIDs; without any every array
    #[arg(value_name = "ARRAY")]
    arrays: Vec<String>,
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    acting: Acting,
}

#[derive(Args, Debug)]
struct RunArgs {
    /// Only these: paths, kernel names, names or UUIDs; without any every array
    #[arg(value_name = "ARRAY")]
    arrays: Vec<String>,
    /// Stop after so long and note where checks were: 90min, 6h, '6 hours'; a number alone is of seconds
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    most: Option<Duration>,
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    acting: Acting,
}

#[derive(Args, Clone, Copy, Debug)]
struct WhichArgs {
    /// Leave out what was checked as a whole since the last `mdctl scrub renew`
    #[arg(long, conflicts_with = "cut_off")]
    due: bool,
    /// Only what was cut off
    #[arg(long)]
    cut_off: bool,
    /// From the start, wherever a check was cut off
    #[arg(long, conflicts_with = "cut_off")]
    from_start: bool,
}

#[derive(Args, Debug)]
struct StopArgs {
    /// Only these: paths, kernel names, names or UUIDs; without any every array
    #[arg(value_name = "ARRAY")]
    arrays: Vec<String>,
    #[command(flatten)]
    acting: Acting,
}

#[derive(Args, Debug)]
struct StatusArgs {
    /// Only these: paths, kernel names, names or UUIDs; without any every array
    #[arg(value_name = "ARRAY")]
    arrays: Vec<String>,
    /// As JSON (schema mdctl.scrub.1)
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct LocateArgs {
    /// Only these: paths, kernel names, names or UUIDs; without any every array
    #[arg(value_name = "ARRAY")]
    arrays: Vec<String>,
    /// As JSON (schema mdctl.differences.1)
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct ScheduleArgs {
    #[command(flatten)]
    when: WhenArgs,
    /// Each day's part of a check takes no longer than this: 90min, 6h, '6 hours'; a number alone is of seconds
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, conflicts_with = "off")]
    most: Option<Duration>,
    #[command(flatten)]
    acting: Acting,
}

#[derive(Args, Debug)]
#[group(multiple = false)]
struct WhenArgs {
    /// No checks by timers
    #[arg(long)]
    off: bool,
    /// All arrays are due on the first Sunday of a month
    #[arg(long)]
    monthly: bool,
    /// All arrays are due on Sundays
    #[arg(long)]
    weekly: bool,
    /// All arrays are due then, and checks begin at once: as systemd.time(7) has it, 'Sat 02:00'
    #[arg(long, value_name = "CALENDAR")]
    on: Option<String>,
}

impl ScheduleArgs {
    fn into_request(self) -> (Common, ScheduleRequest) {
        let when = match self.when {
            WhenArgs { on: Some(calendar), .. } => Some(ScheduleWhen::On(calendar)),
            WhenArgs { off: true, .. } => Some(ScheduleWhen::Off),
            WhenArgs { monthly: true, .. } => Some(ScheduleWhen::Monthly),
            WhenArgs { weekly: true, .. } => Some(ScheduleWhen::Weekly),
            _ => None,
        };
        (self.acting.common(), ScheduleRequest { when, most: self.most })
    }
}

impl WhichArgs {
    fn which(self) -> ScrubChoice {
        match self {
            Self { cut_off: true, .. } => ScrubChoice::CutOff,
            Self { due: true, .. } => ScrubChoice::Due,
            _ => ScrubChoice::All,
        }
    }
}

impl ScrubArgs {
    /// As a request.
    pub(super) fn into_request(self) -> (Common, Request) {
        let (common, verb, arrays) = match self.verb {
            Verb::Start(StartArgs { arrays, which, acting }) => {
                let verb = ScrubVerb::Start { which: which.which(), from_start: which.from_start };
                (acting.common(), verb, arrays)
            }
            Verb::Run(RunArgs { arrays, most, which, acting }) => {
                let (which, from_start) = (which.which(), which.from_start);
                (acting.common(), ScrubVerb::Run { which, from_start, most }, arrays)
            }
            Verb::Stop(StopArgs { arrays, acting }) => (acting.common(), ScrubVerb::Stop, arrays),
            Verb::Renew(StopArgs { arrays, acting }) => (acting.common(), ScrubVerb::Renew, arrays),
            Verb::Status(StatusArgs { arrays, json }) => {
                (Common::of_verb(json, false, false), ScrubVerb::Status, arrays)
            }
            Verb::Locate(LocateArgs { arrays, json }) => {
                (Common::of_verb(json, false, false), ScrubVerb::Locate, arrays)
            }
            Verb::Schedule(args) => {
                let (common, request) = args.into_request();
                return (common, Request::ScrubSchedule(request));
            }
        };
        (common, Request::Scrub(ScrubRequest { verb, arrays }))
    }
}

/// Numbers with units, added up; `6 hours` as `date` takes it.
fn duration(text: &str) -> Result<Duration, String> {
    seconds(text)
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| "numbers with s, min, h, d or w behind them, or those words in full".to_owned())
}

fn seconds(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    rest = rest.strip_prefix('+').unwrap_or(rest).trim_start();
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, behind) = rest.split_at(end);
        let behind = behind.trim_start();
        let end = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let factor = match unit.to_ascii_lowercase().as_str() {
            "" | "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 86_400,
            "w" | "week" | "weeks" => 604_800,
            _ => return None,
        };
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = behind.trim_start();
    }
    // The wait for it is a number of seconds of the machine's clock.
    (sum <= 10 * 365 * 86_400).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_people_and_date_have_them() {
        for (text, expected) in [
            ("6 hours", Some(21_600)),
            ("6h", Some(21_600)),
            ("+ 3 seconds", Some(3)),
            ("1h30m", Some(5400)),
            ("1 day 2 hours", Some(93_600)),
            ("90", Some(90)),
            ("2 Weeks", Some(1_209_600)),
            ("0", None),
            ("", None),
            ("hours", None),
            ("-6 hours", None),
            ("6 fortnights", None),
            ("99999999999999 weeks", None),
            ("20 days x", None),
        ] {
            assert_eq!(duration(text).ok(), expected.map(Duration::from_secs), "{text}");
        }
    }
}

//! When checks run: the units that begin them, and other jobs that do.

use std::collections::BTreeMap;

use jiff::{civil::DateTime, tz::TimeZone};

/// Has arrays due again.
pub const TURN: &str = "mdcheck_start";
/// Checks for a while what is due.
pub const PART: &str = "mdcheck_continue";
/// Where the units take the time of one part from.
pub const MOST: &str = "MDADM_CHECK_DURATION";

/// One look at all that begins checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduleSeen {
    /// systemd runs here.
    pub systemd: bool,
    /// Timers and services, those of other packages too; what is not installed is not among them.
    pub units: Vec<UnitSeen>,
    /// What units are made of besides their own files, and files of their environment: text by path.
    pub files: BTreeMap<String, String>,
    /// Jobs of cron.
    pub jobs: Vec<CronJob>,
    /// Debian's switch for `checkarray --cron`: whether it is on, where the file says so.
    pub autocheck: Option<bool>,
    /// What systemd says to the calendar that was asked about: `None` where nobody asked or its checker is not there.
    pub calendar: Option<Result<(), String>>,
}

/// A timer or a service, as systemd tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitSeen {
    /// With its ending.
    pub name: String,
    /// `loaded`, `masked`, …
    pub load: String,
    /// `enabled`, `disabled`, `static`, …
    pub file: String,
    /// It is under way: of a timer, it waits for its time.
    pub active: bool,
    /// When it is due, in systemd's words.
    pub calendars: Vec<String>,
    /// When it is due next, in seconds since 1970.
    pub next: Option<u64>,
    /// When it ran last.
    pub last: Option<u64>,
    /// Files that change it.
    pub drop_ins: Vec<String>,
    /// What it runs.
    pub runs: String,
    /// Its environment, as systemd quotes it.
    pub environment: String,
    /// Files of its environment.
    pub environment_files: Vec<String>,
}

/// A line of a crontab, or of a script that cron runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CronJob {
    /// The file.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// It asks Debian's switch before it does anything.
    pub asks: bool,
}

impl UnitSeen {
    /// The properties that [`Self::parse`] reads.
    pub const PROPERTIES: [&str; 11] = [
        "Id",
        "LoadState",
        "UnitFileState",
        "ActiveState",
        "TimersCalendar",
        "NextElapseUSecRealtime",
        "LastTriggerUSec",
        "DropInPaths",
        "ExecStart",
        "Environment",
        "EnvironmentFiles",
    ];

    /// From what `systemctl show` says of one unit; `None` for one that is not installed.
    #[must_use]
    pub fn parse(text: &str, zone: &TimeZone) -> Option<Self> {
        let mut unit = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "Id" => value.clone_into(&mut unit.name),
                "LoadState" => value.clone_into(&mut unit.load),
                "UnitFileState" => value.clone_into(&mut unit.file),
                "ActiveState" => unit.active = matches!(value, "active" | "activating" | "reloading"),
                "TimersCalendar" => unit.calendars.extend(calendar(value)),
                "NextElapseUSecRealtime" => unit.next = time(value, zone),
                "LastTriggerUSec" => unit.last = time(value, zone),
                "DropInPaths" => unit.drop_ins = value.split_whitespace().map(str::to_owned).collect(),
                "ExecStart" => value.clone_into(&mut unit.runs),
                "Environment" => value.clone_into(&mut unit.environment),
                // One line a file: `/run/sysconfig/mdadm (ignore_errors=yes)`.
                "EnvironmentFiles" => {
                    unit.environment_files.extend(value.split(" (").next().map(str::to_owned))
                }
                _ => {}
            }
        }
        (!unit.name.is_empty() && unit.load != "not-found").then_some(unit)
    }

    /// Whether systemd starts it by itself.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        matches!(self.file.as_str(), "enabled" | "enabled-runtime")
    }

    /// Whether it is kept from ever being started.
    #[must_use]
    pub fn is_masked(&self) -> bool {
        self.load == "masked" || self.file.starts_with("masked")
    }

    /// Whether it takes the time of a part from the environment.
    #[must_use]
    pub fn takes_time(&self) -> bool {
        self.runs.contains(MOST)
    }
}

/// `{ OnCalendar=daily ; next_elapse=… }`.
fn calendar(value: &str) -> Option<String> {
    let rest = value.trim_start_matches(['{', ' ']).strip_prefix("OnCalendar=")?;
    Some(rest.split(" ;").next().unwrap_or(rest).trim().to_owned())
}

/// `Sun 2026-12-06 07:13:22 CET`, in this zone: of the zone's own letters, more than one has the same.
fn time(value: &str, zone: &TimeZone) -> Option<u64> {
    let mut words = value.split_whitespace().skip(1);
    let (day, clock) = (words.next()?, words.next()?);
    let at: DateTime = format!("{day}T{clock}").parse().ok()?;
    let at = zone.to_ambiguous_zoned(at).compatible().ok()?;
    u64::try_from(at.timestamp().as_second()).ok()
}

/// What a variable is set to, in the words of `systemctl show` or of an environment file.
#[must_use]
pub fn variable(text: &str, name: &str) -> Option<String> {
    let at = text.rmatch_indices(name).map(|(at, _)| at).find(|at| {
        let before = text.get(..*at).unwrap_or_default().chars().next_back();
        let is_start = before.is_none_or(|c| c.is_whitespace() || matches!(c, '"' | '\''));
        is_start && text.get(at.saturating_add(name.len())..).is_some_and(|rest| rest.starts_with('='))
    })?;
    let before = text.get(..at).unwrap_or_default().chars().next_back();
    let value = text.get(at.saturating_add(name.len()).saturating_add(1)..)?;
    // systemd puts quotes around the whole, files around the value, and older systemds none at all.
    let around = before.filter(|c| matches!(c, '"' | '\''));
    let within = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = around.or(within) {
        let value = if around.is_some() { value } else { value.get(1..).unwrap_or_default() };
        return Some(value.split(quote).next().unwrap_or_default().to_owned());
    }
    let line = value.lines().next().unwrap_or_default();
    let is_next = |word: &str| word.split_once('=').is_some_and(|(name, _)| name.chars().all(is_of_a_name));
    let words = line.split_whitespace().take_while(|word| !is_next(word.trim_start_matches(['"', '\''])));
    Some(words.collect::<Vec<_>>().join(" "))
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl ScheduleSeen {
    /// This unit, where it is installed.
    #[must_use]
    pub fn unit(&self, name: &str, kind: &str) -> Option<&UnitSeen> {
        let is =
            |unit: &&UnitSeen| unit.name.strip_suffix(kind).and_then(|n| n.strip_suffix('.')) == Some(name);
        self.units.iter().find(is)
    }

    /// How long a part may take, in `date`'s words: files win over what units say.
    #[must_use]
    pub fn most(&self, service: &UnitSeen) -> Option<String> {
        if !service.takes_time() {
            let (_, rest) = service.runs.split_once("--duration")?;
            let rest = rest.trim_start_matches(['=', ' ']);
            return Some(rest.split(" ;").next().unwrap_or(rest).trim().to_owned());
        }
        let of_files = service.environment_files.iter().rev().filter_map(|path| self.files.get(path));
        let of_files = of_files.filter_map(|text| variable(text, MOST)).next();
        of_files.or_else(|| variable(&service.environment, MOST)).filter(|most| !most.is_empty())
    }

    /// Jobs that check arrays, and do not ask a switch that is off.
    pub fn others(&self) -> impl Iterator<Item = &CronJob> {
        self.jobs.iter().filter(|job| !(job.asks && self.autocheck == Some(false)))
    }
}

/// Words of a line that begins checks.
const WORDS: [&str; 5] = ["checkarray", "mdcheck", "raid-check", "mdctl scrub", "sync_action"];

impl CronJob {
    /// The first job of a crontab or a script that begins checks.
    #[must_use]
    pub fn find(file: &str, text: &str) -> Option<Self> {
        let is_job =
            |line: &str| !line.trim_start().starts_with('#') && WORDS.iter().any(|word| line.contains(word));
        let (nth, line) = text.lines().enumerate().find(|(_, line)| is_job(line))?;
        let asks = line.split_whitespace().any(|word| word == "--cron" || word == "-c");
        Some(Self { file: file.to_owned(), line: nth.saturating_add(1), asks })
    }
}

/// Debian's switch, in the text of `/etc/default/mdadm`.
#[must_use]
pub fn autocheck(text: &str) -> Option<bool> {
    let lines = text.lines().rev();
    let mut values = lines.filter_map(|line| line.trim_start().strip_prefix("AUTOCHECK="));
    values.next().map(|value| !value.trim_start_matches(['"', '\'']).starts_with("false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_as_systemd_tells_it() {
        let zone = TimeZone::posix("CET-1").unwrap();
        let text = "Id=mdcheck_start.timer\nLoadState=loaded\nUnitFileState=enabled\nActiveState=active\n\
                    TimersCalendar={ OnCalendar=Sun *-*-01..07 00:00:00 ; next_elapse=Sun 2026-12-06 00:00:00 CET }\n\
                    TimersCalendar={ OnCalendar=daily ; next_elapse=(null) }\n\
                    NextElapseUSecRealtime=Sun 2026-12-06 07:13:22 CET\nLastTriggerUSec=n/a\n\
                    DropInPaths=/etc/systemd/system/mdcheck_start.timer.d/a.conf /etc/x.conf\n";
        let unit = UnitSeen::parse(text, &zone).unwrap();
        assert_eq!(unit.calendars, ["Sun *-*-01..07 00:00:00", "daily"]);
        assert_eq!((unit.next, unit.last), (Some(1_796_537_602), None));
        assert!(unit.active && unit.is_enabled() && !unit.is_masked());
        assert_eq!(unit.drop_ins.len(), 2);
        assert_eq!(UnitSeen::parse("Id=x.timer\nLoadState=not-found\n", &zone), None);
        assert_eq!(UnitSeen::parse("", &zone), None);
    }

    #[test]
    fn the_time_of_a_part_as_units_and_files_say_it() {
        for (text, expected) in [
            ("\"MDADM_CHECK_DURATION=6 hours\"", Some("6 hours")),
            ("A=1 \"MDADM_CHECK_DURATION=6 hours\" B=2", Some("6 hours")),
            ("MDADM_CHECK_DURATION=6 hours B=2", Some("6 hours")),
            ("MDADM_CHECK_DURATION=\"90 minutes\"\nX=y\n", Some("90 minutes")),
            ("# c\nMDADM_CHECK_DURATION=1h\n", Some("1h")),
            ("OTHER_MDADM_CHECK_DURATION=1h", None),
            ("A=1 MDADM_CHECK_DURATION=", Some("")),
            ("", None),
        ] {
            assert_eq!(variable(text, MOST).as_deref(), expected, "{text}");
        }
        let service = UnitSeen {
            name: "mdcheck_continue.service".into(),
            runs: "{ path=/x ; argv[]=/x --start --duration ${MDADM_CHECK_DURATION} ; ignore_errors=no }"
                .into(),
            environment: "\"MDADM_CHECK_DURATION=6 hours\"".into(),
            environment_files: vec!["/run/sysconfig/mdadm".into()],
            ..UnitSeen::default()
        };
        let mut seen = ScheduleSeen::default();
        assert_eq!(seen.most(&service).as_deref(), Some("6 hours"));
        seen.files.insert("/run/sysconfig/mdadm".into(), "MDADM_CHECK_DURATION=\"2 hours\"\n".into());
        assert_eq!(seen.most(&service).as_deref(), Some("2 hours"), "a file wins");
        let fixed = UnitSeen { runs: "{ argv[]=/x --duration 3 hours ; }".into(), ..UnitSeen::default() };
        assert_eq!(seen.most(&fixed).as_deref(), Some("3 hours"));
    }

    #[test]
    fn jobs_of_cron_and_their_switch() {
        let debian = "# by Martin\n57 0 * * 0 root if [ -x /usr/share/mdadm/checkarray ]; then /usr/share/mdadm/checkarray --cron --all --idle; fi\n";
        let job = CronJob::find("/etc/cron.d/mdadm", debian).unwrap();
        assert_eq!((job.line, job.asks), (2, true));
        let own = CronJob::find("x", "0 1 * * * root echo check > /sys/block/md0/md/sync_action\n").unwrap();
        assert!(!own.asks);
        assert_eq!(CronJob::find("x", "# mdcheck\n0 1 * * * root backup\n"), None);
        let seen = |autocheck| ScheduleSeen { jobs: vec![job.clone()], autocheck, ..ScheduleSeen::default() };
        assert_eq!(seen(Some(false)).others().count(), 0);
        assert_eq!(seen(Some(true)).others().count(), 1);
        assert_eq!(seen(None).others().count(), 1);
        for (text, expected) in [
            ("AUTOCHECK=true\nAUTOCHECK='false'\n", Some(false)),
            (" AUTOCHECK=\"true\"", Some(true)),
            ("#AUTOCHECK=false\n", None),
        ] {
            assert_eq!(autocheck(text), expected, "{text}");
        }
    }
}

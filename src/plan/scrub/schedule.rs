//! When checks run: what systemd's timers are told, and what besides them begins checks.

use std::time::Duration;

use crate::{
    model::scrub::schedule::{MOST, PART, ScheduleSeen, TURN, UnitSeen},
    plan::{Plan, Refusal, Step, SystemStep, TextChange, UnitVerb, Warning},
    request::{ScheduleRequest, ScheduleWhen},
};

/// Where an administrator's changes of units are.
const UNITS: &str = "/etc/systemd/system";
/// systemd's files with the times at which timers ran last.
const STAMPS: &str = "/var/lib/systemd/timers";
const HEAD: &str = "# Written by `mdctl scrub schedule`, and again by the next one. Without this file the package's unit is as it was.";
const MONTHLY: &str = "Sun *-*-1..7 00:00";
const WEEKLY: &str = "Sun *-*-* 00:00";
const LONGEST_CALENDAR: usize = 200;

/// Our files that change a unit: when it is due, and how long it may take.
fn due_file(unit: &str) -> String {
    format!("{UNITS}/{unit}.d/mdctl-schedule.conf")
}

fn most_file(service: &str) -> String {
    format!("{UNITS}/{service}.d/mdctl-duration.conf")
}

/// All of our files.
#[must_use]
pub fn files() -> Vec<String> {
    let services = [TURN, PART].map(|name| format!("{name}.service"));
    let most = services.iter().map(|service| most_file(service));
    most.chain([due_file(&format!("{TURN}.timer")), due_file(&format!("{TURN}.service"))]).collect()
}

/// What helps where systemd does not run.
fn for_cron(request: &ScheduleRequest) -> String {
    let due = if matches!(request.when, Some(ScheduleWhen::Weekly)) { "0 0 * * 0" } else { "0 0 1 * *" };
    let instead = match &request.when {
        Some(ScheduleWhen::Off) => {
            return "without systemd, cron or another program begins checks, if any does: take its line out"
                .to_owned();
        }
        Some(ScheduleWhen::On(calendar)) => {
            format!(
                "; write {} in place of `{due}` in the form that crontab(5) describes",
                calendar.trim().escape_debug()
            )
        }
        Some(ScheduleWhen::Monthly | ScheduleWhen::Weekly) | None => String::new(),
    };
    let most = request.most.map_or("6h".to_owned(), |most| format!("{}min", most.as_secs().div_ceil(60)));
    format!(
        "without systemd, cron does the same by two lines in /etc/cron.d/mdctl: `{due} root mdctl scrub renew --quiet` and \
         `0 1 * * * root mdctl scrub run --quiet --due --for={most}`, with PATH=/usr/sbin:/usr/bin:/sbin:/bin above them{instead}"
    )
}

/// What is to be known of the schedule as it is.
#[must_use]
pub fn remarks(seen: &ScheduleSeen) -> Vec<String> {
    let mut remarks = Vec::new();
    let timers: Vec<&UnitSeen> = [TURN, PART].iter().filter_map(|name| seen.unit(name, "timer")).collect();
    if !seen.systemd {
        remarks.push(for_cron(&ScheduleRequest::default()));
    } else if timers.len() < 2 {
        remarks.push(format!("{} is not installed: it is part of the package", missing(seen)));
    }
    for timer in &timers {
        if timer.is_enabled() && !timer.active {
            let name = &timer.name;
            remarks.push(format!("{name} is on and does not run: mdmonitor.service starts it with the first array; systemctl start {name} starts it now"));
        }
    }
    let on: Vec<bool> = timers.iter().map(|timer| timer.active || timer.is_enabled()).collect();
    if on.len() == 2 && on.first() != on.last() {
        remarks.push("only one of the two timers is on, so arrays are not checked as they should be; `mdctl scrub schedule --monthly` turns both on".to_owned());
    }
    if seen.autocheck == Some(false) && on.contains(&true) {
        remarks.push("AUTOCHECK=false in /etc/default/mdadm keeps `checkarray --cron` from checking, and not these timers; `mdctl scrub schedule --off` does that".to_owned());
    }
    let is_on = |unit: &&UnitSeen| unit.active || unit.is_enabled();
    if let Some(other) = seen.unit("raid-check", "timer").filter(is_on) {
        let what = if on.contains(&true) { "as well" } else { "instead" };
        remarks.push(format!("{} checks arrays {what}", other.name));
    }
    remarks.extend(others(seen));
    remarks
}

fn others(seen: &ScheduleSeen) -> impl Iterator<Item = String> {
    seen.others().map(|job| format!("{}, line {}: cron checks arrays, too", job.file, job.line))
}

fn missing(seen: &ScheduleSeen) -> String {
    let absent = |name: &&str| seen.unit(name, "timer").is_none();
    let names: Vec<String> =
        [TURN, PART].into_iter().filter(absent).map(|name| format!("{name}.timer")).collect();
    names.join(" and ")
}

/// What is done so that checks run as is asked for.
///
/// # Errors
/// There are no timers that could be set, the calendar is not one, or what is written would not count.
pub fn schedule(request: &ScheduleRequest, seen: &ScheduleSeen) -> Result<Plan, Refusal> {
    if !seen.systemd {
        return Err(Refusal::new("systemd does not run here, so there are no timers to be set")
            .hint(for_cron(request)));
    }
    let timers = timers(seen)?;
    let mut plan = Plan::default();
    let mut parts = Vec::new();
    if request.when == Some(ScheduleWhen::Off) {
        return Ok(off(&timers, seen));
    }
    let mut changes = Vec::new();
    if let Some(when) = &request.when {
        let calendar = calendar(when, seen)?;
        changes.extend(turns(when, calendar, seen)?);
        parts.push(format!("all arrays are due: {calendar}"));
    }
    if let Some(most) = request.most {
        changes.extend(longest(most, seen)?);
        parts.push(format!("a part of a check takes {} at most", words(most)));
    }
    let files: Vec<TextChange> = changes.into_iter().filter(|file| file.from != file.to).collect();
    let is_due = |file: &TextChange| file.path == due_file(&format!("{TURN}.timer"));
    let is_new = files.iter().any(is_due);
    if !files.is_empty() {
        plan.steps.extend(around(is_new, files, timers[0]));
    }
    if request.when.is_some() {
        let off: Vec<String> = names(timers.iter().filter(|timer| !timer.is_enabled()));
        plan.steps.extend((!off.is_empty()).then(|| act(UnitVerb::Enable, off)));
        // The changed one was stopped.
        let down = timers.iter().enumerate().filter(|(nth, timer)| !timer.active || (*nth == 0 && is_new));
        let down = names(down.map(|(_, timer)| timer));
        plan.steps.extend((!down.is_empty()).then(|| act(UnitVerb::Start, down)));
    }
    plan.summary = parts.join("; ");
    if plan.steps.is_empty() {
        plan.summary.push_str(": so it is already");
    } else {
        plan.steps.push(Step::Commit);
    }
    plan.warnings.extend(others(seen).map(Warning::note));
    Ok(plan)
}

fn act(verb: UnitVerb, units: Vec<String>) -> Step {
    Step::System(SystemStep::Units { verb, units })
}

fn names<'a>(units: impl Iterator<Item = &'a &'a UnitSeen>) -> Vec<String> {
    units.map(|unit| unit.name.clone()).collect()
}

fn timers(seen: &ScheduleSeen) -> Result<[&UnitSeen; 2], Refusal> {
    let [Some(turn), Some(part)] = [TURN, PART].map(|name| seen.unit(name, "timer")) else {
        return Err(Refusal::new(format!("{} is not installed", missing(seen)))
            .hint("the units are part of the package, and of `make install`"));
    };
    match [turn, part].into_iter().find(|timer| timer.is_masked()) {
        Some(UnitSeen { name, .. }) => {
            Err(Refusal::new(format!("{name} is masked")).hint(format!("systemctl unmask {name}")))
        }
        None => Ok([turn, part]),
    }
}

/// A timer whose calendar changes is stopped meanwhile, and begins to count now: else systemd would find that the new time was
/// missed since the timer ran last, and begin a check at once. (That time is not put back where a later step fails; what it costs
/// is that a missed turn waits for the next.)
fn around(is_new: bool, files: Vec<TextChange>, turn: &UnitSeen) -> Vec<Step> {
    let mut steps = Vec::new();
    if is_new && turn.active {
        steps.push(act(UnitVerb::Stop, vec![turn.name.clone()]));
    }
    steps.push(Step::System(SystemStep::UnitFiles { files }));
    if is_new && turn.last.is_some() {
        let path = format!("{STAMPS}/stamp-{}", turn.name);
        steps.push(Step::System(SystemStep::WriteFile { path, text: String::new(), mode: 0o644 }));
    }
    steps
}

fn off(timers: &[&UnitSeen; 2], seen: &ScheduleSeen) -> Plan {
    let active = names(timers.iter().filter(|timer| timer.active));
    let enabled = names(timers.iter().filter(|timer| timer.is_enabled()));
    let mut plan = Plan { summary: "no checks by timers".to_owned(), ..Plan::default() };
    plan.steps.extend((!active.is_empty()).then(|| act(UnitVerb::Stop, active)));
    plan.steps.extend((!enabled.is_empty()).then(|| act(UnitVerb::Disable, enabled)));
    if plan.steps.is_empty() {
        plan.summary.push_str(": so it is already");
    } else {
        plan.steps.push(Step::Commit);
    }
    let runs = seen.unit(PART, "service").is_some_and(|service| service.active);
    plan.warnings.extend(
        runs.then(|| Warning::note("a check that has begun goes on; mdctl scrub stop stops and notes it")),
    );
    plan.warnings.extend(others(seen).map(Warning::note));
    plan
}

fn calendar<'a>(when: &'a ScheduleWhen, seen: &ScheduleSeen) -> Result<&'a str, Refusal> {
    let calendar = match when {
        ScheduleWhen::Off | ScheduleWhen::Monthly => return Ok(MONTHLY),
        ScheduleWhen::Weekly => return Ok(WEEKLY),
        ScheduleWhen::On(calendar) => calendar.trim(),
    };
    let hint = "systemd.time(7) says what a calendar is: 'Sat 02:00', '*-*-1 03:30', weekly";
    // It becomes a line of a file, in which % and \ have meanings.
    let may_be = |c: char| c.is_ascii_alphanumeric() || " *-:,./~_+".contains(c);
    if calendar.is_empty() || calendar.len() > LONGEST_CALENDAR || !calendar.chars().all(may_be) {
        return Err(Refusal::new(format!("{} is not a calendar", calendar.escape_debug())).hint(hint));
    }
    match &seen.calendar {
        Some(Err(why)) => Err(Refusal::new(format!("{calendar} is not a calendar: {why}")).hint(hint)),
        Some(Ok(())) | None => Ok(calendar),
    }
}

/// The files that say when all arrays are due.
fn turns(when: &ScheduleWhen, calendar: &str, seen: &ScheduleSeen) -> Result<Vec<TextChange>, Refusal> {
    let (timer, service) = (format!("{TURN}.timer"), format!("{TURN}.service"));
    let exactly = matches!(when, ScheduleWhen::On(_));
    let delay = if exactly { "RandomizedDelaySec=0\n" } else { "" };
    let text = format!("{HEAD}\n[Timer]\nOnCalendar=\nOnCalendar={calendar}\n{delay}");
    let mut files = vec![file(due_file(&timer), Some(text), seen)];
    counts(&timer, &due_file(&timer), "OnCalendar", seen)?;
    // Older units check by themselves; newer ones have arrays due, and the daily part would begin hours later.
    let renews = seen.unit(TURN, "service").is_some_and(|unit| unit.runs.contains("--restart"));
    let at_once = format!("{HEAD}\n[Unit]\nWants={PART}.service\nBefore={PART}.service\n");
    files.push(file(due_file(&service), (exactly && renews).then_some(at_once), seen));
    Ok(files)
}

/// The files that say how long a part may take.
fn longest(most: Duration, seen: &ScheduleSeen) -> Result<Vec<TextChange>, Refusal> {
    let services = [TURN, PART].iter().filter_map(|name| seen.unit(name, "service"));
    let services: Vec<&UnitSeen> = services.filter(|service| service.takes_time()).collect();
    if services.is_empty() {
        return Err(Refusal::new(format!("{PART}.service does not take the time of a part from {MOST}"))
            .hint(format!("systemctl cat {PART}.service shows what it runs")));
    }
    let one = |service: &&UnitSeen| {
        let path = most_file(&service.name);
        counts(&service.name, &path, MOST, seen)?;
        // A file of the environment would win over what a unit says.
        let text = format!("{HEAD}\n[Service]\nEnvironmentFile=\nEnvironment=\"{MOST}={}\"\n", words(most));
        Ok(file(path, Some(text), seen))
    };
    services.iter().map(one).collect()
}

fn file(path: String, to: Option<String>, seen: &ScheduleSeen) -> TextChange {
    TextChange { from: seen.files.get(&path).cloned(), to, path }
}

/// systemd reads files of a unit in the order of their names, wherever they are: what comes after ours may take it back.
fn counts(unit: &str, ours: &str, key: &str, seen: &ScheduleSeen) -> Result<(), Refusal> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let (stem, _) = unit.rsplit_once('.').unwrap_or((unit, ""));
    let kind = unit.rsplit('.').next().unwrap_or_default();
    let drop_ins = seen.unit(stem, kind).map(|unit| unit.drop_ins.as_slice()).unwrap_or_default();
    let sets = |path: &&String| {
        let text = seen.files.get(*path).map(String::as_str).unwrap_or_default();
        text.lines().any(|line| !line.trim_start().starts_with(['#', ';']) && line.contains(key))
    };
    let later = drop_ins.iter().filter(|path| name(path) > name(ours)).find(sets);
    match later {
        Some(path) => Err(Refusal::new(format!("{path} sets {key} as well, and would win"))
            .hint(format!("remove it there, or set it there: systemctl edit {unit}"))),
        None => Ok(()),
    }
}

/// As `date` and people read it.
fn words(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(3600, "hour"), (60, "minute"), (1, "second")];
    let (size, unit) = units.into_iter().find(|(size, _)| seconds % size == 0).unwrap_or((1, "second"));
    let count = seconds / size;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;

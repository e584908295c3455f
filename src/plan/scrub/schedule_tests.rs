use super::*;
use crate::{
    model::scrub::schedule::CronJob,
    plan::{fake::Fake, run},
};

fn unit(name: &str) -> UnitSeen {
    let runs = match name {
        "mdcheck_start.service" => "{ argv[]=/usr/share/mdadm/mdcheck --restart ; }",
        "mdcheck_continue.service" => "{ argv[]=/x --start --duration ${MDADM_CHECK_DURATION} ; }",
        _ => "",
    };
    UnitSeen {
        name: name.into(),
        load: "loaded".into(),
        file: "enabled".into(),
        active: name.ends_with("timer"),
        runs: runs.into(),
        last: Some(1),
        ..UnitSeen::default()
    }
}

fn seen() -> ScheduleSeen {
    let names = [
        "mdcheck_start.timer",
        "mdcheck_continue.timer",
        "mdcheck_start.service",
        "mdcheck_continue.service",
    ];
    ScheduleSeen { systemd: true, units: names.map(unit).to_vec(), ..ScheduleSeen::default() }
}

fn when(when: ScheduleWhen) -> ScheduleRequest {
    ScheduleRequest { when: Some(when), most: None }
}

fn steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

/// What the plan writes, by the last part of the path.
fn written(plan: &Plan, name: &str) -> Option<String> {
    let files = plan.steps.iter().find_map(|step| match step {
        Step::System(SystemStep::UnitFiles { files }) => Some(files),
        _ => None,
    })?;
    files.iter().find(|file| file.path.contains(name)).and_then(|file| file.to.clone())
}

#[test]
fn a_turn_is_set_by_files_and_begins_to_count_now() {
    let plan = schedule(&when(ScheduleWhen::Weekly), &seen()).unwrap();
    assert_eq!(
        steps(&plan),
        [
            "systemctl stop mdcheck_start.timer",
            "write /etc/systemd/system/mdcheck_start.timer.d/mdctl-schedule.conf; systemctl daemon-reload",
            "write the file /var/lib/systemd/timers/stamp-mdcheck_start.timer",
            "systemctl start mdcheck_start.timer",
            "commit",
        ]
    );
    let text = written(&plan, "start.timer.d").unwrap();
    assert!(text.ends_with("[Timer]\nOnCalendar=\nOnCalendar=Sun *-*-* 00:00\n"), "{text}");
    // Where it is so already, nothing is done.
    let mut again = seen();
    again.files.insert(due_file("mdcheck_start.timer"), text);
    let plan = schedule(&when(ScheduleWhen::Weekly), &again).unwrap();
    assert!(plan.steps.is_empty() && plan.summary.ends_with("so it is already"), "{plan}");
}

#[test]
fn a_named_time_is_kept_to_and_checks_begin_then() {
    let request = when(ScheduleWhen::On("Sat 02:00".into()));
    let plan = schedule(&request, &seen()).unwrap();
    assert!(
        written(&plan, "start.timer.d").unwrap().ends_with("OnCalendar=Sat 02:00\nRandomizedDelaySec=0\n")
    );
    let service = written(&plan, "start.service.d").unwrap();
    assert!(service.contains("Wants=mdcheck_continue.service\nBefore=mdcheck_continue.service"), "{service}");
    // An older unit checks by itself.
    let mut older = seen();
    older.units[2].runs = "{ argv[]=/usr/share/mdadm/mdcheck --duration ${MDADM_CHECK_DURATION} ; }".into();
    assert_eq!(written(&schedule(&request, &older).unwrap(), "start.service.d"), None);
    // Going back to a month takes the file away again.
    let mut then = seen();
    then.files.insert(due_file("mdcheck_start.service"), service);
    let plan = schedule(&when(ScheduleWhen::Monthly), &then).unwrap();
    assert!(steps(&plan)[1].contains("remove /etc/systemd/system/mdcheck_start.service.d/"), "{plan}");
}

#[test]
fn the_time_of_a_part_leaves_timers_alone() {
    let request = |seconds| ScheduleRequest { when: None, most: Some(Duration::from_secs(seconds)) };
    let plan = schedule(&request(5400), &seen()).unwrap();
    assert_eq!(plan.steps.len(), 2, "{plan}");
    let text = written(&plan, "continue.service.d").unwrap();
    assert!(
        text.ends_with("[Service]\nEnvironmentFile=\nEnvironment=\"MDADM_CHECK_DURATION=90 minutes\"\n"),
        "{text}"
    );
    for (seconds, expected) in [(3600, "1 hour"), (21_600, "6 hours"), (61, "61 seconds"), (60, "1 minute")] {
        assert_eq!(words(Duration::from_secs(seconds)), expected);
    }
    let mut fixed = seen();
    fixed.units[3].runs = "{ argv[]=/x --duration 3 hours ; }".into();
    assert!(schedule(&request(60), &fixed).is_err());
}

#[test]
fn off_stops_both_and_tells_what_goes_on() {
    let mut busy = seen();
    busy.units[3].active = true;
    busy.jobs = vec![CronJob { file: "/etc/cron.d/mdadm".into(), line: 3, asks: true }];
    let plan = schedule(&when(ScheduleWhen::Off), &busy).unwrap();
    let both = "mdcheck_start.timer mdcheck_continue.timer";
    assert_eq!(
        steps(&plan),
        [format!("systemctl stop {both}"), format!("systemctl disable {both}"), "commit".into()]
    );
    let said: Vec<&str> = plan.warnings.iter().map(|warning| warning.text.as_str()).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1].contains("/etc/cron.d/mdadm, line 3"), "{said:?}");
    busy.autocheck = Some(false);
    assert_eq!(schedule(&when(ScheduleWhen::Off), &busy).unwrap().warnings.len(), 1, "that one does nothing");
    // And back on.
    let mut off = seen();
    for timer in &mut off.units[..2] {
        (timer.active, timer.file) = (false, "disabled".into());
    }
    assert!(schedule(&when(ScheduleWhen::Off), &off).unwrap().steps.is_empty());
    let plan = schedule(&when(ScheduleWhen::Monthly), &off).unwrap();
    assert!(steps(&plan).contains(&format!("systemctl enable {both}")), "{plan}");
    assert!(steps(&plan).contains(&format!("systemctl start {both}")), "{plan}");
    assert!(!steps(&plan)[0].contains("stop"), "{plan}");
}

#[test]
fn what_would_not_count_is_refused() {
    let refused = |request: &ScheduleRequest, seen: &ScheduleSeen| schedule(request, seen).unwrap_err();
    let weekly = when(ScheduleWhen::Weekly);
    let none = refused(&weekly, &ScheduleSeen::default());
    assert!(none.hint.unwrap().contains("`0 0 * * 0 root mdctl scrub renew"), "{}", none.text);
    let bare = ScheduleSeen { systemd: true, ..ScheduleSeen::default() };
    assert!(refused(&weekly, &bare).text.starts_with("mdcheck_start.timer and mdcheck_continue.timer"));
    let mut masked = seen();
    masked.units[1].load = "masked".into();
    assert_eq!(refused(&weekly, &masked).hint.as_deref(), Some("systemctl unmask mdcheck_continue.timer"));
    // A file that is read after ours.
    let mut later = seen();
    let path = "/etc/systemd/system/mdcheck_start.timer.d/override.conf".to_owned();
    later.units[0].drop_ins = vec![path.clone()];
    later.files.insert(path.clone(), "[Timer]\nOnCalendar=\nOnCalendar=monthly\n".into());
    assert!(refused(&weekly, &later).text.starts_with(&path));
    later.files.insert(path, "[Timer]\n# OnCalendar=monthly\nRandomizedDelaySec=1h\n".into());
    assert!(schedule(&weekly, &later).is_ok());
    for calendar in ["", "Sat\n[Service]", "%h", "Sat 02:00; rm", "a\\b"] {
        assert!(schedule(&when(ScheduleWhen::On(calendar.into())), &seen()).is_err(), "{calendar}");
    }
    let odd = ScheduleSeen { calendar: Some(Err("Failed to parse".into())), ..seen() };
    assert!(refused(&when(ScheduleWhen::On("Sux".into())), &odd).text.contains("Failed to parse"));
}

#[test]
fn a_step_that_fails_leaves_everything_as_it_was() {
    let request = ScheduleRequest {
        when: Some(ScheduleWhen::On("Sat 02:00".into())),
        most: Some(Duration::from_secs(3600)),
    };
    let mut seen = seen();
    seen.units[1].file = "disabled".into();
    seen.units[0].last = None;
    let plan = schedule(&request, &seen).unwrap();
    let fresh = || {
        let mut host = Fake::default();
        host.state.units.0.insert("mdcheck_start.timer".into());
        host.state.units.1.extend(["mdcheck_start.timer", "mdcheck_continue.timer"].map(str::to_owned));
        host
    };
    for fail_at in 0..plan.steps.len() {
        let mut host = Fake { fail_at: Some(fail_at), ..fresh() };
        assert!(run::run(&plan, &mut host).is_err(), "{fail_at}");
        assert_eq!(host.state, fresh().state, "{fail_at}");
    }
    let mut host = fresh();
    run::run(&plan, &mut host).unwrap();
    assert_eq!((host.state.texts.len(), host.state.units.0.len()), (3, 2));
}

#[test]
fn what_is_to_be_known_of_a_schedule() {
    assert!(remarks(&seen()).is_empty());
    let mut odd = ScheduleSeen { autocheck: Some(false), ..seen() };
    odd.units[0].active = false;
    odd.units[1].active = false;
    odd.units[1].file = "disabled".into();
    odd.units.push(UnitSeen { active: true, ..unit("raid-check.timer") });
    odd.jobs.push(CronJob { file: "/etc/cron.d/mine".into(), line: 1, asks: false });
    let said = remarks(&odd);
    for (said, expected) in said.iter().zip([
        "mdcheck_start.timer is on and does not run",
        "only one of the two",
        "AUTOCHECK=false",
        "raid-check.timer checks arrays as well",
        "/etc/cron.d/mine, line 1",
    ]) {
        assert!(said.starts_with(expected), "{said}");
    }
    assert_eq!(said.len(), 5);
    assert!(remarks(&ScheduleSeen::default())[0].starts_with("without systemd, cron"));
    for (when, part) in [
        (ScheduleWhen::Weekly, "`0 0 * * 0 root"),
        (ScheduleWhen::On("Sat 02:00".into()), "write Sat 02:00 in place of `0 0 1 * *`"),
        (ScheduleWhen::Off, "take its line out"),
    ] {
        let request = ScheduleRequest { when: Some(when), most: None };
        let refusal = schedule(&request, &ScheduleSeen::default()).unwrap_err();
        assert!(refusal.hint.iter().any(|hint| hint.contains(part)), "{part}: {refusal:?}");
    }
}

//! The grammar, by table: what is accepted, as what, and what is refused with which words.

use std::ffi::OsString;

use superblock::{Level, Sectors};

use super::{
    options::{self, Mode, OptionId, TABLE, by_id, letter_takes_argument},
    parse::{Parsed, parse},
};
use crate::request::{BitmapKind, Invocation, ManageOp, MemberSource, MiscAction, Request, SizeOrMax};

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn run(line: &str) -> Invocation {
    match parse(words(line)) {
        Ok(Parsed::Run(invocation)) => *invocation,
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal(line: &str) -> (String, u8) {
    match parse(words(line)) {
        Err(error) => (error.message, error.status),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_table_is_whole() {
    let names: Vec<&str> = TABLE.iter().flat_map(|opt| opt.names).copied().collect();
    let old = TABLE.iter().filter(|opt| !opt.id.is_new()).flat_map(|opt| opt.names);
    assert_eq!(old.count(), 103, "the original's");
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len());
    for opt in TABLE {
        assert_eq!(by_id(opt.id).names, opt.names);
        for (letter, modes) in opt.letters {
            for mode in Mode::ALL.into_iter().filter(|mode| modes.has(Some(*mode))) {
                let takes = letter_takes_argument(*letter, Some(mode)).unwrap();
                assert_eq!(takes, opt.arg != super::options::Arg::No, "-{letter} in {mode}");
            }
        }
    }
}

#[test]
fn a_backup_file_is_one_arrays() {
    let scan = "--backup_file not meaningful with a --scan assembly.";
    assert_eq!(refusal("-A --scan --backup-file=/b"), (scan.to_owned(), 1));
    let several = "can only assemble a single array when providing a backup file.";
    assert_eq!(refusal("-A --scan --backup-file=/b /dev/md0 /dev/md1"), (several.to_owned(), 1));
    run("-A --scan --backup-file=/b /dev/md0");
    run("-A --backup-file=/b /dev/md0 /dev/a /dev/b");
}

#[test]
fn create_is_understood_in_all_its_spellings() {
    let expected = run("--create /dev/md0 --level=5 --raid-devices=3 --chunk=64 /dev/a missing /dev/b");
    for line in [
        "-C /dev/md0 -l5 -n3 -c64 /dev/a missing /dev/b",
        "-Cl5 /dev/md0 -n 3 --rounding=64K /dev/a MISSING /dev/b",
        "/dev/md0 -C --lev raid5 --raid-d=3 -c 128s /dev/a missing /dev/b",
        "/dev/md0 --crea /dev/a missing /dev/b --raid-disks 3 --level raid5 --chunk 64",
    ] {
        assert_eq!(run(line), expected, "{line}");
    }
    let Request::Create(create) = expected.request else { panic!() };
    assert_eq!(create.level, Some(Level::Raid5));
    assert_eq!(create.chunk, Some(Sectors(128)));
    assert_eq!(create.raid_devices, Some(3));
    assert_eq!(create.members[1].source, MemberSource::Missing);
}

#[test]
fn flags_keep_their_place_among_devices() {
    let line = "-C /dev/md0 -l1 -n3 /dev/a -W /dev/b --failfast /dev/c -b internal --size=max";
    let Request::Create(create) = run(line).request else { panic!() };
    let flags: Vec<_> = create.members.iter().map(|m| (m.write_mostly, m.failfast)).collect();
    assert_eq!(flags, [(false, false), (true, false), (true, true)]);
    assert_eq!(create.bitmap, Some(BitmapKind::Internal));
    assert_eq!(create.size, Some(SizeOrMax::Max));

    let line = "/dev/md0 --fail a --remove a -W --add b -w c --add-spare d --replace e --with f";
    let Request::Manage(manage) = run(line).request else { panic!() };
    let ops: Vec<_> = manage.members.iter().map(|m| (m.op, m.write_mostly)).collect();
    assert_eq!(
        ops,
        [
            (ManageOp::Fail, None),
            (ManageOp::Remove, None),
            (ManageOp::Add, Some(true)),
            (ManageOp::Add, Some(false)),
            (ManageOp::AddSpare, Some(false)),
            (ManageOp::Replace, Some(false)),
            (ManageOp::With, Some(false)),
        ]
    );
}

#[test]
fn misc_actions_hold_for_the_devices_after_them() {
    let Request::Misc(misc) = run("--stop /dev/md0 --wait /dev/md1 /dev/md2").request else { panic!() };
    let actions: Vec<_> = misc.devices.iter().map(|(action, _)| action.clone()).collect();
    assert_eq!(actions, [MiscAction::Stop, MiscAction::Wait, MiscAction::Wait]);
    let Request::Misc(misc) = run("/dev/md0").request else { panic!() };
    assert_eq!(misc.action, MiscAction::Query);
    let invocation = run("-Dsb --json");
    assert!(invocation.common.brief && invocation.common.json);
}

#[test]
fn letters_change_with_the_mode() {
    let Request::Incremental(incremental) = run("-If sda").request else { panic!() };
    assert!(incremental.fail);
    let Request::Incremental(incremental) = run("-Ir").request else { panic!() };
    assert!(incremental.rebuild_map);
    let Request::Monitor(monitor) = run("-F -f -r 10 -m root /dev/md0 -1").request else { panic!() };
    assert_eq!((monitor.daemonise, monitor.increment, monitor.oneshot), (true, Some(10), true));
    let Request::Misc(misc) = run("--zero-super -f /dev/x").request else { panic!() };
    assert!(misc.force);
    assert!(run("-D -b /dev/md0").common.brief);
    let Request::Manage(manage) = run("/dev/md0 -a /dev/x -r /dev/y").request else { panic!() };
    assert_eq!(manage.members[1].op, ManageOp::Remove);
}

#[test]
fn refusals_speak_the_known_words() {
    for (line, message) in [
        (
            "/dev/md0 /dev/x",
            "An option must be given to set the mode before a second device\n       (/dev/x) is listed",
        ),
        ("-N foo", "-N does not set the mode, and so cannot be the first option."),
        ("--t", "--test does not set the mode, and so cannot be the first option."),
        ("-C -A", "-A would set mdadm mode to \"assemble\", but it is already set to \"create\"."),
        ("-A --detail", "--detail would set mdadm mode to \"misc\", but it is already set to \"assemble\"."),
        ("-C --stop", ":option --stop not valid in create mode"),
        ("-C -S", "option -S not valid in create mode"),
        (
            "/dev/md0 --stop",
            "No action given for /dev/md0 in --misc mode\n       Action options must come before device names",
        ),
        ("--bogus=1", "unrecognized option '--bogus=1'"),
        ("--det", "option '--det' is ambiguous; possibilities: '--detail' '--detail-platform'"),
        ("--detail=3", "option '--detail' doesn't allow an argument"),
        ("-C --uuid", "option '--uuid' requires an argument"),
        ("-C -l", "option requires an argument -- 'l'"),
        ("-g", "invalid option -- 'g'"),
        ("-C -p ls", "raid level must be given before layout."),
        ("-C -l1 -p n2", "layout not meaningful for raid1 arrays."),
        ("-C -x1 -l0", "raid level 0 is incompatible with spare-devices setting."),
        ("-C -l0 -x1", "spare-devices setting is incompatible with raid level 0"),
        ("-C -n2 -n3", "raid-devices set twice: 2 and 3"),
        ("-C -b /x/y", "Custom write-intent bitmap file option is not supported."),
        ("-C -k journal -l5", "--write-journal is required for consistency policy: journal"),
        ("-C -k resync -l5 -b internal", "--bitmap is not compatible with consistency policy: resync"),
        ("-C", "an md device must be given in this mode"),
        ("-A", "an md device must be given in this mode"),
        ("-D -E /dev/x", "--examine/-E cannot be given with -D"),
        ("-E -D /dev/x", "--examine/-E cannot be given with -D"),
        ("/dev/md0 -f x --with z", "--with must follow --replace"),
        ("-G /dev/md0 /dev/x", "Must give -a/--add for devices to add: /dev/x"),
        ("--manage /dev/md0 /dev/sda", "Must give one of -a/-r/-f for subsequent devices at /dev/sda"),
        ("-B /dev/md0 -l5", "Raid level 5 not permitted with --build."),
        ("", ""),
    ] {
        assert_eq!(refusal(line), (message.to_owned(), 2), "{line}");
    }
}

#[test]
fn help_is_made_of_the_table() {
    for line in ["--help", "-C -h", "--help-options", "--config --help", "-c -h", "-Ah"] {
        assert!(matches!(parse(words(line)), Ok(Parsed::Help(text)) if text.len() > 400), "{line}");
    }
    assert_eq!(parse(words("-q -V")), Ok(Parsed::Version));
    let Ok(Parsed::Help(text)) = parse(words("--help-options")) else { panic!() };
    for opt in TABLE {
        assert!(opt.names.iter().all(|name| text.contains(&format!("--{name}"))), "{:?}", opt.names);
    }
    assert_eq!(by_id(OptionId::Json).names, ["json"]);
}

#[test]
fn callers_find_a_version_that_they_accept() {
    let text = super::help::version("mdadm");
    let number = text.strip_prefix("mdadm - v").unwrap().split(' ').next().unwrap();
    let (major, minor) = number.split_once('.').unwrap();
    assert!((major.parse::<u32>().unwrap(), minor.parse::<u32>().unwrap()) > (3, 4), "{text}");
    assert!(super::help::version("mdctl").starts_with("mdctl "));
}

/// `tests/fixtures/option-modes.txt` is what mdadm 4.6 says to each option in each mode.
#[test]
fn every_option_is_accepted_where_it_should_be() {
    let modes = ["-A", "-B", "-C", "-G", "-I", "--manage", "--misc", "-F", "--auto-detect"];
    let mut seen = 0;
    for line in include_str!("../../tests/fixtures/option-modes.txt").lines().filter(|l| !l.starts_with('#'))
    {
        let (name, verdicts) = line.split_once(' ').unwrap();
        for (mode, verdict) in modes.iter().zip(verdicts.chars()) {
            let opt = TABLE.iter().find(|opt| opt.names.contains(&name)).unwrap();
            let value = if opt.arg == super::options::Arg::No { "" } else { "=1" };
            let said = match parse(words(&format!("{mode} --{name}{value}"))) {
                Ok(_) => String::new(),
                Err(error) => error.message,
            };
            let found = if said.contains("not valid in") {
                '.'
            } else if said.contains("would set mdadm mode") {
                'x'
            } else {
                'o'
            };
            // Ours alone: a device that is gone is failed even where its array is lost with it.
            let verdict = if (name, *mode) == ("force", "-I") { 'o' } else { verdict };
            assert_eq!(found, verdict, "--{name} after {mode}: {said}");
            seen += 1;
        }
    }
    assert_eq!(seen, 103 * 9);
}

mod any {
    //! Nothing that can be typed or written into a configuration file makes us panic.

    use proptest::prelude::*;

    use super::{TABLE, parse};
    use crate::config::{conf, map, name::ArrayWord, policy};

    /// Words that are nearly right: options of the table, abbreviated and not, letters, values, devices.
    fn word() -> impl Strategy<Value = String> {
        let names: Vec<&str> = TABLE.iter().flat_map(|opt| opt.names).copied().collect();
        let value = prop_oneof![
            Just(String::new()),
            "=[0-9]{0,20}[sKMGTk]?",
            "=(max|none|internal|variable|raid10|n2|f3|help|1\\.2|missing|\u{fffd})",
            "=\\PC{0,12}",
        ];
        prop_oneof![
            4 => (prop::sample::select(names), 1usize..20, value).prop_map(|(name, cut, value)| {
                format!("--{}{value}", name.get(..cut).unwrap_or(name))
            }),
            2 => "-[a-zA-Z0-9]{1,4}",
            2 => "/dev/(md[0-9]{1,8}|sd[a-z]|md/[a-z:.]{1,40})",
            1 => "(missing|failed|detached|set-A|8:16|-|--|max|raid5|n2)",
            1 => "\\PC{0,20}",
        ]
    }

    proptest! {
        #[test]
        fn command_line(line in prop::collection::vec(word(), 0..12)) {
            let _ = parse(line.iter().map(Into::into));
            let _ = crate::cli::understand("mdctl", line.iter().map(Into::into).collect());
            for program in ["mdadm", "mdctl"] {
                let _ = crate::cli::complete::complete(program, &line);
            }
        }

        #[test]
        fn command_line_of_bytes(line in prop::collection::vec(prop::collection::vec(1u8.., 0..16), 0..8)) {
            use std::os::unix::ffi::OsStringExt;
            let _ = parse(line.into_iter().map(std::ffi::OsString::from_vec));
        }

        #[test]
        fn configuration(text in "((ARRAY|DEVICE|CREATE|AUTO|POLICY|SYSFS|HOMEHOST|mail|prob)[ \t\n\"'#=,:a-z0-9/<>*\\[\\]-]{0,60}\n){0,8}") {
            let (config, _) = conf::parse([("f", text.as_str())]);
            let rules = config.auto.unwrap_or_default();
            let _ = policy::auto(&rules, policy::FormatFamily::V1);
            let paths = [text.clone()];
            let subject = policy::PolicySubject { paths: &paths, is_partition: true, family: None };
            let _ = policy::policy(&config.policies, &subject);
        }

        #[test]
        fn any_text(text in "\\PC*") {
            let _ = conf::parse([("f", text.as_str())]);
            let _ = ArrayWord::parse(&text);
            let entries = map::parse(&text);
            prop_assert_eq!(map::parse(&map::format(&entries)), entries);
        }
    }
}

#[test]
fn no_abbreviation_of_the_original_means_something_new_or_becomes_ambiguous() {
    let old: Vec<&str> =
        TABLE.iter().filter(|opt| !opt.id.is_new()).flat_map(|opt| opt.names).copied().collect();
    for name in &old {
        for end in 1..=name.len() {
            match options::by_name(&name[..end]) {
                options::FoundOption::One(opt, _) => assert!(!opt.id.is_new(), "{}", &name[..end]),
                options::FoundOption::Ambiguous(names) => {
                    assert!(names.iter().all(|n| old.contains(n)), "{names:?}")
                }
                options::FoundOption::Unknown => panic!("{name}"),
            }
        }
    }
    let uuid = "01234567:89abcdef:01234567:89abcdef";
    let Request::Create(create) = run(&format!("-C /dev/md0 -l1 -n2 --destroy={uuid} a b")).request else {
        panic!()
    };
    assert_eq!(create.destroy, uuid.parse().ok());
    assert!(run("-C /dev/md0 -l1 -n2 --no-archive a b").common.no_archive);
}

#[test]
fn an_option_with_a_row_has_an_effect() {
    for option in TABLE {
        for mode in options::Mode::ALL.into_iter().filter(|mode| option.modes.has(Some(*mode))) {
            let value = match option.arg {
                options::Arg::No => None,
                options::Arg::Required(_) | options::Arg::Optional(_) => Some(std::ffi::OsStr::new("1")),
            };
            let said = super::low::LowArgs::default().option(option.id, "--it", value, Some(mode));
            let bug = said.is_err_and(|error| format!("{error:?}").contains("this is a bug"));
            assert!(!bug, "{:?} in {mode:?}", option.id);
        }
    }
}

/// What is typed is not lost on the way: in each mode that takes an option, the request is another one with it.
#[test]
fn an_option_reaches_the_request_of_each_of_its_modes() {
    // What stands before and after the option; some options mean something only beside others.
    let lines = |mode: Mode| -> &[(&str, &str)] {
        match mode {
            Mode::Assemble => &[("-A", "/dev/md0 a"), ("-A --scan", "")],
            Mode::Build => &[("-B", "/dev/md0 a b"), ("-B -lfaulty", "/dev/md0 a")],
            Mode::Create => &[("-C", "/dev/md0 a b c"), ("-C -l5", "/dev/md0 a b c")],
            Mode::Grow => &[("-G /dev/md0", "")],
            Mode::Incremental => &[("-I", "/dev/a"), ("-I --run", "")],
            Mode::Manage => &[("--manage /dev/md0", "--re-add a"), ("--manage /dev/md0 --replace a", "b")],
            Mode::Misc => &[
                ("-D", "/dev/md0"),
                ("-E", "/dev/a"),
                ("--update-subarray=0 --update=name", "/dev/md0"),
                ("--update-subarray=0", "/dev/md0"),
            ],
            Mode::Monitor => &[("-F", "/dev/md0"), ("-F --daemonise", ""), ("-F --daemonise", "/dev/md0")],
            Mode::AutoDetect => &[("--auto-detect", "")],
        }
    };
    let uuid = "11111111:22222222:33333333:44444444";
    let values = [
        "1", "2", "64", "internal", "none", "1.0", "home", "ppl", "4096", "name", "resync", uuid, "/dev/j",
        "check", "ls", "wt", "bbl",
    ];
    let is_passed_over = |option: &options::Opt, mode: Mode| match option.id {
        OptionId::OffRoot | OptionId::UseDevlinks | OptionId::Auto => true,
        // The mode itself, and what it does unasked.
        _ => option.sets == options::Sets::Always(mode),
    };
    let differs = |option: &options::Opt, (before, after): &(&str, &str)| {
        let without = ["", "x"].map(|more| parse(words(&format!("{before} {after} {more}"))));
        let name = option.names[0];
        let given: Vec<String> = match option.arg {
            options::Arg::No => vec![format!("--{name}")],
            options::Arg::Required(_) | options::Arg::Optional(_) => {
                values.iter().map(|value| format!("--{name}={value}")).collect()
            }
        };
        let lines = given
            .iter()
            .flat_map(|given| [format!("{before} {given} {after}"), format!("{before} {after} {given} x")]);
        let mut said = lines.map(|line| parse(words(&line)));
        said.any(|said| said.is_ok() && !without.contains(&said))
    };
    let all = TABLE.iter().flat_map(|option| {
        Mode::ALL.into_iter().filter(|mode| option.modes.has(Some(*mode))).map(move |mode| (option, mode))
    });
    let lost: Vec<String> = all
        .filter(|(option, mode)| !is_passed_over(option, *mode))
        .filter(|(option, mode)| !lines(*mode).iter().any(|line| differs(option, line)))
        .map(|(option, mode)| format!("--{} in {mode}", option.names[0]))
        .collect();
    assert!(lost.is_empty(), "these change nothing: {lost:?}");
}

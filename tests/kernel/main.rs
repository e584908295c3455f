//! Tests on a real kernel's md driver, in the virtual machine of tests/vm and nowhere else.
//!
//! `cargo test` on any other machine lists every case as ignored and says why; it never passes one.
//! `tests/vm/test [PART-OF-A-NAME]` runs them. One module per area of the commands; a new one is one line here.

#![expect(clippy::disallowed_methods, reason = "a case looks at the machine itself")]

mod alternate;
mod archive;
mod assemble;
mod attributes;
mod boot;
mod bounds;
mod build;
mod configuration;
mod create;
mod detail;
mod dm;
mod examine;
mod explain;
mod faults;
mod groups;
mod grow;
mod guest;
mod history;
mod incremental;
mod ioctl;
mod killed;
mod limits;
mod manage;
mod members;
mod metadata;
mod misc;
mod monitor;
mod moved;
mod nodes;
mod options;
mod powercut;
mod raid6check;
mod readme;
mod scrub;
mod siblings;
mod smoke;
mod snapshot;
mod snapshot_cut;
mod status;
mod trials;
mod update;
mod users;
mod vanish;
mod volume;
mod volume_killed;
mod written_over;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let mut arguments = Arguments::from_args();
    // The cases share one kernel's names and disks.
    arguments.test_threads = Some(1);
    let areas = [
        ("archive", archive::cases()),
        ("written_over", written_over::cases()),
        ("history", history::cases()),
        ("assemble", assemble::cases()),
        ("incremental", incremental::cases()),
        ("attributes", attributes::cases()),
        ("boot", boot::cases()),
        ("bounds", bounds::cases()),
        ("build", build::cases()),
        ("configuration", configuration::cases()),
        ("create", create::cases()),
        ("detail", detail::cases()),
        ("dm", dm::cases()),
        ("grow", grow::cases()),
        ("examine", examine::cases()),
        ("explain", explain::cases()),
        ("faults", faults::cases()),
        ("groups", groups::cases()),
        ("ioctl", ioctl::cases()),
        ("limits", limits::cases()),
        ("manage", manage::cases()),
        ("members", members::cases()),
        ("killed", killed::cases()),
        ("metadata", metadata::cases().into_iter().chain(alternate::cases()).collect()),
        ("misc", misc::cases()),
        ("monitor", monitor::cases()),
        ("nodes", nodes::cases()),
        ("options", options::cases()),
        ("powercut", powercut::cases()),
        ("raid6check", raid6check::cases()),
        ("readme", readme::cases()),
        ("scrub", scrub::cases()),
        ("smoke", smoke::cases()),
        ("snapshot", snapshot::cases().into_iter().chain(moved::cases()).collect()),
        ("siblings", siblings::cases()),
        ("snapshot_cut", snapshot_cut::cases()),
        ("status", status::cases()),
        ("trials", trials::cases()),
        ("update", update::cases()),
        ("users", users::cases()),
        ("volume", volume::cases()),
        ("volume_killed", volume_killed::cases()),
        ("vanish", vanish::cases()),
    ];
    let place = guest::place();
    let share = guest::share();
    let trials = areas
        .into_iter()
        .flat_map(|(area, cases)| cases.into_iter().map(move |case| (area, case)))
        .enumerate()
        .filter(|(nth, (_, case))| match place {
            guest::Place::Loops => case.on_loops,
            guest::Place::Guest | guest::Place::Elsewhere(_) => share.takes(*nth),
        })
        .map(|(_, (area, case))| trial(area, case, place))
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// A case that cannot run here is ignored and carries the reason where the harness prints the kind of test.
fn trial(area: &str, case: guest::Case, place: guest::Place) -> Trial {
    let name = format!("{area}::{}", case.name);
    let obstacle = match place {
        guest::Place::Guest => case.obstacle(),
        guest::Place::Loops => None,
        guest::Place::Elsewhere(why) => Some(why.to_owned()),
    };
    match obstacle {
        None => Trial::test(name.clone(), move || {
            guest::timed(&name, || guest::run_case(case));
            Ok(())
        }),
        Some(why) => {
            let message = format!("not run: {why}");
            let failure = Failed::from(&message);
            Trial::test(name, move || Err(failure)).with_kind(message).with_ignored_flag(true)
        }
    }
}

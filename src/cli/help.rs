//! Help texts, made from the option table.

use std::fmt::Write;

use super::options::{Arg, Mode, Opt, OptionId, Sets, TABLE, by_id};

/// Two lines for a command line that was not understood.
pub fn usage(program: &str) -> String {
    format!("Usage: {program} --help\n  for help\n")
}

/// The release of mdadm whose behaviour is kept.
const MDADM: &str = "4.6";

/// What `--version` says. Callers look for `mdadm - v` and a number that they know.
pub fn version(program: &str) -> String {
    let ours = env!("CARGO_PKG_VERSION");
    if program == "mdctl" { format!("mdctl {ours}\n") } else { format!("mdadm - v{MDADM} - mdctl {ours}\n") }
}

/// Help for a mode, or the general one.
pub fn text(mode: Option<Mode>) -> String {
    let Some(mode) = mode else { return general() };
    let mut text = format!("{}\n", about(mode));
    // The mode itself has been given.
    let named =
        |opt: &Opt| mode != Mode::Misc && opt.sets == Sets::Always(mode) && opt.id != OptionId::NoSharing;
    let own = |opt: &&Opt| opt.modes.has(Some(mode)) && !opt.modes.has(None) && !named(opt);
    for (index, opt) in TABLE.iter().filter(own).enumerate() {
        if index == 0 {
            let _ = writeln!(text, "\nOptions of {mode} mode:");
        }
        line(&mut text, opt, Some(mode));
    }
    text.push_str("\nIn every mode:\n");
    text.push_str(&common(Some(mode)));
    text
}

/// The options of every mode.
fn common(mode: Option<Mode>) -> String {
    let mut text = String::new();
    for opt in TABLE.iter().filter(|opt| opt.modes.has(None)) {
        line(&mut text, opt, mode);
    }
    text
}

/// Some options of a mode.
pub(super) fn lines(ids: &[OptionId], mode: Mode) -> String {
    let mut text = String::new();
    for opt in ids.iter().map(|id| by_id(*id)) {
        line(&mut text, opt, Some(mode));
    }
    text
}

/// Every option, with the modes in which it is valid.
pub fn options() -> String {
    let mut text = String::from("Any mode is chosen by the first option that names one.\n");
    for mode in Mode::ALL {
        let _ = writeln!(text, "\nOptions of {mode} mode:");
        for opt in TABLE.iter().filter(|opt| opt.modes.has(Some(mode)) && !opt.modes.has(None)) {
            line(&mut text, opt, Some(mode));
        }
    }
    text.push_str("\nIn every mode:\n");
    text.push_str(&common(None));
    text
}

fn line(text: &mut String, opt: &Opt, mode: Option<Mode>) {
    let letter = opt.letters.iter().find(|(_, modes)| modes.has(mode)).map(|(letter, _)| *letter);
    let mut left = letter.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
    for (index, name) in opt.names.iter().enumerate() {
        let _ = write!(left, "{}--{name}", if index == 0 { "" } else { ", " });
    }
    match opt.arg {
        Arg::No => {}
        Arg::Required(what) => {
            let _ = write!(left, "={what}");
        }
        Arg::Optional(what) => {
            let _ = write!(left, "[={what}]");
        }
    }
    let _ = if left.len() > 34 {
        writeln!(text, "  {left}\n  {:36}{}", "", opt.help)
    } else {
        writeln!(text, "  {left:36}{}", opt.help)
    };
}

fn general() -> String {
    let mut text = String::from(
        "Manages Linux software RAID (md) arrays.\n\n\
         mdadm --create DEVICE OPTIONS MEMBERS...      make a new array\n\
         mdadm --assemble DEVICE OPTIONS MEMBERS...    start an array that was made before\n\
         mdadm --build DEVICE OPTIONS MEMBERS...       start an array without metadata\n\
         mdadm --manage DEVICE OPTIONS MEMBERS...      change the members of an array\n\
         mdadm --misc OPTIONS DEVICES...               report on, stop and start arrays\n\
         mdadm --grow DEVICE OPTIONS                   change the shape of an array\n\
         mdadm --incremental DEVICE                    add a device to the array it belongs to\n\
         mdadm --monitor OPTIONS DEVICES...            watch arrays\n\
         mdadm --auto-detect                           start arrays that the kernel recognises\n\
         mdadm DEVICE OPTIONS MEMBERS...               the same as --manage\n\
         mdadm DEVICE                                  the same as --query\n\n\
         Add --help to a mode for its options, --help-options lists all of them,\n\
         and --config --help tells about the configuration file.\n",
    );
    text.push_str("\nIn every mode:\n");
    text.push_str(&common(None));
    text
}

fn about(mode: Mode) -> &'static str {
    match mode {
        Mode::Assemble => {
            "Usage: mdadm --assemble DEVICE OPTIONS MEMBERS...\n       mdadm --assemble --scan OPTIONS [DEVICES...]\n\n\
             Starts arrays from devices that carry their metadata. Without members, the\n\
             configuration file says which devices belong to the array; --scan alone starts\n\
             every array of the configuration file, or, if it lists none, every array of this\n\
             host that is found."
        }
        Mode::Build => {
            "Usage: mdadm --build DEVICE --level=LEVEL --raid-devices=N OPTIONS MEMBERS...\n\n\
             Starts an array that has no metadata: nothing on the members tells later that\n\
             they belong together, so the same command is needed each time."
        }
        Mode::Create => {
            "Usage: mdadm --create DEVICE --level=LEVEL --raid-devices=N OPTIONS MEMBERS...\n\n\
             Makes a new array: writes metadata to the members and starts it. The word\n\
             `missing` in place of a member leaves its slot empty."
        }
        Mode::Grow => {
            "Usage: mdadm --grow DEVICE OPTIONS [--add DEVICES...]\n\n\
             Changes the size, the number of members, the level, the layout or the bitmap\n\
             of an array while it is in use."
        }
        Mode::Incremental => {
            "Usage: mdadm --incremental [OPTIONS] DEVICE [ALIASES...]\n       mdadm --incremental --fail NAME [--path=PATH]\n       mdadm --incremental --run --scan\n       mdadm --incremental --rebuild-map\n\n\
             Adds a device to the array that it belongs to and starts the array as soon as\n\
             it is complete; for use by hot-plug scripts."
        }
        Mode::Manage => {
            "Usage: mdadm DEVICE OPERATION MEMBERS... [OPERATION MEMBERS...]\n\n\
             Adds, removes, fails or replaces members of a running array, from left to right.\n\
             Instead of a member: `failed`, `detached`, `missing`, or `set-A` of a RAID10."
        }
        Mode::Misc => {
            "Usage: mdadm ACTION OPTIONS DEVICES... [ACTION DEVICES...]\n\n\
             Looks at arrays and devices, stops and starts arrays. An action applies to the\n\
             devices that follow it."
        }
        Mode::Monitor => {
            "Usage: mdadm --monitor OPTIONS DEVICES...\n       mdadm --monitor --scan OPTIONS\n\n\
             Watches arrays and tells by mail, program or syslog what happens to them; moves\n\
             spares to arrays that need them."
        }
        Mode::AutoDetect => {
            "Usage: mdadm --auto-detect\n\n\
             Asks the kernel to start arrays with 0.90 metadata on partitions of type fd."
        }
    }
}

/// Help about the configuration file.
pub fn config() -> String {
    String::from(
        "The configuration file is /etc/mdadm.conf or /etc/mdadm/mdadm.conf, and with either\n\
         the files NAME.conf in the directory of the same name with `.d` at its end.\n\n\
         A line is a keyword and words, separated by blanks. A line that begins with a blank\n\
         continues the one before it. `#` at the start of a word begins a comment. Quotes,\n\
         single or double, keep blanks together.\n\n\
         DEVICE     devices to look at: patterns, `partitions`, `containers`\n\
         ARRAY      an array: its name, then uuid=, devices=, super-minor=, metadata=, ...\n\
         MAILADDR   where the monitor sends mail      MAILFROM  the sender of that mail\n\
         PROGRAM    what the monitor runs on events   MONITORDELAY  seconds between looks\n\
         CREATE     owner= group= mode= metadata= names= bbl=  for new arrays\n\
         HOMEHOST   whose arrays are ours             HOMECLUSTER  the same for a cluster\n\
         AUTO       which formats are assembled automatically\n\
         POLICY     what to do with devices that appear; PART-POLICY for partitions\n\
         SYSFS      attributes to set when an array starts\n\
         PROBING    how deep to look for metadata\n",
    )
}

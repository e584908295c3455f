//! `mdctl complete`: what may stand next on a command line, a line each, for the shells.

use super::{DONE, print};
use crate::{
    cli::complete::{self, Names},
    inventory,
};

/// Answers for the words of a line: the program's name, then the words up to the one that is being typed.
pub(super) fn run(words: &[String]) -> u8 {
    let Some((program, words)) = words.split_first() else { return DONE };
    let machine = inventory::machine();
    let found = complete::complete(program, words);
    let current = words.last().map(String::as_str).unwrap_or_default();
    let mut lines: Vec<String> = Vec::new();
    for (word, help) in found.words {
        lines.push(if help.is_empty() { word } else { format!("{word}\t{help}") });
    }
    for names in found.names {
        let names = match names {
            Names::Arrays => inventory::array_names(&machine),
            Names::Members(array) => inventory::member_names(&machine, &array),
            Names::Devices => inventory::device_names(&machine),
            Names::Files => Vec::new(),
        };
        // A name that a shell would read otherwise is none to offer.
        let plain = |name: &&String| name.chars().all(|c| c.is_ascii_alphanumeric() || "/._:+-".contains(c));
        lines.extend(names.iter().filter(plain).map(|name| format!("{}{name}", found.prefix)));
    }
    lines.retain(|line| line.starts_with(current));
    print(&lines.into_iter().map(|line| line + "\n").collect::<String>())
}

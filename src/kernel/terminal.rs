//! What standard output is: a terminal with a size, or something else.

use std::io::IsTerminal;

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Columns.
    pub width: u16,
    /// Lines.
    pub height: u16,
    /// It understands colours, and nobody has asked for none (`NO_COLOR`, `TERM=dumb`).
    pub colour: bool,
}

/// The terminal that standard output is; `None` where it is none.
#[must_use]
pub fn standard_output() -> Option<Terminal> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let dumb = set("TERM").is_none_or(|name| name == "dumb");
    // A serial line knows no size.
    let (height, width) =
        console::Term::stdout().size_checked().filter(|(_, width)| *width > 0).unwrap_or((24, 80));
    Some(Terminal { width, height, colour: !dumb && set("NO_COLOR").is_none() })
}

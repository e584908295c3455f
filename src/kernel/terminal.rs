//! What standard output is: a terminal with a size, or something else; and the terminal's whole screen, lent and
//! given back.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    os::fd::{AsFd, BorrowedFd},
};

use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
    termios::{self, LocalFlags, SetArg, Termios},
};

use super::KernelError;

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
    if !io::stdout().is_terminal() {
        return None;
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let dumb = set("TERM").is_none_or(|name| name == "dumb");
    // A serial line knows no size.
    let size = console::Term::stdout().size_checked().filter(|(_, width)| *width > 0);
    let (height, width) = size.unwrap_or((24, 80));
    Some(Terminal { width, height, colour: !dumb && set("NO_COLOR").is_none() })
}

/// Whether a terminal could end this process by going away.
pub fn has_one() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether somebody can be asked.
#[must_use]
pub fn somebody_is_there() -> bool {
    io::stdin().is_terminal()
}

/// The other screen of a terminal, without a cursor, and keys as they are pressed. Dropping it gives everything back.
#[derive(Debug)]
pub struct Screen {
    /// How standard input was; `None` where it is no terminal.
    saved: Option<Termios>,
    signals: SignalFd,
    blocked: SigSet,
}

/// Other screen, no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// The terminal shows what comes between these at once; one that does not know them ignores them.
const BEGIN: &str = "\x1b[?2026h\x1b[H";
const END: &str = "\x1b[J\x1b[?2026l";
/// Ctrl-C and Ctrl-D.
const QUIT: [u8; 4] = [b'q', b'Q', 3, 4];

impl Screen {
    /// Takes the screen.
    ///
    /// # Errors
    /// Signals cannot be received; the terminal is as it was.
    pub fn enter() -> Result<Self, KernelError> {
        let mut blocked = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGWINCH] {
            blocked.add(signal);
        }
        let wrong = |operation: &'static str| move |errno| KernelError::new("terminal", operation, errno);
        blocked.thread_block().map_err(wrong("block signals"))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&blocked, flags).map_err(wrong("signalfd"))?;
        let saved = termios::tcgetattr(io::stdin()).ok();
        if let Some(saved) = &saved {
            let mut keys = saved.clone();
            // Interrupts come as keys, so that the screen is given back first.
            keys.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
            let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &keys);
        }
        put(ENTER);
        Ok(Self { saved, signals, blocked })
    }

    /// What has something to read when a key was pressed or a signal came.
    #[must_use]
    pub fn inputs(&self) -> Vec<BorrowedFd<'_>> {
        let stdin = self.saved.is_some().then(borrowed_stdin);
        std::iter::once(self.signals.as_fd()).chain(stdin).collect()
    }

    /// Reads what was pressed and which signals came; whether they mean the end.
    pub fn ends(&mut self) -> bool {
        let mut ends = false;
        while let Ok(Some(signal)) = self.signals.read_signal() {
            ends |= i32::try_from(signal.ssi_signo).is_ok_and(|number| number != nix::libc::SIGWINCH);
        }
        let inputs = [borrowed_stdin()];
        let pressed = || super::wait::readable(&inputs, std::time::Duration::ZERO).unwrap_or(false);
        if self.saved.is_some() && pressed() {
            let mut keys = [0; 64];
            match io::stdin().lock().read(&mut keys) {
                Ok(0) | Err(_) => ends = true,
                Ok(count) => ends |= keys.iter().take(count).any(|key| QUIT.contains(key)),
            }
        }
        ends
    }

    /// Shows lines from the top, in one write: what was there is written over, not cleared first.
    pub fn show<'a>(&self, lines: impl Iterator<Item = &'a str>) {
        let mut text = BEGIN.to_owned();
        for (nth, line) in lines.enumerate() {
            if nth > 0 {
                text.push('\n');
            }
            text.push_str(line);
            text.push_str("\x1b[K");
        }
        text.push_str(END);
        put(&text);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        put(LEAVE);
        if let Some(saved) = &self.saved {
            let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, saved);
        }
        let _ = self.blocked.thread_unblock();
    }
}

fn borrowed_stdin() -> BorrowedFd<'static> {
    // Standard input stays open as long as the program runs; its handle can be asked for the descriptor any time.
    static STDIN: std::sync::LazyLock<io::Stdin> = std::sync::LazyLock::new(io::stdin);
    STDIN.as_fd()
}

/// A terminal that is gone is noticed when it is waited for.
fn put(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

//! `mdctl config`: what the files say, and what is to be said of them.

use std::fmt::Write as _;

use serde::Serialize;

use super::DiskText;

/// The configuration, as it is read.
#[derive(Clone, Debug, Serialize)]
pub struct ConfigShown {
    schema: &'static str,
    /// The files that are read, in the order in which they count.
    files: Vec<String>,
    lines: Vec<ConfigLine>,
}

/// One logical line: continuation lines are a part of it.
#[derive(Clone, Debug, Serialize)]
pub struct ConfigLine {
    pub file: String,
    /// Where it begins, counted from 1.
    pub line: usize,
    pub words: Vec<String>,
    /// What of it is not understood.
    pub problems: Vec<String>,
}

impl ConfigShown {
    /// Of these files and lines.
    #[must_use]
    pub fn new(files: Vec<String>, lines: Vec<ConfigLine>) -> Self {
        Self { schema: "mdctl.config.1", files, lines }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        if self.files.is_empty() {
            out.push_str("no configuration file: every device is looked at, and arrays have the names of their metadata\n");
        }
        for file in &self.files {
            let _ = writeln!(out, "{}:", safe(file));
            for line in self.lines.iter().filter(|line| line.file == *file) {
                let _ = writeln!(out, "{:>6}  {}", line.line, safe(&line.words.join(" ")));
                for problem in &line.problems {
                    let _ = writeln!(out, "        ! {}", safe(problem));
                }
            }
        }
        out
    }
}

/// What is to be said of it.
#[derive(Clone, Debug, Serialize)]
pub struct ConfigChecked {
    schema: &'static str,
    files: Vec<String>,
    remarks: Vec<ConfigSaid>,
    /// ARRAY lines that `mdctl config write` would add.
    would_add: Vec<String>,
}

/// One remark.
#[derive(Clone, Debug, Serialize)]
pub struct ConfigSaid {
    /// It is not understood, or contradicts itself; else it is worth knowing.
    pub wrong: bool,
    pub file: Option<String>,
    /// Counted from 1.
    pub line: Option<usize>,
    pub text: String,
}

impl ConfigChecked {
    /// Of these files.
    #[must_use]
    pub fn new(files: Vec<String>, remarks: Vec<ConfigSaid>, would_add: Vec<String>) -> Self {
        Self { schema: "mdctl.config-check.1", files, remarks, would_add }
    }

    /// Whether something is wrong.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        self.remarks.iter().any(|remark| remark.wrong)
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for remark in &self.remarks {
            let place = remark.file.as_ref().zip(remark.line);
            let place =
                place.map_or_else(String::new, |(file, line)| format!("{}, line {line}: ", safe(file)));
            let mark = if remark.wrong { "!!" } else { "  " };
            let _ = writeln!(out, "{mark}  {place}{}", safe(&remark.text));
        }
        if !self.would_add.is_empty() {
            out.push_str("\n`mdctl config write` would add:\n");
            out.extend(self.would_add.iter().map(|line| format!("    {}\n", safe(line))));
        }
        if out.is_empty() {
            let read =
                if self.files.is_empty() { "no file".to_owned() } else { safe(&self.files.join(", ")) };
            let _ = writeln!(out, "{read}: nothing is wrong");
        }
        out
    }
}

fn safe(text: &str) -> String {
    DiskText::new(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_their_places() {
        let line = |file: &str, line, words: &[&str], problems: &[&str]| ConfigLine {
            file: file.into(),
            line,
            words: words.iter().map(ToString::to_string).collect(),
            problems: problems.iter().map(ToString::to_string).collect(),
        };
        let shown = ConfigShown::new(
            vec!["/etc/mdadm.conf".into()],
            vec![
                line("/etc/mdadm.conf", 3, &["MAILADDR", "ro\u{1b}ot"], &[]),
                line("/etc/mdadm.conf", 9, &["FOO"], &["Unknown keyword FOO"]),
            ],
        );
        assert_eq!(
            shown.text(),
            "/etc/mdadm.conf:\n     3  MAILADDR ro\\u{1b}ot\n     9  FOO\n        ! Unknown keyword FOO\n"
        );
        assert!(ConfigShown::new(vec![], vec![]).text().starts_with("no configuration file"));
    }

    #[test]
    fn remarks_with_their_places() {
        let said = |wrong, file: Option<&str>, text: &str| ConfigSaid {
            wrong,
            file: file.map(str::to_owned),
            line: file.map(|_| 2),
            text: text.into(),
        };
        let checked = ConfigChecked::new(
            vec!["/etc/mdadm.conf".into()],
            vec![said(true, Some("/etc/mdadm.conf"), "x"), said(false, None, "y")],
            vec!["ARRAY /dev/md/a".into()],
        );
        assert_eq!(
            checked.text(),
            "!!  /etc/mdadm.conf, line 2: x\n    y\n\n`mdctl config write` would add:\n    ARRAY /dev/md/a\n"
        );
        assert!(checked.is_wrong());
        let fine = ConfigChecked::new(vec!["/etc/mdadm.conf".into()], vec![], vec![]);
        assert_eq!((fine.text().as_str(), fine.is_wrong()), ("/etc/mdadm.conf: nothing is wrong\n", false));
    }
}

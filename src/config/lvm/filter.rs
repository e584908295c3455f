//! `devices/filter` and `devices/global_filter`: words such as `a|^/dev/md|` and `r/.*/`.

use regex_lite::Regex;

/// The first pattern that fits decides, and what fits none is taken.
#[derive(Clone, Debug, Default)]
pub struct Filter(Vec<(bool, Regex)>);

impl Filter {
    /// From its words.
    ///
    /// # Errors
    /// What is wrong with one of them: then nobody knows what the filter turns away.
    pub fn new(words: &[String]) -> Result<Self, String> {
        words.iter().map(|word| pattern(word)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a device of these paths is to be looked at: one that is taken is enough; what is said of none does no harm.
    #[must_use]
    pub fn takes(&self, paths: &[String]) -> bool {
        let mut said = paths.iter().filter_map(|path| self.says(path)).peekable();
        said.peek().is_none() || said.any(|takes| takes)
    }

    fn says(&self, path: &str) -> Option<bool> {
        self.0.iter().find(|(_, pattern)| pattern.is_match(path)).map(|(takes, _)| *takes)
    }
}

fn pattern(word: &str) -> Result<(bool, Regex), String> {
    let bad = |why: &str| format!("the filter \"{}\" {why}", word.escape_debug());
    let mut chars = word.chars();
    let takes = match chars.next() {
        Some('a') => true,
        Some('r') => false,
        _ => return Err(bad("begins neither with 'a' nor with 'r'")),
    };
    let end = match chars.next() {
        Some('{') => '}',
        Some('(') => ')',
        Some('[') => ']',
        Some(other) => other,
        None => return Err(bad("has no pattern")),
    };
    let inside = chars.as_str().strip_suffix(end);
    let inside = inside.ok_or_else(|| bad(&format!("does not end with '{end}'")))?;
    let regex = Regex::new(&translated(inside)).map_err(|_| bad("is not a regular expression"))?;
    Ok((takes, regex))
}

/// LVM2's regular expressions have `.` `*` `+` `?` `|` `(…)` `[…]` `^` `$`; a backslash takes the meaning of what follows away,
/// and only `\n`, `\r`, `\t` gain one.
fn translated(pattern: &str) -> String {
    let (mut out, mut chars, mut in_class) = (String::new(), pattern.chars().peekable(), false);
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('n' | 'r' | 't')) => out.extend(['\\', c]),
                Some(c) if c.is_ascii_alphanumeric() => out.push(c),
                Some(c) => out.extend(['\\', c]),
                None => out.push_str("\\\\"),
            },
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '[' | '&' | '~' if in_class => out.extend(['\\', c]),
            '{' | '}' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(words: &[&str], path: &str) -> bool {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Filter::new(&words).expect("a filter").takes(&[path.to_owned()])
    }

    #[test]
    fn the_first_pattern_that_fits_decides() {
        // Each was given to lvm2 with /dev/ram12.
        for (words, taken) in [
            (&["r|/dev/ram12|"][..], false),
            (&["r|^/dev/ram12$|"], false),
            (&["r/ram(12|13)/"], false),
            (&["a(ram1[0-3])", "r(.*)"], true),
            (&["r{ram12}"], false),
            (&["r[ram12]"], false),
            (&["r#ram12#"], false),
            (&["rxram12x"], false),
            (&["r|ram1+2?|"], false),
            (&["r|\\.ram12|"], true),
            (&["r|ram\\\\12|"], true),
            (&["r|ram[^a-z]2|"], false),
            (&["a|zork|"], true),
            (&["r|RAM12|"], true),
            (&["r|ram12|", "a|.*|"], false),
        ] {
            assert_eq!(takes(words, "/dev/ram12"), taken, "{words:?}");
        }
        let only_md = ["a|^/dev/md|", "r|.*|"];
        assert!(takes(&only_md, "/dev/md127") && !takes(&only_md, "/dev/sda"));
        assert!(
            takes(&["r|/dev/loop[0-9]*$|"], "/dev/sda") && !takes(&["r|/dev/loop[0-9]*$|"], "/dev/loop12")
        );
        assert!(!takes(&["r|(sd|hd)|"], "/dev/sda"));
        assert!(takes(&["r|a{2}|"], "/dev/aa") && !takes(&["r|a{2}|"], "/dev/a{2}"));
        let words = ["a|^/dev/disk/by-id/|".to_owned(), "r|.*|".to_owned()];
        let links = ["/dev/sda".to_owned(), "/dev/disk/by-id/wwn-5".to_owned()];
        assert!(Filter::new(&words).expect("a filter").takes(&links), "by any of its names");
    }

    #[test]
    fn what_lvm2_refuses_is_refused() {
        for word in ["x|y|", "r|a", "r|(|", "r", "", "r|[|"] {
            assert!(Filter::new(&[word.to_owned()]).is_err(), "{word}");
        }
    }
}

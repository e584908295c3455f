//! Shell patterns, as fnmatch(3) has them: `*`, `?`, `[…]`, `\`.

/// How a pattern treats `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slash {
    /// Like any character.
    Plain,
    /// Only a `/` in the pattern fits it (FNM_PATHNAME).
    Separates,
}

/// Whether the whole of `text` fits `pattern`. Takes at most length × length steps.
pub fn matches(pattern: &str, text: &str, slash: Slash) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to go on when the last `*` has to take one more character.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let rest = pattern.get(p..).unwrap_or_default();
        match (rest.first(), text.get(t)) {
            (None, None) => return true,
            (Some('*'), _) => {
                p += 1;
                retry = Some((p, t));
                continue;
            }
            (Some(_), Some(c)) => {
                if let Some(used) = one(rest, *c, slash) {
                    p += used;
                    t += 1;
                    continue;
                }
            }
            (None, Some(_)) | (Some(_), None) => {}
        }
        match retry {
            Some((after, at)) if text.get(at).is_some_and(|c| slash == Slash::Plain || *c != '/') => {
                retry = Some((after, at + 1));
                (p, t) = (after, at + 1);
            }
            _ => return false,
        }
    }
}

/// How many characters of the pattern `c` uses up, if it fits its first item.
fn one(pattern: &[char], c: char, slash: Slash) -> Option<usize> {
    let separator = c == '/' && slash == Slash::Separates;
    match pattern {
        ['?', ..] if !separator => Some(1),
        ['?', ..] => None,
        ['[', ..] => match class(pattern, c) {
            Some((fits, used)) => (fits && !separator).then_some(used),
            // Without its end, `[` is itself.
            None => (c == '[').then_some(1),
        },
        ['\\', escaped, ..] => (*escaped == c).then_some(2),
        [literal, ..] => (*literal == c).then_some(1),
        [] => None,
    }
}

/// A bracket expression: whether `c` is in it, and its length; `None` where it never ends.
fn class(pattern: &[char], c: char) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let start = if negated { 2 } else { 1 };
    let mut at = start;
    let mut found = false;
    loop {
        let low = *pattern.get(at)?;
        if low == ']' && at > start {
            return Some((found != negated, at + 1));
        }
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some('-'), Some(high)) if *high != ']' => {
                found |= (low..=*high).contains(&c);
                at += 3;
            }
            _ => {
                found |= low == c;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_fnmatch_says() {
        for (pattern, text, plain, separates) in [
            ("/dev/sd*", "/dev/sda1", true, true),
            ("/dev/*", "/dev/disk/by-id/x", true, false),
            ("/dev/*/x", "/dev/a/x", true, true),
            ("/dev/sd?", "/dev/sda", true, true),
            ("/dev?sda", "/dev/sda", true, false),
            ("sd[a-c]", "sdb", true, true),
            ("sd[!a-c]", "sdb", false, false),
            ("sd[^a-c]", "sdz", true, true),
            ("[]a]", "]", true, true),
            ("[a", "[a", true, true),
            ("a\\*", "a*", true, true),
            ("a\\*", "ab", false, false),
            ("*a*a*a*b", &"a".repeat(64), false, false),
            ("", "", true, true),
            ("", "a", false, false),
            ("**", "", true, true),
        ] {
            assert_eq!(matches(pattern, text, Slash::Plain), plain, "{pattern} {text}");
            assert_eq!(matches(pattern, text, Slash::Separates), separates, "{pattern} {text} pathname");
        }
    }
}

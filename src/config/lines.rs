//! The lexical rules of mdadm.conf: words, continuation lines, quotes, comments.

/// One logical line: a keyword and its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where its first word stands, counted from 1.
    pub(super) number: usize,
    pub(super) words: Vec<String>,
}

/// Splits a text. A line whose first character is no blank and that is not empty begins a logical line;
/// comments and empty lines do not interrupt one.
pub(super) fn split(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (index, raw) in text.split('\n').enumerate() {
        let (words, _) = words(raw);
        if words.is_empty() {
            continue;
        }
        match lines.last_mut() {
            Some(line) if raw.starts_with([' ', '\t']) => line.words.extend(words),
            _ => lines.push(Line { number: index + 1, words }),
        }
    }
    lines
}

/// The lines, counted from 1, whose end ends a quote.
pub(super) fn unclosed(text: &str) -> impl Iterator<Item = usize> + '_ {
    text.split('\n').enumerate().filter(|(_, raw)| words(raw).1).map(|(index, _)| index + 1)
}

/// The words of one line, and whether its end ended a quote. A quote, also one opened in mid-word, ends at its like or at
/// the end of the line.
fn words(raw: &str) -> (Vec<String>, bool) {
    let mut words = Vec::new();
    let mut open_to_end = false;
    let mut chars = raw.chars().peekable();
    loop {
        while chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        if matches!(chars.peek(), None | Some('#')) {
            return (words, open_to_end);
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(c) = chars.next_if(|c| quote.is_some() || !matches!(c, ' ' | '\t')) {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (None, '"' | '\'') => quote = Some(c),
                (_, c) => word.push(c),
            }
        }
        open_to_end |= quote.is_some();
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Observed with mdadm 4.6 by the words it complains about.
    #[test]
    fn words_lines_quotes_and_comments() {
        for (text, expected) in [
            ("dev a  b\tc", "1:dev|a|b|c"),
            ("dev a\n b\n\n#x\n\tc\nx", "1:dev|a|b|c 6:x"),
            (" dev a", "1:dev|a"),
            ("dev \"a b\" c\"d e\"f 'g\"h'", "1:dev|a b|cd ef|g\"h"),
            ("dev \"x\ny", "1:dev|x 2:y"),
            ("dev a#b #c d", "1:dev|a#b"),
            ("dev \"\" \\\"a b", "1:dev||\\a b"),
            ("\n \n#\n", ""),
        ] {
            let lines: Vec<String> =
                split(text).iter().map(|l| format!("{}:{}", l.number, l.words.join("|"))).collect();
            assert_eq!(lines.join(" "), expected, "{text:?}");
        }
        assert_eq!(unclosed("dev \"a b\"\ndev \"x\n# it's\nmailaddr it's\n").collect::<Vec<_>>(), [2, 4]);
    }
}

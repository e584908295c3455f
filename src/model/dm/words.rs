//! Words of a table's parameters: parted by blanks, a backslash takes the next character as it is.

/// The words, without their backslashes.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => word.get_or_insert_default().push('\\'),
            },
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The word as it stands in a table.
pub(super) fn escape(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    for c in word.chars() {
        if c == '\\' || c.is_ascii_whitespace() {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for word in ["a", "a b", "\\x20", "tab\there", "\\"] {
            assert_eq!(split(&format!("x {} y", escape(word))), ["x", word, "y"]);
        }
        assert_eq!(split("  a  b "), ["a", "b"]);
        assert_eq!(split("a\\"), ["a\\"]);
        assert!(split(" ").is_empty());
    }
}

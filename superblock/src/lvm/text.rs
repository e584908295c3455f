//! LVM2's text: words, numbers, strings, lists and sections, read into a tree that keeps every key and their order.
//!
//! ```text
//! key = 1   key = "a \"b\" \\c"   key = ["a", 2]   section { … }   # to the end of the line
//! ```
//! The tree borrows from the text: nothing is copied, nothing is interpreted. Its size is bounded by the text's, its depth
//! by [`MAX_DEPTH`]. Bytes need not be UTF-8: a description has whatever somebody typed on a command line.

use std::borrow::Cow;

/// Sections inside sections; LVM2 itself needs five.
pub const MAX_DEPTH: usize = 16;

/// A key and what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The name.
    pub key: &'a [u8],
    /// The value or the section.
    pub value: Value<'a>,
}

/// What stands behind a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// An integer or a float, as written.
    Number(&'a [u8]),
    /// What stands between the quotes, escapes as written.
    Text(&'a [u8]),
    /// Numbers and texts.
    List(Vec<Value<'a>>),
    /// `name { … }`.
    Section(Vec<Entry<'a>>),
}

/// Where text stops being LVM2's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// What was found or missed.
    pub what: &'static str,
}

impl Value<'_> {
    /// The integer, if it is one that fits.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        let Self::Number(digits) = self else { return None };
        if let [b'0'..=b'9', ..] = digits {
            if digits.len() <= 18 {
                return digits.iter().try_fold(0i64, |sum, byte| {
                    let digit = char::from(*byte).to_digit(10)?;
                    Some(sum.wrapping_mul(10).wrapping_add(i64::from(digit)))
                });
            }
        }
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// The string with its escapes resolved, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, [u8]>> {
        let Self::Text(raw) = self else { return None };
        Some(unescape(raw))
    }
}

/// `\"` and `\\` are what they say; another backslash stays.
fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match (byte, rest.peek()) {
            (b'\\', Some(next @ (b'"' | b'\\'))) => {
                out.push(*next);
                rest.next();
            }
            _ => out.push(byte),
        }
    }
    Cow::Owned(out)
}

/// Puts the escapes in.
#[must_use]
pub fn escape(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'"' | b'\\')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len().saturating_add(8));
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    Cow::Owned(out)
}

/// Reads a whole text. NUL bytes at its end are not part of it.
///
/// # Errors
/// The line at which it stops being LVM2's, and why.
pub fn parse(text: &[u8]) -> Result<Vec<Entry<'_>>, Fault> {
    let mut reader = Reader::new(text);
    reader.entries()
}

/// What comes after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// `=`: [`Reader::value`] or one of its kind reads what follows.
    Value,
    /// `{`: [`Reader::entry`] has the section's entries from now on, up to its end.
    Section,
}

/// A text read entry by entry, for one that is too long to be held as a tree.
///
/// Whoever was given a [`Head`] reads what follows it before the next entry.
#[derive(Clone)]
pub struct Reader<'a> {
    text: &'a [u8],
    rest: &'a [u8],
    depth: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a [u8]),
    Text(&'a [u8]),
    Sign(u8),
    End,
}

impl<'a> Reader<'a> {
    /// At the beginning of a text. NUL bytes at its end are not part of it.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        let end = text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
        let text = text.get(..end).unwrap_or_default();
        Self { text, rest: text, depth: 0 }
    }

    fn fault(&self, what: &'static str) -> Fault {
        let before = self.text.get(..self.text.len().saturating_sub(self.rest.len())).unwrap_or_default();
        let newlines = before.iter().filter(|byte| **byte == b'\n').count();
        Fault { line: newlines.saturating_add(1), what }
    }

    /// The next entry of the section that we are in; `None` at its end, after which we are in the one around it.
    ///
    /// # Errors
    /// What follows is no entry.
    pub fn entry(&mut self) -> Result<Option<(&'a [u8], Head)>, Fault> {
        let key = match (self.token()?, self.depth) {
            (Token::Word(key), _) => key,
            (Token::Sign(b'}'), 1..) => {
                self.depth = self.depth.saturating_sub(1);
                return Ok(None);
            }
            (Token::End, 0) => return Ok(None),
            (Token::End, _) => return Err(self.fault("the text ends inside a section")),
            _ => return Err(self.fault("a name is missing")),
        };
        match self.token()? {
            Token::Sign(b'=') => Ok(Some((key, Head::Value))),
            Token::Sign(b'{') if self.depth >= MAX_DEPTH => Err(self.fault("sections are nested too deeply")),
            Token::Sign(b'{') => {
                self.depth = self.depth.saturating_add(1);
                Ok(Some((key, Head::Section)))
            }
            _ => Err(self.fault("'=' or '{' is missing after a name")),
        }
    }

    /// All entries up to the end of the section that we are in.
    fn entries(&mut self) -> Result<Vec<Entry<'a>>, Fault> {
        let mut entries = Vec::new();
        while let Some((key, head)) = self.entry()? {
            let value = self.whole(head)?;
            entries.push(Entry { key, value });
        }
        Ok(entries)
    }

    /// What follows a key, a section as its tree.
    ///
    /// # Errors
    /// It is not LVM2's.
    pub fn whole(&mut self, head: Head) -> Result<Value<'a>, Fault> {
        match head {
            Head::Value => self.value(),
            Head::Section => self.entries().map(Value::Section),
        }
    }

    /// A value.
    ///
    /// # Errors
    /// It is none.
    pub fn value(&mut self) -> Result<Value<'a>, Fault> {
        let token = self.token()?;
        if token != Token::Sign(b'[') {
            return self.scalar(token);
        }
        let mut list = Vec::new();
        loop {
            match self.token()? {
                Token::Sign(b']') => return Ok(Value::List(list)),
                token => list.push(self.scalar(token)?),
            }
            match self.token()? {
                Token::Sign(b',') => {}
                Token::Sign(b']') => return Ok(Value::List(list)),
                _ => return Err(self.fault("',' or ']' is missing in a list")),
            }
        }
    }

    /// Inside a section, behind its opening brace.
    pub(super) fn inside(text: &'a [u8]) -> Self {
        Self { text, rest: text, depth: 1 }
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Leaves the section that we are in: what follows is `rest`.
    pub(super) fn leave(&mut self, rest: &'a [u8]) {
        self.rest = rest;
        self.depth = self.depth.saturating_sub(1);
    }

    /// What was read since another reader was cloned from this one.
    pub(super) fn since(&self, earlier: &Self) -> &'a [u8] {
        earlier.rest.get(..earlier.rest.len().saturating_sub(self.rest.len())).unwrap_or_default()
    }

    fn scalar(&self, token: Token<'a>) -> Result<Value<'a>, Fault> {
        match token {
            Token::Text(text) => Ok(Value::Text(text)),
            Token::Word(word @ [b'0'..=b'9' | b'-' | b'+' | b'.', ..]) => {
                let number =
                    word.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
                if number {
                    Ok(Value::Number(word))
                } else {
                    Err(self.fault("a number has other characters in it"))
                }
            }
            _ => Err(self.fault("a number or a quoted string is missing")),
        }
    }

    fn token(&mut self) -> Result<Token<'a>, Fault> {
        self.skip();
        let (token, len) = match self.rest {
            [] => (Token::End, 0),
            [sign @ (b'{' | b'}' | b'[' | b']' | b'=' | b','), ..] => (Token::Sign(*sign), 1),
            [b'"', inside @ ..] => {
                let len = string_len(inside).ok_or_else(|| self.fault("a string does not end"))?;
                (Token::Text(inside.get(..len).unwrap_or_default()), len.saturating_add(2))
            }
            rest => {
                let len = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
                if len == 0 {
                    return Err(self.fault("a byte that may only be in a string"));
                }
                (Token::Word(rest.get(..len).unwrap_or_default()), len)
            }
        };
        self.rest = self.rest.get(len..).unwrap_or_default();
        Ok(token)
    }

    /// Blanks and comments.
    fn skip(&mut self) {
        loop {
            self.rest = match self.rest {
                [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] => rest,
                [b'#', rest @ ..] => {
                    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                    rest.get(end..).unwrap_or_default()
                }
                _ => return,
            };
        }
    }
}

/// Up to the closing quote. A string may have newlines.
fn string_len(inside: &[u8]) -> Option<usize> {
    let mut from = 0usize;
    loop {
        let rest = inside.get(from..)?;
        let next = from.saturating_add(rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?);
        match inside.get(next..)? {
            [b'\\', _, ..] => from = next.saturating_add(2),
            [b'"', ..] => return Some(next),
            _ => return None,
        }
    }
}

/// Which bytes names and numbers are made of.
const WORD: [bool; 256] =
    bytes_of(&[b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", b"_-+./!:@"]);

/// A table of the bytes that are in any of these.
#[expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "a byte is an index of 256, and the compiler runs it"
)]
pub(super) const fn bytes_of(parts: &[&[u8]]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut parts = parts;
    while let [part, others @ ..] = parts {
        let mut rest: &[u8] = part;
        while let [byte, after @ ..] = rest {
            table[*byte as usize] = true;
            rest = after;
        }
        parts = others;
    }
    table
}

fn is_word(byte: u8) -> bool {
    WORD.get(usize::from(byte)).copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value() {
        let text = b"a = 1 # c\nb=\"x \\\"y\\\\\"\nc = [\"d\", -2,\n]\ns { e = [] f { g = 1.5 } }\n\0\0";
        let tree = parse(text).unwrap();
        let keys: Vec<_> = tree.iter().map(|entry| entry.key).collect();
        assert_eq!(keys, [b"a", b"b", b"c", b"s"]);
        assert_eq!(tree[0].value.integer(), Some(1));
        assert_eq!(tree[1].value.text().unwrap().as_ref(), b"x \"y\\");
        assert_eq!(escape(b"x \"y\\").as_ref(), b"x \\\"y\\\\");
        assert_eq!(tree[2].value, Value::List(vec![Value::Text(b"d"), Value::Number(b"-2")]));
        let Value::Section(section) = &tree[3].value else { panic!() };
        let Value::Section(inner) = &section[1].value else { panic!() };
        assert_eq!(inner[0].value, Value::Number(b"1.5"));
        assert_eq!(inner[0].value.integer(), None);
    }

    #[test]
    fn every_fault_has_its_line() {
        let deep = "a {".repeat(40);
        for (text, line, what) in [
            ("a", 1, "'=' or '{' is missing after a name"),
            ("\na = {", 2, "a number or a quoted string is missing"),
            ("a = b", 1, "a number or a quoted string is missing"),
            ("a = 1b", 1, "a number has other characters in it"),
            ("a = \"b\n", 1, "a string does not end"),
            ("a = \"b\\", 1, "a string does not end"),
            ("a = [1 2]", 1, "',' or ']' is missing in a list"),
            ("a = [1, {", 1, "a number or a quoted string is missing"),
            ("a { b = 1\n", 2, "the text ends inside a section"),
            ("}", 1, "a name is missing"),
            ("a = 1 \u{7f}", 1, "a byte that may only be in a string"),
            (&deep, 1, "sections are nested too deeply"),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(Fault { line, what }), "{text}");
        }
    }

    #[test]
    fn integers() {
        let number = |text: &'static str| Value::Number(text.as_bytes()).integer();
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("9223372036854775807"), Some(i64::MAX));
        assert_eq!(number("9223372036854775808"), None);
        assert_eq!(number("-1"), Some(-1));
        assert_eq!(number("1e5"), None);
        assert_eq!(number("999999999999999999"), Some(999_999_999_999_999_999));
    }
}

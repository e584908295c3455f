//! The grammar of `lvm.conf`: `section { key = value }`, `section/key = value`, lists, comments.
//!
//! It is wider than that of the metadata (`superblock::lvm::text`): quotes of both kinds, bare words and `@tags` are strings,
//! names may be quoted, the commas of a list may be missing. Settled by `lvmconfig` of LVM2 2.03.31.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// An integer.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// A string, its escapes resolved.
    Text(String),
    /// Of the others.
    List(Vec<Value>),
}

/// One setting: the names of its sections and its own, joined by `/`, and what it is set to.
pub(super) type Setting = (String, Value);

/// Where a text stops being a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(super) struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// What is missing or too much.
    pub what: &'static str,
}

/// Sections inside sections.
const MAX_DEPTH: usize = 32;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Sign(u8),
    Word(String),
    Quoted(String),
    End,
}

struct Reader<'a> {
    rest: &'a [u8],
    line: usize,
}

/// All settings, in their order. A NUL ends the text.
///
/// # Errors
/// The line at which it cannot be read, and why.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Setting>, Fault> {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let mut reader = Reader { rest: text.get(..end).unwrap_or_default(), line: 1 };
    let (mut all, mut sections) = (Vec::new(), Vec::<String>::new());
    loop {
        let name = match reader.token()? {
            Token::Word(name) | Token::Quoted(name) => name,
            Token::Sign(b'}') if sections.pop().is_some() => continue,
            Token::Sign(b'}') => return Err(reader.fault("a '}' that closes nothing")),
            Token::End if sections.is_empty() => return Ok(all),
            Token::End => return Err(reader.fault("a section is not closed: '}' is missing")),
            Token::Sign(_) => return Err(reader.fault("a name is missing")),
        };
        let name = name.trim_matches('/').to_owned();
        match reader.token()? {
            Token::Sign(b'{') if sections.len() >= MAX_DEPTH => {
                return Err(reader.fault("sections are nested too deeply"));
            }
            Token::Sign(b'{') => sections.push(name),
            Token::Sign(b'=') => {
                let value = reader.value()?;
                let path = sections.iter().map(String::as_str).chain([name.as_str()]);
                all.push((path.collect::<Vec<_>>().join("/"), value));
            }
            Token::Sign(_) | Token::Word(_) | Token::Quoted(_) | Token::End => {
                return Err(reader.fault("'=' or '{' is missing after a name"));
            }
        }
    }
}

impl Reader<'_> {
    fn fault(&self, what: &'static str) -> Fault {
        Fault { line: self.line, what }
    }

    fn value(&mut self) -> Result<Value, Fault> {
        let token = self.token()?;
        if token != Token::Sign(b'[') {
            return self.scalar(token);
        }
        let mut list = Vec::new();
        loop {
            match self.token()? {
                Token::Sign(b']') => return Ok(Value::List(list)),
                Token::Sign(b',') if !list.is_empty() => {}
                token => list.push(self.scalar(token)?),
            }
        }
    }

    fn scalar(&self, token: Token) -> Result<Value, Fault> {
        match token {
            Token::Quoted(text) => Ok(Value::Text(text)),
            Token::Word(word) => self.word(word),
            Token::Sign(_) | Token::End => Err(self.fault("a value is missing")),
        }
    }

    /// What begins like a number has to be one.
    fn word(&self, word: String) -> Result<Value, Fault> {
        let digits = word.strip_prefix(['-', '+']).unwrap_or(&word);
        let is_number = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        if !digits.bytes().next().is_some_and(is_number) {
            return Ok(Value::Text(word));
        }
        let number = match digits.contains('.') {
            true => word.parse().ok().map(Value::Float),
            false => word.parse().ok().map(Value::Integer),
        };
        let number = number.filter(|_| digits.bytes().all(is_number));
        number.ok_or_else(|| self.fault("a number has other characters in it"))
    }

    fn token(&mut self) -> Result<Token, Fault> {
        self.skip();
        match self.rest {
            [] => Ok(Token::End),
            [sign @ (b'{' | b'}' | b'[' | b']' | b'=' | b','), rest @ ..] => {
                self.rest = rest;
                Ok(Token::Sign(*sign))
            }
            [quote @ (b'"' | b'\''), rest @ ..] => {
                self.rest = rest;
                self.quoted(*quote).map(Token::Quoted)
            }
            rest => {
                let ends = |byte: &u8| byte.is_ascii_whitespace() || b"{}[]=,#\"'".contains(byte);
                let len = rest.iter().position(ends).unwrap_or(rest.len());
                let (word, rest) = rest.split_at(len);
                self.rest = rest;
                match std::str::from_utf8(word) {
                    Ok(word) => Ok(Token::Word(word.to_owned())),
                    Err(_) => Err(self.fault("bytes that are not text")),
                }
            }
        }
    }

    /// Up to the closing quote. Only in double quotes a backslash takes the meaning of a quote or a backslash away.
    fn quoted(&mut self, quote: u8) -> Result<String, Fault> {
        let (began, mut text) = (self.line, Vec::new());
        loop {
            let (byte, rest) = match self.rest {
                [b'\\', next @ (b'"' | b'\\'), rest @ ..] if quote == b'"' => (*next, rest),
                [byte, rest @ ..] if *byte == quote => {
                    self.rest = rest;
                    return Ok(String::from_utf8_lossy(&text).into_owned());
                }
                [byte, rest @ ..] => (*byte, rest),
                [] => return Err(Fault { line: began, what: "a string does not end" }),
            };
            self.line += usize::from(byte == b'\n');
            text.push(byte);
            self.rest = rest;
        }
    }

    /// Blanks and comments.
    fn skip(&mut self) {
        loop {
            self.rest = match self.rest {
                [b'\n', rest @ ..] => {
                    self.line += 1;
                    rest
                }
                [byte, rest @ ..] if byte.is_ascii_whitespace() => rest,
                [b'#', rest @ ..] => {
                    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                    rest.get(end..).unwrap_or_default()
                }
                _ => return,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(word: &str) -> Value {
        Value::Text(word.to_owned())
    }

    fn list(words: &[&str]) -> Value {
        Value::List(words.iter().map(|word| text(word)).collect())
    }

    #[test]
    fn whatever_lvmconfig_takes() {
        for (given, name, value) in [
            ("devices { filter = [ 'r|/dev/ram12|' ] }", "devices/filter", list(&["r|/dev/ram12|"])),
            ("devices { filter = 'r|x|' }", "devices/filter", text("r|x|")),
            ("devices { filter = [ 'r|x|', ] }", "devices/filter", list(&["r|x|"])),
            ("devices { filter = [ 'r|x|' \"a|y|\" ] }", "devices/filter", list(&["r|x|", "a|y|"])),
            ("devices { filter = [ \"r|a\\\"\\\\b\\c|\" ] }", "devices/filter", list(&["r|a\"\\b\\c|"])),
            ("devices { filter = [ 'r|a\\\\b|' ] }", "devices/filter", list(&["r|a\\\\b|"])),
            ("devices/filter=['r|x|']", "devices/filter", list(&["r|x|"])),
            ("devices/sub { x = -3 }", "devices/sub/x", Value::Integer(-3)),
            ("a{b{c{d{e{f=2.5}}}}}", "a/b/c/d/e/f", Value::Float(2.5)),
            ("devices {\n use=0 # c\n\n}\n# end", "devices/use", Value::Integer(0)),
            ("a = @x", "a", text("@x")),
            ("hints = none", "hints", text("none")),
            ("devices { 'filter' = [ 'r|x|\n' ] }", "devices/filter", list(&["r|x|\n"])),
            ("\"devices\" { \"dir\" = \"x\" }", "devices/dir", text("x")),
            ("a = []", "a", list(&[])),
            ("a = 077", "a", Value::Integer(77)),
            ("a = 1\0 b = {{{", "a", Value::Integer(1)),
        ] {
            assert_eq!(parse(given.as_bytes()), Ok(vec![(name.to_owned(), value)]), "{given}");
        }
        // lvm2 refuses such a file; it says nothing that anybody could miss.
        assert_eq!(parse(b"# only\n\n"), Ok(Vec::new()));
    }

    #[test]
    fn whatever_lvmconfig_does_not_take() {
        for (text, line, what) in [
            ("devices { global_filter = [ \"r|/dev/ram6|\"\n", 2, "a value is missing"),
            ("devices { filter = [ 'r|x|' }", 1, "a value is missing"),
            ("devices { filter = [ }", 1, "a value is missing"),
            ("\n\ndevices {\n", 4, "a section is not closed: '}' is missing"),
            ("a = 1\n}\n", 2, "a '}' that closes nothing"),
            ("devices }\n", 1, "'=' or '{' is missing after a name"),
            ("a = \n", 2, "a value is missing"),
            ("a = [ [1] ]", 1, "a value is missing"),
            ("a = [ , 1 ]", 1, "a value is missing"),
            ("a = 1 2\n", 2, "'=' or '{' is missing after a name"),
            ("a : 1\n", 1, "'=' or '{' is missing after a name"),
            ("a = 0x1", 1, "a number has other characters in it"),
            ("a = 1e5", 1, "a number has other characters in it"),
            ("a = 1.2.3", 1, "a number has other characters in it"),
            ("a = \"x\ny", 1, "a string does not end"),
            ("{{{", 1, "a name is missing"),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(Fault { line, what }), "{text}");
        }
        assert!(parse(b"\xff\xfe\x00devices{{{").is_err());
        assert!(parse("a {".repeat(99).as_bytes()).is_err());
    }
}

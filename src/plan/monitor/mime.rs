//! A letter as a mail server gets it: the headers that mailers want, lines that every server takes, and nothing but ASCII.

use crate::{config::alerts::SmtpServer, model::monitor::Letter};

/// The longest line of a mail, its end left out.
const LONGEST_LINE: usize = 998;
/// The longest line of an encoded text.
const LONGEST_ENCODED: usize = 75;

/// Whom a letter is from and to, as the server is told. What the configuration says now comes before what it said then.
#[must_use]
pub fn envelope(server: &SmtpServer, letter: &Letter) -> (String, Vec<String>) {
    let said = |configured: &Option<String>, name: &str| {
        configured.clone().or_else(|| header(&letter.text, name)).unwrap_or_default()
    };
    let to = said(&server.to, "To");
    (address(&said(&server.from, "From")), to.split(',').map(address).collect())
}

/// What is wrong with whom mail is to: a server does not know what a mailer of this machine would.
#[must_use]
pub fn unaddressed(server: &SmtpServer) -> Option<String> {
    let to = server.to.as_deref().unwrap_or_default();
    let wrong = to.split(',').map(address).find(|to| !to.contains('@'))?;
    Some(format!("SMTP: `{wrong}` is not an address of the form NAME@DOMAIN, in to= or in MAILADDR"))
}

/// The address alone.
fn address(text: &str) -> String {
    let inner = text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(inner, _)| inner);
    inner.unwrap_or(text).trim().to_owned()
}

fn header(text: &str, name: &str) -> Option<String> {
    let (headers, _) = text.split_once("\n\n")?;
    let found = headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.map(str::to_owned)
}

/// The mail. A letter's text is headers, an empty line, and the body.
#[must_use]
pub fn mail(letter: &Letter) -> String {
    let (headers, body) = letter.text.split_once("\n\n").unwrap_or(("", &letter.text));
    let mut mail = String::new();
    for line in headers.lines() {
        let (name, value) = line.split_once(": ").unwrap_or(("X-Text", line));
        mail.push_str(&format!("{name}: {}\r\n", header_value(value, name.len() + 2)));
    }
    mail.push_str(&format!("Date: {}\r\nMessage-ID: <{}>\r\n", date(letter.written), letter.id));
    mail.push_str(
        "MIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\nContent-Type: text/plain; charset=utf-8\r\n",
    );
    let is_plain =
        |line: &str| line.len() <= LONGEST_LINE && line.chars().all(|c| matches!(c, '\t' | ' '..='~'));
    if body.lines().all(is_plain) {
        mail.push_str("Content-Transfer-Encoding: 7bit\r\n\r\n");
        body.lines().for_each(|line| mail.push_str(&format!("{line}\r\n")));
    } else {
        mail.push_str("Content-Transfer-Encoding: quoted-printable\r\n\r\n");
        body.lines().for_each(|line| quoted_printable(line, &mut mail));
    }
    mail
}

/// What a header says, after so much in its line; the address in it stays as it is, only words are encoded.
fn header_value(value: &str, before: usize) -> String {
    if value.is_ascii() && value.len() < LONGEST_LINE / 2 {
        return value.to_owned();
    }
    match value.rsplit_once('<') {
        Some((words, address)) if address.ends_with('>') => {
            format!("{}\r\n <{address}", words_encoded(words.trim_end(), before))
        }
        _ => words_encoded(value, before),
    }
}

/// Encoded words, each short enough and of whole characters.
fn words_encoded(text: &str, before: usize) -> String {
    let (begin, end) = ("=?utf-8?Q?", "?=");
    let mut room = (LONGEST_ENCODED - begin.len() - end.len()).saturating_sub(before);
    let mut lines = vec![String::new()];
    for c in text.chars() {
        let mut code = String::new();
        match c {
            ' ' => code.push('_'),
            c if c.is_ascii_alphanumeric() => code.push(c),
            c => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| code.push_str(&format!("={byte:02X}"))),
        }
        let is_full = lines.last().is_some_and(|line| line.len() + code.len() > room);
        if is_full {
            lines.push(String::new());
            room = LONGEST_ENCODED - begin.len() - end.len();
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(&code);
        }
    }
    lines.iter().map(|line| format!("{begin}{line}{end}")).collect::<Vec<_>>().join("\r\n ")
}

/// One line, broken softly where it is long.
fn quoted_printable(line: &str, into: &mut String) {
    let mut length = 0;
    let last = line.len().saturating_sub(1);
    for (at, byte) in line.bytes().enumerate() {
        let is_plain =
            matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (matches!(byte, b' ' | b'\t') && at != last);
        let code = if is_plain { char::from(byte).to_string() } else { format!("={byte:02X}") };
        if length + code.len() > LONGEST_ENCODED {
            into.push_str("=\r\n");
            length = 0;
        }
        length += code.len();
        into.push_str(&code);
    }
    into.push_str("\r\n");
}

fn date(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.unwrap_or_default().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(text: &str) -> Letter {
        Letter { id: "1.2@box".into(), written: 1_796_000_000, to: "smtp".into(), text: text.into() }
    }

    #[test]
    fn a_mail_of_every_day() {
        let text = "From: md <root@box>\nTo: root@x\nSubject: Fail event on /dev/md0:box\n\nBody.\n.\nEnd\n";
        assert_eq!(
            mail(&letter(text)),
            "From: md <root@box>\r\nTo: root@x\r\nSubject: Fail event on /dev/md0:box\r\n\
             Date: Mon, 30 Nov 2026 00:53:20 +0000\r\nMessage-ID: <1.2@box>\r\nMIME-Version: 1.0\r\n\
             Auto-Submitted: auto-generated\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 7bit\r\n\r\nBody.\r\n.\r\nEnd\r\n"
        );
        let server = SmtpServer::default();
        assert_eq!(envelope(&server, &letter(text)), ("root@box".to_owned(), vec!["root@x".to_owned()]));
        let server = SmtpServer { to: Some("a@b, C <c@d>".to_owned()), ..server };
        assert_eq!(envelope(&server, &letter(text)).1, ["a@b", "c@d"]);
        assert_eq!(unaddressed(&server), None);
        let server = SmtpServer { to: Some("a@b,root".to_owned()), ..server };
        assert!(unaddressed(&server).unwrap().contains("`root`"));
    }

    #[test]
    fn every_line_is_short_ascii_and_keeps_what_it_says() {
        let name = "größe ".repeat(200);
        let text = format!("From: Wächter <root@box>\nTo: r@x\nSubject: {name}\n\n{name}\n=\rx \n");
        let mail = mail(&letter(&text));
        assert!(mail.is_ascii());
        assert!(mail.lines().all(|line| line.len() <= 76 && !line.contains('\r')), "{mail}");
        assert!(mail.contains("From: =?utf-8?Q?W=C3=A4chter?=\r\n <root@box>\r\n"));
        let (headers, body) = mail.split_once("\r\n\r\n").unwrap();
        assert_eq!(headers.lines().filter(|line| line.starts_with("Subject: =?")).count(), 1);
        let body =
            body.replace("=\r\n", "").replace("=C3=B6", "ö").replace("=C3=9F", "ß").replace("=20", " ");
        assert_eq!(body, format!("{name}\r\n=3D=0Dx \r\n"));
    }
}

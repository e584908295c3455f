//! What of mdadm.conf has no effect, or another than it seems to, and is accepted by the original without complaint:
//! words that are misspelt or one too many, quotes that do not end, lines as DOS ends them.

use super::{
    conf::{self, Keyword},
    lines,
    policy::{Action, AutoRule},
};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// File and line, counted from 1.
    pub place: (String, usize),
    /// The sentence.
    pub text: String,
}

/// All of these texts, each a path and what is in it.
#[must_use]
pub fn unused(texts: &[(String, String)]) -> Vec<Unused> {
    let mut found = Vec::new();
    for (file, text) in texts {
        let mut of_text =
            |line, text: &str| found.push(Unused { place: (file.clone(), line), text: text.to_owned() });
        let is_read = |raw: &str| !raw.trim().is_empty() && !raw.trim_start().starts_with('#');
        let dos = text.split('\n').position(|raw| raw.ends_with('\r') && is_read(raw));
        if let Some(index) = dos {
            of_text(index + 1, "ends with a carriage return, as on DOS: it becomes part of the last word");
        }
        lines::unclosed(text).for_each(|line| of_text(line, "a quote is not closed: it ends with the line"));
        for (line, words) in conf::logical_lines(text) {
            let Some((first, words)) = words.split_first() else { continue };
            let Some(keyword) = conf::keyword(first) else { continue };
            let of_line = in_line(keyword, words).into_iter();
            found.extend(of_line.map(|text| Unused { place: (file.clone(), line), text }));
        }
    }
    found
}

fn in_line(keyword: Keyword, words: &[String]) -> Vec<String> {
    let shown = |word: &str| word.escape_debug().to_string();
    let each = |odd: &dyn Fn(&str) -> Option<String>| words.iter().filter_map(|word| odd(word)).collect();
    match keyword {
        Keyword::Auto => each(&|word| {
            let unknown = AutoRule::from_word(word).is_none();
            unknown.then(|| format!("AUTO knows no word {}: it is not used", shown(word)))
        }),
        Keyword::MonitorDelay => words
            .first()
            .filter(|word| conf::count(word).is_none_or(|seconds| seconds == 0))
            .map(|word| format!("MONITORDELAY {} is not a number of seconds: 60 is used", shown(word)))
            .into_iter()
            .collect(),
        Keyword::MailAddr | Keyword::Program => match words {
            [first, more, ..] => vec![format!("{} is not used: only {} is", shown(more), shown(first))],
            _ => Vec::new(),
        },
        Keyword::Policy | Keyword::PartPolicy => each(&|word| {
            let (name, value) = word.split_once('=')?;
            let (known, all) = match name.to_ascii_lowercase().as_str() {
                "action" => (
                    value == "ignore" || Action::from_name(value).is_some(),
                    "ignore, include, re-add, spare, spare-same-slot, force-spare",
                ),
                "auto" => (matches!(value, "yes" | "no" | "homehost"), "yes, no, homehost"),
                _ => return None,
            };
            (!known).then(|| format!("{} is not used: {name}= knows {all}", shown(word)))
        }),
        Keyword::Array => each(&|word| {
            let value = conf::tag(word, "spares")?;
            conf::count(value)
                .is_none()
                .then(|| format!("{} is not a number, so it is not used", shown(word)))
        }),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_change_nothing_are_found() {
        let fine = "AUTO +1.x homehost -all\nMONITORDELAY 30\nMAILADDR root\nPROGRAM /bin/x\n\
            POLICY domain=a action=ignore auto=no\nPART-POLICY action=spare-same-slot\nARRAY /dev/md0 spares=1\n";
        let of = |text: &str| unused(&[("f".to_owned(), text.to_owned())]);
        assert_eq!(of(fine), []);
        for (text, part) in [
            ("auto +1.x homehsot", "AUTO knows no word homehsot"),
            ("MONITORDELAY soon", "60 is used"),
            ("MONITORDELAY 0", "60 is used"),
            ("MAILADDR a b c", "b is not used: only a is"),
            ("POLICY action=spare-sameslot domain=x", "action= knows ignore"),
            ("POLICY auto=maybe", "auto= knows yes"),
            ("ARRAY /dev/md0 spares=x", "spares=x is not a number"),
            ("MAILADDR root\r\nPROGRAM /bin/x\r", "carriage return"),
            ("MAILADDR \"root", "a quote is not closed"),
        ] {
            let said = of(&format!("# one\n{text}\n"));
            let [Unused { place, text: said }] = said.as_slice() else { panic!("{text}: {said:?}") };
            assert!(place.1 == 2 && said.contains(part), "{text}: {said}");
        }
    }
}

//! The `raid6check` personality: words by their places, as the original has them.

use std::ffi::OsString;

use super::{UsageError, parse::Parsed};
use crate::request::{Common, Invocation, Raid6CheckRequest, Raid6CheckVerb, Request};

/// The name under which it is called.
pub(super) const NAME: &str = "raid6check";

/// Exit status of a line that says too little.
const USAGE: u8 = 1;
/// Exit status of a number that is none.
const NUMBER: u8 = 4;

const HELP: &str = "\
Usage: raid6check ARRAY START COUNT [autorepair]
       raid6check ARRAY repair STRIPE SLOT SLOT

Reads a RAID6 array stripe by stripe from its members and says which of them has a block that does not fit the others.
A stripe is one chunk of each member; START counts from 0, and COUNT 0 goes to the end.

  autorepair  also brings back what one member alone has wrong, page by page
  repair      brings back what two slots have in a stripe, from all others
";

/// Understands it.
pub(super) fn parse(args: Vec<OsString>) -> Result<Parsed, UsageError> {
    let words: Vec<String> = args.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut notices = Vec::new();
    let (array, verb) = match words.as_slice() {
        ["-h" | "--help", ..] => return Ok(Parsed::Help(HELP.to_owned())),
        ["-V" | "--version", ..] => return Ok(Parsed::Version),
        [array, "repair", stripe, one, other, ..] => {
            let slots = [slot(one)?, slot(other)?];
            (array, Raid6CheckVerb::Repair { stripe: number(stripe)?, slots })
        }
        [_, "repair", ..] | [] | [_] | [_, _] => return Err(usage()),
        [array, from, count, rest @ ..] => {
            let repair = rest.first() == Some(&"autorepair");
            let odd = rest.first().filter(|_| !repair);
            notices.extend(odd.map(|word| format!("{word} is not autorepair: nothing is repaired")));
            (array, Raid6CheckVerb::Check { from: number(from)?, count: number(count)?, repair })
        }
    };
    let request = Request::Raid6Check(Raid6CheckRequest { array: (*array).to_owned(), verb });
    Ok(Parsed::Run(Box::new(Invocation { common: Common::default(), request, notices })))
}

fn usage() -> UsageError {
    let text = HELP.split("\n\n").next().unwrap_or_default();
    UsageError::status(text.to_owned(), USAGE)
}

fn number(word: &str) -> Result<u64, UsageError> {
    word.parse().map_err(|_| UsageError::status(format!("Bad number: {word}"), NUMBER))
}

fn slot(word: &str) -> Result<u32, UsageError> {
    number(word).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(line: &str) -> Result<Raid6CheckVerb, (u8, String)> {
        match parse(line.split_whitespace().map(OsString::from).collect()) {
            Ok(Parsed::Run(invocation)) => match invocation.request {
                Request::Raid6Check(request) => Ok(request.verb),
                other => panic!("{other:?}"),
            },
            Ok(_) => panic!("{line}: nothing to do"),
            Err(error) => Err((error.status, error.message)),
        }
    }

    #[test]
    fn words_have_their_places() {
        use Raid6CheckVerb::{Check, Repair};
        let check = |from, count, repair| Ok(Check { from, count, repair });
        assert_eq!(understood("/dev/md0 0 0"), check(0, 0, false));
        assert_eq!(understood("/dev/md0 3 8 autorepair"), check(3, 8, true));
        assert_eq!(understood("/dev/md0 3 8 other"), check(3, 8, false), "ignored, as by the original");
        assert_eq!(understood("/dev/md0 repair 7 1 2"), Ok(Repair { stripe: 7, slots: [1, 2] }));
        for (line, status) in [("", 1), ("/dev/md0", 1), ("/dev/md0 0", 1), ("/dev/md0 repair 7 1", 1)] {
            let (got, text) = understood(line).unwrap_err();
            assert!(got == status && text.starts_with("Usage: raid6check ARRAY"), "{line}: {got} {text}");
        }
        assert_eq!(understood("/dev/md0 x 0"), Err((4, "Bad number: x".to_owned())));
        assert_eq!(understood("/dev/md0 repair 1 -2 3"), Err((4, "Bad number: -2".to_owned())));
    }
}

//! The manual pages tell of what there is, all of it and nothing else.
#![expect(clippy::disallowed_methods, reason = "a test reads the pages")]

use std::{collections::BTreeSet, fs, path::Path};

use mdctl::{
    cli::{
        native,
        options::{Opt, TABLE},
    },
    config::conf,
    request::Update,
};

/// A page's source, and what it says without the marks of fonts.
fn page(name: &str) -> (String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name);
    let source = fs::read_to_string(path).expect("the page is there");
    let mut text = source.replace("\\-", "-").replace(['"', '|'], " ");
    for font in ["\\fB", "\\fI", "\\fR", "\\fP"] {
        text = text.replace(font, " ");
    }
    (source, text)
}

/// All pages.
const PAGES: [&str; 8] = [
    "mdctl.8",
    "mdadm.8",
    "mdadm.conf.5",
    "mdctl-volume.8",
    "mdctl-dm.8",
    "mdctl-scrub.8",
    "mdctl-trial.8",
    "raid6check.8",
];

/// The verb that a page of its own is about.
fn verb_of(page: &str) -> Option<&str> {
    page.strip_prefix("mdctl-")?.strip_suffix(".8")
}

/// The verbs that a page is about: trials stand on overlays, and are told of together.
fn verbs_of(page: &str) -> Vec<&str> {
    match verb_of(page) {
        Some("trial") => vec!["trial", "overlay"],
        verb => verb.into_iter().collect(),
    }
}

/// The long options that a page names.
fn long_options(text: &str) -> BTreeSet<String> {
    let is_part = |c: &char| c.is_ascii_lowercase() || *c == '-' || *c == '2' || *c == '.';
    let name = |at: usize| text[at + 2..].chars().take_while(is_part).collect::<String>();
    let names = text.match_indices("--").map(|(at, _)| name(at).trim_end_matches(['.', '-']).to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_option_of_a_page_is_there() {
    for name in PAGES {
        let named = long_options(&page(name).1);
        let known = |name: &str| TABLE.iter().any(|opt| opt.names.contains(&name));
        let of_verbs = match name {
            "mdctl.8" => native::long_options(),
            _ => verbs_of(name).into_iter().flat_map(native::long_options_below).collect(),
        };
        let unknown: Vec<_> = named.iter().filter(|n| !known(n) && !of_verbs.contains(n)).collect();
        assert!(unknown.is_empty(), "{name} tells of {unknown:?}");
        // Its words are known by their places alone.
        assert!(named.len() > 3 || name == "raid6check.8", "{name}");
    }
}

#[test]
fn mdadm_8_tells_of_every_option() {
    let (_, text) = page("mdadm.8");
    let named = long_options(&text);
    let words: BTreeSet<&str> =
        text.split_whitespace().map(|word| word.trim_matches([',', '(', ')', ';'])).collect();
    let mut missing = Vec::new();
    for Opt { names, letters, .. } in TABLE {
        missing.extend(names.iter().filter(|name| !named.contains(**name)).map(|name| format!("--{name}")));
        let letters = letters.iter().map(|(letter, _)| format!("-{letter}"));
        missing.extend(letters.filter(|letter| !words.contains(&letter[..])));
    }
    missing.extend(
        Update::ASSEMBLE
            .iter()
            .map(|update| update.name().to_owned())
            .filter(|name| !words.contains(&name[..])),
    );
    assert!(missing.is_empty(), "not in mdadm.8: {missing:?}");
}

#[test]
fn mdadm_conf_5_tells_of_every_keyword() {
    let (_, text) = page("mdadm.conf.5");
    let words: BTreeSet<String> =
        text.split_whitespace().map(|word| word.trim_matches([',', '.', '=']).to_lowercase()).collect();
    for keyword in conf::keywords() {
        assert!(words.contains(keyword), "{keyword}");
    }
    for tag in [
        "uuid",
        "super-minor",
        "devices",
        "level",
        "num-devices",
        "disks",
        "spares",
        "spare-group",
        "metadata",
        "container",
        "member",
        "name",
        "auto",
        "bitmap",
        "owner",
        "group",
        "mode",
        "names",
        "bbl",
        "path",
        "type",
        "action",
        "domain",
        "include",
        "re-add",
        "spare",
        "spare-same-slot",
        "force-spare",
        "homehost",
        "<ignore>",
        "<none>",
        "<system>",
    ] {
        assert!(text.to_lowercase().contains(tag), "{tag}");
    }
}

#[test]
fn mdctl_8_tells_of_every_verb() {
    let (source, _) = page("mdctl.8");
    let (_, verbs) = source.split_once(".SH VERBS").expect("the page has verbs");
    let verbs = verbs.split("\n.SH ").next().unwrap_or_default();
    let heads: BTreeSet<&str> = verbs
        .split(".TP\n")
        .filter_map(|entry| entry.lines().next())
        .flat_map(|head| head.split([' ', '"', ',']))
        .collect();
    let missing: Vec<String> =
        native::verbs().into_iter().filter(|verb| !heads.contains(&verb[..])).collect();
    assert!(missing.is_empty(), "not in mdctl.8: {missing:?}");
}

/// The verbs below a verb, and all their options, are in the page that the verb has of its own.
#[test]
fn pages_of_verbs_tell_of_every_verb_and_option_below() {
    for (name, verb) in
        PAGES.into_iter().flat_map(|name| verbs_of(name).into_iter().map(move |verb| (name, verb)))
    {
        let (source, text) = page(name);
        let named = long_options(&text);
        let options = native::long_options_below(verb);
        let missing: Vec<_> = options.iter().filter(|option| !named.contains(*option)).collect();
        assert!(missing.is_empty(), "not in {name}: {missing:?}");
        let is_head = |below: &str| {
            source.lines().any(|line| {
                line.starts_with(&format!(".BR \"{below}\"")) || line.starts_with(&format!(".BR {below} "))
            })
        };
        let all = native::verbs_below(verb);
        // A verb that only leads to others has no entry of its own.
        let leads = |below: &str| all.iter().any(|other| other.starts_with(&format!("{below} ")));
        let missing: Vec<_> = all.iter().filter(|below| !leads(below) && !is_head(below)).collect();
        assert!(missing.is_empty(), "not in {name}: {missing:?}");
    }
}

/// What groff would complain about, as far as these pages use it.
#[test]
fn the_pages_are_well_formed() {
    const MACROS: &[&str] = &[
        "TH", "SH", "SS", "TP", "TQ", "B", "I", "BR", "RB", "BI", "IR", "RI", "PP", "IP", "RS", "RE", "br",
        "nf", "fi", "nh", "ad",
    ];
    for name in PAGES {
        let (source, _) = page(name);
        let mut depth = 0;
        for (number, line) in source.lines().enumerate() {
            let at = format!("{name}, line {}: {line}", number + 1);
            let word = line.strip_prefix('.').map(|rest| rest.split(' ').next().unwrap_or_default());
            assert!(word.is_none_or(|word| MACROS.contains(&word)), "{at}");
            assert!(line.matches('"').count() % 2 == 0 && !line.is_empty() && !line.ends_with(' '), "{at}");
            assert!(!line.replace("\\-", "").contains("--"), "a bare dash: {at}");
            depth += i32::from(word == Some("RS")) - i32::from(word == Some("RE"));
        }
        assert_eq!(depth, 0, "{name}: .RS without .RE");
    }
}

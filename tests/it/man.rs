//! The manual page tells of options that exist.
#![expect(clippy::disallowed_methods, reason = "a test reads the page")]

use std::{fs, path::Path};

use mdctl::cli::options::TABLE;

#[test]
fn every_long_option_of_the_page_is_in_the_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/mdctl.8");
    let text = fs::read_to_string(page).expect("the page is there").replace("\\-", "-");
    let mut seen = 0;
    for (at, dashes) in text.match_indices("--") {
        let name: String =
            text[at + dashes.len()..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
        if name.is_empty() {
            continue;
        }
        seen += 1;
        assert!(TABLE.iter().any(|opt| opt.names.contains(&name.as_str())), "--{name} is in no mode");
    }
    assert!(seen > 30);
}

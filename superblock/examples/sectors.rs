//! An image on standard input, its text on standard output: how the fixtures are made.

use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let mut image = Vec::new();
    std::io::stdin().lock().read_to_end(&mut image)?;
    let map = superblock::sectors::SectorMap::of(&image)?;
    std::io::stdout().lock().write_all(map.to_string().as_bytes())
}

//! What stands on what: `ls --tree`.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    DevId,
    dm::{DmSeen, Mangling, Overview},
};

/// Where nobody says how wide the terminal is.
const WIDTH: usize = 80;

/// What a tree shows of each device, and with which signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeLook {
    pub numbers: bool,
    pub block_names: bool,
    pub active: bool,
    pub read_write: bool,
    pub open: bool,
    pub uuid: bool,
    pub ascii: bool,
    /// What stands on a device below it, instead of what it stands on.
    pub inverted: bool,
    /// Longer lines are cut.
    pub width: Option<usize>,
    pub mangling: Mangling,
}

impl TreeLook {
    /// From dmsetup's words. `utf8`: what the terminal can show.
    ///
    /// # Errors
    /// A word that is none, or not done.
    pub fn parse(words: Option<&str>, utf8: bool, mangling: Mangling) -> Result<Self, String> {
        let mut look = Self {
            numbers: true,
            block_names: false,
            active: false,
            read_write: false,
            open: false,
            uuid: false,
            ascii: !utf8,
            inverted: false,
            width: Some(WIDTH),
            mangling,
        };
        for word in words.unwrap_or_default().split(',').filter(|word| !word.is_empty()) {
            match word {
                "device" => look.numbers = true,
                "nodevice" => look.numbers = false,
                "blkdevname" => look.block_names = true,
                "active" => look.active = true,
                "rw" => look.read_write = true,
                "open" => look.open = true,
                "uuid" => look.uuid = true,
                "ascii" => look.ascii = true,
                "utf" => look.ascii = false,
                "inverted" => look.inverted = true,
                "notrunc" => look.width = None,
                "compact" | "vt100" => {
                    return Err(format!("a tree is not shown {word} here; utf and ascii are there"));
                }
                _ => return Err(format!("`{}` is no word for a tree", word.escape_debug())),
            }
        }
        Ok(look)
    }
}

/// Everything below every device, with who stands where.
struct Graph<'a> {
    devices: BTreeMap<DevId, &'a DmSeen>,
    /// In the order in which they are met.
    order: Vec<DevId>,
    deps: BTreeMap<DevId, &'a [DevId]>,
    /// In the same order.
    users: BTreeMap<DevId, Vec<DevId>>,
}

impl<'a> Graph<'a> {
    fn new(all: &'a Overview) -> Self {
        let devices = all.devices.iter().map(|seen| (seen.info.dev, seen)).collect();
        let mut graph = Self { devices, order: Vec::new(), deps: BTreeMap::new(), users: BTreeMap::new() };
        for seen in &all.devices {
            graph.add(seen.info.dev);
        }
        for user in &graph.order {
            // One that leads to a device twice is one user of it.
            for dep in graph.deps.get(user).into_iter().flat_map(|deps| deps.iter()) {
                let users = graph.users.entry(*dep).or_default();
                if users.last() != Some(user) {
                    users.push(*user);
                }
            }
        }
        graph
    }

    fn add(&mut self, dev: DevId) {
        if self.deps.contains_key(&dev) {
            return;
        }
        let deps = self.devices.get(&dev).map_or(&[][..], |seen| &seen.deps);
        self.order.push(dev);
        self.deps.insert(dev, deps);
        for dep in deps {
            self.add(*dep);
        }
    }

    fn users(&self, dev: DevId) -> &[DevId] {
        self.users.get(&dev).map_or(&[], Vec::as_slice)
    }

    fn deps(&self, dev: DevId) -> &[DevId] {
        self.deps.get(&dev).copied().unwrap_or_default()
    }
}

/// The tree.
#[must_use]
pub fn tree(all: &Overview, look: &TreeLook) -> String {
    let graph = Graph::new(all);
    let is_root = |dev: DevId| {
        if look.inverted { graph.deps(dev).is_empty() } else { graph.users(dev).is_empty() }
    };
    let mut text = String::new();
    for dev in graph.order.iter().filter(|dev| is_root(**dev)) {
        let mut above = BTreeSet::new();
        branch(all, &graph, look, *dev, &mut Vec::new(), &mut above, &mut text);
    }
    text
}

/// A device and what is below it. `more`: for each level above, whether something follows there.
fn branch(
    all: &Overview,
    graph: &Graph<'_>,
    look: &TreeLook,
    dev: DevId,
    more: &mut Vec<bool>,
    above: &mut BTreeSet<DevId>,
    text: &mut String,
) {
    let (vertical, fork, end) = if look.ascii { ("|", "|-", "`-") } else { ("│", "├─", "└─") };
    let mut whole = String::new();
    for (depth, follows) in more.iter().enumerate() {
        let sign = match (depth + 1 == more.len(), follows) {
            (true, true) => format!(" {fork}"),
            (true, false) => format!(" {end}"),
            (false, true) => format!(" {vertical} "),
            (false, false) => "   ".to_owned(),
        };
        whole.push_str(&sign);
    }
    whole.push_str(&line(all, graph, look, dev));
    text.push_str(&cut(&whole, look.width));
    text.push('\n');
    let mut below = if look.inverted { graph.users(dev) } else { graph.deps(dev) }.to_vec();
    if !look.numbers && !look.block_names {
        // Nothing would be said of what is not device-mapper's.
        below.retain(|dev| graph.devices.contains_key(dev));
    }
    // The driver lets no table lead to itself; a report does not rely on it.
    if !above.insert(dev) {
        return;
    }
    for (at, child) in below.iter().enumerate() {
        more.push(at + 1 < below.len());
        branch(all, graph, look, *child, more, above, text);
        more.pop();
    }
    above.remove(&dev);
}

/// A line that is too long ends in dots.
fn cut(line: &str, width: Option<usize>) -> String {
    match width {
        Some(width) if line.chars().count() > width => {
            let kept: String = line.chars().take(width.saturating_sub(1)).collect();
            kept + "..."
        }
        _ => line.to_owned(),
    }
}

fn line(all: &Overview, graph: &Graph<'_>, look: &TreeLook, dev: DevId) -> String {
    let seen = graph.devices.get(&dev);
    let mut line = seen.map(|seen| look.mangling.unmangle(&seen.info.name)).unwrap_or_default();
    if let Some(block) = all.blocks.get(&dev).filter(|_| look.block_names) {
        line.push_str(&format!(" <{block}>"));
    }
    if look.numbers {
        line.push_str(&format!(" ({dev})"));
    }
    let Some(info) = seen.map(|seen| &seen.info) else { return line };
    let mut words = Vec::new();
    if look.active {
        words.push(if info.suspended { "SUSPENDED" } else { "ACTIVE" }.to_owned());
    }
    if look.read_write {
        words.push(if info.read_only { "RO" } else { "RW" }.to_owned());
    }
    if look.open {
        words.push(info.open.to_string());
    }
    if look.uuid {
        words.push(info.uuid.clone().unwrap_or_default());
    }
    if !words.is_empty() {
        line.push_str(&format!(" [{}]", words.join(", ")));
    }
    line
}

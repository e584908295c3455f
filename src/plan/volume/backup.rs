//! The present state of groups into files.

use superblock::lvm::{Stamp, write};

use super::metadata::LvmStep;
use crate::{
    model::volume::FoundGroup,
    plan::{Plan, Refusal, Step, SystemStep},
};

/// Why a file cannot be what backups of so many groups are written to. `in_the_way`: what is there that is no file.
///
/// # Errors
/// That.
pub fn fit(file: &str, in_the_way: Option<&str>, groups: usize) -> Result<(), Refusal> {
    if let Some(what) = in_the_way {
        return Err(Refusal::new(format!("{file} is {what}: nothing was written")).hint("name a file"));
    }
    if groups > 1 {
        let text = format!("{file} can hold the backup of one group, and there are {groups}");
        return Err(Refusal::new(text).hint(format!("mdctl volume backup GROUP -f {file}")));
    }
    Ok(())
}

/// Backs a group up. One that is not understood is kept, too: its tree, word for word. `usual`: LVM2's own file of it.
///
/// # Errors
/// Its text cannot be read as one.
pub fn plan(found: &FoundGroup, file: Option<&str>, usual: &str, stamp: &Stamp) -> Result<Plan, Refusal> {
    let group = &found.group;
    let text = if group.strange.is_empty() {
        group.backup(stamp)
    } else {
        write::as_file(&found.text, stamp)
            .map_err(|fault| Refusal::new(format!("group {}: {fault}", group.name)))?
    };
    let step = match file {
        None => Step::Lvm(LvmStep::Backup { group: group.name.clone(), text }),
        Some(path) => Step::System(SystemStep::WriteFile {
            path: path.to_owned(),
            text: String::from_utf8_lossy(&text).into_owned(),
            mode: 0o600,
        }),
    };
    let path = file.unwrap_or(usual);
    let summary = format!("back up the metadata of group {} (change {}) in {path}", group.name, group.seqno);
    Ok(Plan { summary, steps: vec![step, Step::Commit], warnings: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::volume::verbs_tests::{stamp, with_volumes};

    #[test]
    fn a_file_holds_one_group_and_is_a_file() {
        assert!(fit("/tmp/x", None, 1).is_ok());
        assert_eq!(
            fit("/tmp", Some("a directory"), 1).unwrap_err().text,
            "/tmp is a directory: nothing was written"
        );
        let many = fit("/tmp/x", None, 2).unwrap_err();
        assert_eq!(many.hint.as_deref(), Some("mdctl volume backup GROUP -f /tmp/x"));
    }

    #[test]
    fn the_text_is_a_backup_of_the_group() {
        let found = with_volumes();
        let usual = plan(&found, None, "/etc/lvm/backup/vg", &stamp()).unwrap();
        let [Step::Lvm(LvmStep::Backup { group, text }), Step::Commit] = &usual.steps[..] else {
            panic!("{usual}")
        };
        assert_eq!(group, "vg");
        assert!(usual.summary.ends_with("in /etc/lvm/backup/vg"), "{}", usual.summary);
        let named = plan(&found, Some("/tmp/x"), "/etc/lvm/backup/vg", &stamp()).unwrap();
        let [Step::System(SystemStep::WriteFile { path, text: same, .. }), Step::Commit] = &named.steps[..]
        else {
            panic!("{named}")
        };
        assert_eq!((path.as_str(), same.as_bytes()), ("/tmp/x", text.as_slice()));
    }
}

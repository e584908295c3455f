use superblock::{
    Sectors,
    lvm::{LvmUuid, Wish},
};

use super::{
    super::restore::tests::{group, id, kept, world},
    *,
};
use crate::model::dm::Listed;

/// The volume moves from the first device.
fn moving(seqno: u32) -> KeptState {
    let mut state = kept(seqno, &["a"], "x");
    let from = state.group.pvs[0].id;
    let mut room = LogicalVolume { id: id(60), ..LogicalVolume::empty("a_moves_here".into()) };
    let on = vec![(1, 0..state.group.pvs[1].pe_count)];
    room.segments = state.group.allocate(&Wish { extents: 2, on, ..Wish::default() }).unwrap().segments;
    room.tags = vec![room::tag(("a", id(20)), from, false)];
    state.group.add(room).unwrap();
    state
}

fn moved(seqno: u32) -> Group {
    let mut after = moving(seqno).group;
    let segments = after.volume("a_moves_here").unwrap().segments.clone();
    after.remove("a_moves_here").unwrap();
    after.volume_mut("a").unwrap().segments = segments;
    after
}

fn rolled_back(seqno: u32) -> KeptState {
    let mut state = kept(seqno, &["a", "s"], "x");
    state.group.make_snapshot("a", "s", Sectors(8), id(50)).unwrap();
    state.group.set_merging("s", true).unwrap();
    state
}

#[test]
fn a_move_that_is_over_is_not_brought_back() {
    let all = [kept(2, &["a"], "archive"), moving(3), KeptState { path: "b".into(), group: moved(4) }];
    let there = world(moved(4));
    let refusal = refuse(&all[1], &all, &there, 4).unwrap_err();
    assert!(refusal.text.starts_with("group vg as it was after change 3: vg/a was being moved then"));
    let nearest = "the nearest other states: --at 2 before it, --at 4 (that of now) after it";
    assert_eq!(refusal.hint.as_deref(), Some(nearest));
    assert_eq!(refuse(&all[0], &all, &there, 4), Ok(()));
    // It goes on: labels that were lost come back, and a volume that was removed.
    assert_eq!(refuse(&all[1], &all, &world(moving(3).group), 3), Ok(()));
    let mut later = moving(5).group;
    later.written.description = "x".into();
    assert_eq!(refuse(&all[1], &all, &world(later), 5), Ok(()));
    // Of the group nothing is left: the newest is as it stands.
    assert!(refuse(&all[1], &all, &Groups::default(), 4).is_err());
    assert_eq!(refuse(&all[1], &all[..2], &Groups::default(), 3), Ok(()));
    // lvm2's.
    let mut pvmove = kept(3, &["a"], "x");
    pvmove.group.status.insert(GroupStatus::PVMOVE);
    assert!(refuse(&pvmove, &all, &there, 4).unwrap_err().text.contains("`pvmove` was moving"));
}

#[test]
fn nor_a_rollback() {
    let over = world(group(6, &["a"]));
    let refusal = refuse(&rolled_back(4), &[rolled_back(4)], &over, 6).unwrap_err();
    assert!(refusal.text.contains("vg/a was being rolled back to s then"), "{}", refusal.text);
    assert!(refusal.hint.unwrap().ends_with("--at 6 (that of now) after it; none before it is kept"));
    // Both were removed in its midst: it goes on.
    let removed = world(group(5, &[]));
    assert_eq!(refuse(&rolled_back(4), &[rolled_back(4)], &removed, 5), Ok(()));
    // Not where the volume was there in between, or nobody knows.
    let later = [rolled_back(4), kept(5, &["a"], "x")];
    assert!(refuse(&rolled_back(4), &later, &world(group(6, &[])), 6).is_err());
    assert!(refuse(&rolled_back(4), &[rolled_back(4)], &world(group(6, &[])), 6).is_err());
}

#[test]
fn what_goes_on_is_not_left() {
    let listed = |of: LvmUuid, layer| Listed {
        name: "x".into(),
        uuid: Some(uuid::lvm(id(9).plain(), of.plain(), layer)),
        ..Listed::default()
    };
    let leave = |group: &Group, active: Vec<Listed>, force| {
        let groups = Groups { active, ..world(group.clone()) };
        let mut old = kept(2, &["a", "s"], "x");
        old.group.make_snapshot("a", "s", Sectors(8), id(50)).unwrap();
        refuse_to_leave(&groups, &old, force).map_err(|refusal| refusal.text)
    };
    let moves = moving(3).group;
    assert_eq!(leave(&moves, vec![listed(id(60), None)], true), Err("vg/a is being moved".into()));
    assert_eq!(leave(&moves, Vec::new(), false), Ok(()), "nothing copies");
    let back = rolled_back(3).group;
    let both = vec![listed(id(20), None), listed(id(21), None)];
    assert_eq!(leave(&back, both, false), Ok(()), "it has not begun");
    let begun = vec![listed(id(20), None), listed(id(21), Some("cow"))];
    assert_eq!(leave(&back, begun, true), Err("vg/a is being rolled back to vg/s".into()));
    assert!(leave(&back, Vec::new(), false).unwrap_err().contains("may have begun"));
    assert_eq!(leave(&back, Vec::new(), true), Ok(()));
}

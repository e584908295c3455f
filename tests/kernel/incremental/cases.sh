# shellcheck shell=bash disable=SC2154  # stands behind the helpers of assemble/cases.sh
# Devices come one by one, by the program named in $1: words, status, kernel state, map. What begins with d_ is ours alone.

inc() { act -I --export "$@"; }
# an array that is stopped and that nobody remembers
ready() { local md=$1 l=$2 n=$3; shift 3; create "$md" "$l" "$n" "$@"; stop "$md"; }
# member $1 of N events, believing that slot $3 failed
alone() { events "$2" "$1"; denies "$3" "$1"; }
# the array is up, a member is out of it and behind
behind() { create /dev/md0 1 2 "$@" ${D}0 ${D}1; drop /dev/md0 ${D}1; }
cookie() { for f in /run/mdadm/failed-slots/*; do [ -f "$f" ] && echo "  cookie: $(basename "$f") $(sed 's/[0-9a-f]\{8\}/X/g' "$f")"; done; rm -rf /run/mdadm/failed-slots; }

# --- one member -------------------------------------------------------------------------------------------------------
c_mirror() { ready /dev/md0 1 2 ${D}0 ${D}1; inc ${D}0; inc ${D}1; show; }
c_raid5() { ready /dev/md0 5 3 ${D}0 ${D}1 ${D}2; inc ${D}1; inc ${D}0; inc ${D}2; show; }
c_raid0() { ready /dev/md0 0 2 ${D}0 ${D}1; inc ${D}0; inc ${D}1; show; }
c_raid6() { ready /dev/md0 6 4 ${D}0 ${D}1 ${D}2 ${D}3; inc ${D}0; inc ${D}1; inc ${D}2; inc ${D}3; show; }
c_raid10() { ready /dev/md0 10 4 ${D}0 ${D}1 ${D}2 ${D}3; inc ${D}0; inc ${D}1; inc ${D}2; inc ${D}3; show; }
c_v0() { ready /dev/md0 1 2 -e 0.90 ${D}0 ${D}1; inc ${D}0; inc ${D}1; show; }
c_v10() { ready /dev/md0 1 2 -e 1.0 ${D}0 ${D}1; inc ${D}0; inc ${D}1; show; }
c_text() { ready /dev/md0 5 3 ${D}0 ${D}1 ${D}2; act -I ${D}0; act -I ${D}1; act -I ${D}2; }
c_quiet() { ready /dev/md0 5 3 ${D}0 ${D}1 ${D}2; act -I -q ${D}0; act -Iq ${D}1; act -q -I ${D}2; show; }
c_named() { ready /dev/md/home 1 2 --homehost=guest ${D}0 ${D}1; inc ${D}0; inc ${D}1; show; }
c_options_after() { ready /dev/md/home 1 2 --homehost=guest ${D}0 ${D}1; act -I ${D}0 --export --offroot; act --export --incremental ${D}1; }
c_metadata() { ready /dev/md0 1 2 ${D}0 ${D}1; inc -e 1.2 ${D}0; inc -e 1.2 ${D}1; show; }
c_no_degraded() { ready /dev/md0 1 2 ${D}0 ${D}1; inc --no-degraded ${D}0; }
c_run_degraded() { ready /dev/md0 5 3 -b none ${D}0 ${D}1 ${D}2; inc ${D}0; inc -R ${D}1; show; inc ${D}2; }
c_run_alone() { ready /dev/md0 1 2 ${D}0 ${D}1; inc --run ${D}0; show; }
c_run_too_few() { ready /dev/md0 5 3 ${D}0 ${D}1 ${D}2; inc --run ${D}0; }
c_degraded_known() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; drop /dev/md0 ${D}2; stop /dev/md0; inc ${D}0; inc ${D}1; show; }
c_spare() { ready /dev/md0 1 2 -x 1 ${D}0 ${D}1 ${D}2; inc ${D}2; inc ${D}0; inc ${D}1; show; }
c_spare_late() { ready /dev/md0 1 2 -x 1 ${D}0 ${D}1 ${D}2; inc ${D}0; inc ${D}1; inc ${D}2; show; }
c_journal() { ready /dev/md0 5 3 --write-journal ${D}3 ${D}0 ${D}1 ${D}2; inc ${D}0; inc ${D}1; inc ${D}2; inc ${D}3; show; }
c_foreign() { ready /dev/md/far 1 2 --homehost=other ${D}0 ${D}1; inc ${D}0; inc ${D}1; show; }
c_foreign_name_taken() { create /dev/md/far 1 2 --homehost=guest ${D}0 ${D}1; create2 /dev/md9 1 2 --name=far --homehost=other ${D}2 ${D}3; quiet $R -S /dev/md9; settle; inc ${D}2; inc ${D}3; }
c_line_names_it() { ready /dev/md/far 1 2 --homehost=other ${D}0 ${D}1; echo "ARRAY /dev/md/near UUID=$U" | conf; inc ${D}0; inc ${D}1; show; }
c_line_number() { ready /dev/md/far 1 2 --homehost=other ${D}0 ${D}1; echo "ARRAY /dev/md7 UUID=$U" | conf; inc ${D}0; inc ${D}1; show; }
c_dirty_degraded() { create /dev/md0 5 3 -b none ${D}0 ${D}1 ${D}2; drop /dev/md0 ${D}2; stop /dev/md0; dirty ${D}0 ${D}1; inc ${D}0; inc ${D}1; show; }

# --- refusals ---------------------------------------------------------------------------------------------------------
c_grammar() { act -I; act -I -s; act -I -s ${D}0; act -I -s -R -f; act -I -f a b; act -If a/b; }
c_not_block() { act -I /tmp; act -I /dev/null; act -I /dev/nothing; }
c_nothing_on_it() { inc ${D}5; act -I ${D}5; }
c_not_permitted() { ready /dev/md0 1 2 ${D}0 ${D}1; echo "DEVICE ${D}0" | conf; inc ${D}1; inc ${D}0; }
c_permitted_by_alias() { ready /dev/md0 1 2 ${D}0 ${D}1; echo "DEVICE /dev/alias/*" | conf; inc ${D}1 /dev/alias/x; inc ${D}0 /dev/other; }
c_permitted_by_number() { ready /dev/md0 1 2 ${D}0 ${D}1; ln -sf ${D}1 /tmp/one-link; echo "DEVICE /tmp/one-link" | conf; inc ${D}1; inc ${D}0; rm /tmp/one-link; }
c_ignored() { ready /dev/md0 1 2 ${D}0 ${D}1; echo "ARRAY <ignore> UUID=$U" | conf; inc ${D}0; }
c_auto_no() { ready /dev/md0 1 2 ${D}0 ${D}1; echo "AUTO -all" | conf; inc ${D}0; }
d_auto_homehost() { ready /dev/md/far 1 2 --homehost=other ${D}0 ${D}1; echo "AUTO homehost -all" | conf; inc ${D}0; act -I --homehost=other ${D}1; }

# --- who counts -------------------------------------------------------------------------------------------------------
c_one_event_less() { ready /dev/md0 5 3 -b none ${D}0 ${D}1 ${D}2; events 17 ${D}0 ${D}1; events 16 ${D}2; inc ${D}0; inc ${D}1; inc ${D}2; show; }
c_stale_last() { ready /dev/md0 5 3 -b none ${D}0 ${D}1 ${D}2; events 17 ${D}0 ${D}1; events 8 ${D}2; inc ${D}0; inc ${D}1; inc ${D}2; }
c_stale_first() { create /dev/md0 1 2 -b none ${D}0 ${D}1; drop /dev/md0 ${D}1; stop /dev/md0; inc ${D}1; inc ${D}0; show; }
d_slot_twice() { ready /dev/md0 5 3 -b none ${D}0 ${D}1 ${D}2; dd if=${D}0 of=${D}6 bs=1M count=20 status=none; events 8 ${D}6; inc ${D}6; inc ${D}0; inc ${D}1; show; }
# a member was replaced, and comes first: $1 level, $2 its members
replaced() { local n=$2 m=() i; for i in $(seq 0 $((n - 1))); do m+=(${D}$i); done; create /dev/md0 $1 $n "${m[@]}"; drop /dev/md0 ${D}$((n - 1)); quiet $R /dev/md0 -a ${D}7; idle; sleep 0.5; stop /dev/md0; inc ${D}$((n - 1)); for i in $(seq 0 $((n - 2))); do inc ${D}$i; done; inc ${D}7; show; stop_all; rm -f /run/mdadm/map; for i in $(seq 1 $((n - 1))); do inc ${D}$i; done; inc ${D}7; inc ${D}0; show; }
d_replaced_raid1() { replaced 1 2; }
d_replaced_raid5() { replaced 5 3; }
d_replaced_raid6() { replaced 6 4; }
d_replaced_raid10() { replaced 10 4; }
# a dd copy of member 1 from before the last writes comes first
old_copy() { local n=$2 m=() i; for i in $(seq 0 $((n - 1))); do m+=(${D}$i); done; ready /dev/md0 $1 $n "${m[@]}"; dd if=${D}1 of=${D}6 bs=1M count=20 status=none; quiet $R -A /dev/md0 "${m[@]}"; quiet dd if=/dev/urandom of=/dev/md0 bs=64k count=4 oflag=direct; sleep 0.5; stop /dev/md0; inc ${D}6; }
d_old_copy_raid1() { old_copy 1 2; inc ${D}1; inc ${D}0; show; }
d_old_copy_raid5() { old_copy 5 3; inc ${D}0; inc ${D}1; inc ${D}2; show; }
d_old_copy_raid10() { old_copy 10 4; inc ${D}3; inc ${D}2; inc ${D}1; inc ${D}0; show; }
d_old_copy_and_assemble() { old_copy 5 3; act -A /dev/md0 ${D}0 ${D}1 ${D}2 ${D}6; show; }
d_equal_copy() { ready /dev/md0 1 2 ${D}0 ${D}1; dd if=${D}1 of=${D}6 bs=1M count=20 status=none; inc ${D}1; inc ${D}6; inc ${D}0; show; }
d_spare_number() { create /dev/md0 1 2 -x 1 ${D}0 ${D}1 ${D}2; quiet $R /dev/md0 -r ${D}2; drop /dev/md0 ${D}1; quiet $R /dev/md0 -a ${D}3; idle; sleep 0.5; stop /dev/md0; inc ${D}2; inc ${D}3; inc ${D}0; show; }
d_parted() { ready /dev/md0 1 2 -b none ${D}0 ${D}1; alone ${D}0 6 1; alone ${D}1 17 0; inc ${D}0; inc ${D}1; show; }
d_parted_fresh_first() { ready /dev/md0 1 2 -b none ${D}0 ${D}1; alone ${D}0 6 1; alone ${D}1 17 0; inc ${D}1; inc ${D}0; show; }

# --- late -------------------------------------------------------------------------------------------------------------
c_late() { behind; act -I ${D}1; show; }
c_late_by_policy() { behind; echo "POLICY action=re-add" | conf; inc ${D}1; show; }
c_late_run() { behind; inc -R ${D}1; show; }
c_late_bitmap_policy() { behind -b internal; echo "POLICY action=re-add" | conf; inc ${D}1; show; }
c_late_bitmap_run() { behind -b internal; act -I -R ${D}1; show; }
d_late_force_spare() { behind; echo "POLICY action=force-spare" | conf; inc ${D}1; show; }
d_late_awaited() { ready /dev/md0 1 2 -b internal ${D}0 ${D}1; inc ${D}0; quiet $R --run /dev/md0; inc ${D}1; idle; show; drop /dev/md0 ${D}1; inc ${D}1; show; }
d_twice() { ready /dev/md0 5 3 ${D}0 ${D}1 ${D}2; inc ${D}0; inc ${D}0; inc ${D}1; inc ${D}0; inc ${D}1; inc ${D}2; inc ${D}0; inc ${D}2; }
d_busy() { ready /dev/md0 1 2 ${D}0 ${D}1; dmsetup create held --table "0 1024 linear ${D}0 0"; inc ${D}0; dmsetup remove held; inc ${D}0; }
d_unmapped() { ready /dev/md0 1 2 ${D}0 ${D}1; inc ${D}0; rm /run/mdadm/map; inc ${D}1; show; }

# --- who is gone ------------------------------------------------------------------------------------------------------
c_fail() { create /dev/md0 5 3 -b none ${D}0 ${D}1 ${D}2; act -If ram1; show; }
c_fail_path() { create /dev/md0 1 2 ${D}0 ${D}1; act -If ${D}1 --path pci-1; cookie; show; }
c_fail_unknown() { create /dev/md0 1 2 ${D}0 ${D}1; act -If ram9; act -If -v ram9; act -If /dev/ram9; }
d_fail_inactive() { ready /dev/md0 5 3 ${D}0 ${D}1 ${D}2; inc ${D}0; inc ${D}1; act -If ram0; show; inc ${D}2; inc ${D}0; }
c_fail_spare() { create /dev/md0 1 2 -x 1 ${D}0 ${D}1 ${D}2; act -If ram2; show; }
d_fail_last() { create /dev/md0 1 2 ${D}0 ${D}1; drop /dev/md0 ${D}1; act -If ram0; show; act -If --force ram0; }

# --- all that wait ----------------------------------------------------------------------------------------------------
c_start_all() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; create2 /dev/md1 1 2 ${D}3 ${D}4; stop /dev/md0 /dev/md1; inc ${D}0; inc ${D}1; inc ${D}3; act -IRs; show; act -IRs; }
d_start_all_too_few() { ready /dev/md0 5 3 ${D}0 ${D}1 ${D}2; inc ${D}0; act -IRs; }
c_rebuild_map() { create /dev/md/home 1 2 --homehost=guest ${D}0 ${D}1; create2 /dev/md9 1 2 ${D}2 ${D}3; rm /run/mdadm/map; act -Ir; show; }
c_rebuild_and_start() { ready /dev/md0 5 3 ${D}0 ${D}1 ${D}2; inc ${D}0; inc ${D}1; rm /run/mdadm/map; act -IRsr; show; }

# --- bare disks -------------------------------------------------------------------------------------------------------
c_bare_spare() { create /dev/md0 1 2 ${D}0 ${D}1; echo "POLICY domain=x action=spare" | conf; act -I ${D}5; act -I -v ${D}6; show; }
c_bare_no_policy() { create /dev/md0 1 2 ${D}0 ${D}1; echo "POLICY domain=x action=re-add" | conf; act -I ${D}5; }
c_bare_not_bare() { create /dev/md0 1 2 ${D}0 ${D}1; echo "POLICY domain=x action=spare" | conf; dd if=/dev/urandom of=${D}5 bs=4k count=1 status=none; act -I ${D}5; dd if=/dev/zero of=${D}5 bs=4k count=1 status=none; }
c_bare_too_small() { create /dev/md0 1 2 ${D}0 ${D}1; echo "POLICY domain=x action=spare" | conf; truncate -s 4M /tmp/small; losetup /dev/loop7 /tmp/small; act -I /dev/loop7; losetup -d /dev/loop7; rm /tmp/small; }
c_bare_same_slot() { create /dev/md0 1 2 ${D}0 ${D}1; mkdir -p /run/mdadm/failed-slots; echo "POLICY domain=x action=spare" | conf; act -I ${D}5; }


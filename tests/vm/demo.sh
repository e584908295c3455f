#!/usr/bin/env bash
# What `make demo` runs in the guest: the main job, from four disks to a checked recovery. It prints each
# command before it runs it, and its last line says what was verified.
# The disks are /dev/vda to /dev/vdd. TERMINAL=1 says that somebody watches on a terminal.
set -euo pipefail

MDADM=${MDADM:-mdctl}
bold='' blue='' plain=''
[ -z "${TERMINAL:-}" ] || { bold=$'\e[1m' blue=$'\e[36m' plain=$'\e[0m'; }

title() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
show() {
    printf '%s# %s%s\n' "$blue" "$*" "$plain"
    "$@" 2>&1
}
fail() { printf 'demo: FAILED: %s\n' "$*"; exit 1; }

bar() { printf '  [%-50s] %3d%%' "$(printf '%*s' $(($1 / 2)) '' | tr ' ' '#')" "$1"; }

# progress: a bar until nothing is being synced; where nobody watches, only the full one.
progress() {
    local percent
    # Between a start and its recovery the kernel says nothing of it but that members are missing.
    while grep -qE 'recovery|resync|check' /proc/mdstat || grep -qsv '^0$' /sys/block/md*/md/degraded; do
        percent=$(sed -n 's/.*\(recovery\|resync\|check\) *= *\([0-9]*\)\..*/\2/p' /proc/mdstat)
        [ -z "${TERMINAL:-}" ] || [ -z "$percent" ] || printf '\r%s' "$(bar "$percent")"
        sleep 0.2
    done
    [ -z "${TERMINAL:-}" ] || printf '\r'
    printf '%s\n' "$(bar 100)"
}

verify() { # verify WHEN: every file has the contents it was written with
    (cd /mnt && sha256sum --quiet -c /root/files.sha256) || fail "files differ $1"
    checked=$(wc -l </root/files.sha256)
    printf 'all %s files intact %s\n' "$checked" "$1"
}

show modprobe -a raid456 dm-snapshot
mkdir -p /mnt

title "A RAID5 of three disks"
show "$MDADM" --create /dev/md/demo --run --level=5 --raid-devices=3 /dev/vda /dev/vdb /dev/vdc
progress

title "A volume and a file system on it, and files"
show "$MDADM" volume group create vg /dev/md/demo
show "$MDADM" volume create vg/root 80M
show lvs vg
show mkfs.ext4 -q /dev/vg/root
show mount /dev/vg/root /mnt
mkdir /mnt/files
for n in $(seq 1 200); do head -c $((n * 997)) /dev/urandom >"/mnt/files/$n"; done
(cd /mnt && find files -type f -exec sha256sum {} +) >/root/files.sha256
verify "after they were written"

title "A disk fails; the array goes on without it"
show "$MDADM" /dev/md/demo --fail /dev/vdb
show "$MDADM" explain /dev/md/demo
show "$MDADM" /dev/md/demo --remove /dev/vdb
show "$MDADM" --zero-superblock /dev/vdb
verify "with a disk missing"

title "Another takes its place"
show "$MDADM" replace /dev/md/demo missing /dev/vdd
show "$MDADM" status
verify "after the rebuild"

title "Stop everything; find it again by looking at the disks"
show umount /mnt
show "$MDADM" volume deactivate vg
show "$MDADM" --stop /dev/md/demo
udevadm settle
show "$MDADM" --assemble --scan
show "$MDADM" --detail /dev/md/demo
show "$MDADM" volume activate vg
show mount /dev/vg/root /mnt
verify "after the assembly"

title "A mistake: a new array over the disks of the old one, in another order, with another chunk"
umount /mnt
show "$MDADM" volume deactivate vg
show "$MDADM" --stop /dev/md/demo
show "$MDADM" --create /dev/md/oops --run --assume-clean --level=5 --chunk=64 --raid-devices=3 /dev/vdc /dev/vdd /dev/vda
show "$MDADM" --stop /dev/md/oops
show "$MDADM" history
show "$MDADM" undo -y
udevadm settle
show "$MDADM" --assemble --scan
show "$MDADM" volume activate vg
show mount /dev/vg/root /mnt
verify "after the undo"

title "A snapshot, a mistake, a way back"
show "$MDADM" volume snapshot vg/root before --size 32M
show rm -r /mnt/files
show "$MDADM" volume list
show umount /mnt
show "$MDADM" volume rollback vg/before --wait
show mount /dev/vg/root /mnt
verify "after the rollback"

title "Are the disks consistent?"
umount /mnt
"$MDADM" volume deactivate vg
echo check >"/sys/block/$(basename "$(readlink -f /dev/md/demo)")/md/sync_action"
progress
mismatches=$(cat "/sys/block/$(basename "$(readlink -f /dev/md/demo)")/md/mismatch_cnt")
[ "$mismatches" = 0 ] || fail "$mismatches sectors do not match their parity"
"$MDADM" --detail --test /dev/md/demo >/dev/null || fail "the array is not whole"

title "The superblocks are gone, and nobody knows the order: what was this array?"
show "$MDADM" --stop /dev/md/demo
show "$MDADM" --zero-superblock --no-archive /dev/vda /dev/vdc /dev/vdd
before=$(cat /dev/vda /dev/vdc /dev/vdd | sha256sum)
show "$MDADM" trial /dev/vdd /dev/vdc /dev/vda
[ "$(cat /dev/vda /dev/vdc /dev/vdd | sha256sum)" = "$before" ] || fail "the trial wrote to a disk"
show "$MDADM" trial /dev/vdd /dev/vdc /dev/vda --apply 1 --name demo --yes
udevadm settle
show "$MDADM" volume activate vg
show mount /dev/vg/root /mnt
verify "after the trial's repair"

printf '\ndemo: verified: %s files intact after a lost disk, a rebuild, a reassembly, an undone create, a rollback and a repair by trial; parity matches everywhere; kernel %s\n' \
    "$checked" "$(uname -r)"

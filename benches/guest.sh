#!/usr/bin/env bash
# What `make bench` runs in the guest: the reference and ours on the same arrays in the same boot, on disks that
# answer after 5 ms. Times are comparable within one run only; counts of system calls are exact.
set -euo pipefail

REFERENCE=/usr/sbin/mdadm OURS=/usr/local/sbin/mdadm
ARRAYS=16 MEMBERS=4 DELAY=5
work=/tmp/bench
mkdir -p "$work"
disks=$((ARRAYS * MEMBERS))

say() { printf '%s\n' "$*" >&2; }

say "making $disks disks"
modprobe -a raid1 raid456 dm-delay
modprobe brd rd_nr=$disks rd_size=8192
mkdir -p /etc/mdadm
udevadm settle

stop_all() {
    "$REFERENCE" --stop --scan >/dev/null 2>&1 || true
    udevadm settle
}

# cold: no page of a disk is left from the last reader.
cold() {
    local d
    for ((d = 0; d < disks; d++)); do blockdev --flushbufs "/dev/dm-$d" "/dev/ram$d" 2>/dev/null || true; done
    echo 3 >/proc/sys/vm/drop_caches
}

# timed FILE COMMAND...: adds seconds and kilobytes to $work/FILE.runs, and puts what it printed into FILE.out.
timed() { # (with $before run before it, and what $after prints added to the output)
    local name=$1 status=0
    shift
    eval "${before:-:}"
    /usr/bin/time -q -f '%e %M' -o "$work/$name.run" "$@" >"$work/$name.out" 2>"$work/$name.err" || status=$?
    tail -n 1 "$work/$name.run" >>"$work/$name.runs"
    eval "${after:-:}" >>"$work/$name.out"
    printf '%s' "$status" >"$work/$name.status"
}

figure() { # figure NAME COLUMN: the best of the runs, or why there is none
    if [ "$(cat "$work/$1.status")" != 0 ]; then printf 'failed(%s)' "$(cat "$work/$1.status")"; return; fi
    sort -n "$work/$1.runs" | head -n 1 | cut -d' ' -f"$2"
}

# in_turn REFERENCE... -- OURS...: three runs of each, one after the other, for the machine is not equally fast all the time; the
# best counts.
in_turn() {
    local reference=()
    while [ "$1" != -- ]; do
        reference+=("$1")
        shift
    done
    shift
    rm -f "$work"/{reference,ours}.runs
    for _ in 1 2 3; do
        timed reference "${reference[@]}"
        timed ours "$@"
    done
}

# both TITLE BUDGET COMMAND...: one row; "mdadm" in the command stands for either program.
both() {
    local title=$1 budget=$2
    shift 2
    say "measuring: $*"
    in_turn "${@/#mdadm/$REFERENCE}" -- "${@/#mdadm/$OURS}"
    local same=different
    cmp -s <(sort "$work/reference.out") <(sort "$work/ours.out") && same=same
    row "$title" "$(figure reference 1) s" "$(figure ours 1) s" "$budget" "$same"
}

row() { printf '%-44s %14s %14s %14s  %s\n' "$@"; }

# reads: how many requests the slow disks have answered so far.
reads() { cat /sys/block/dm-*/stat | awk '{ n += $1 } END { print n }'; }

# per_member WHAT: of one --examine --scan, the reads or ioctls for each member, by both programs.
per_member() {
    local program before_reads
    for program in "$REFERENCE" "$OURS"; do
        cold
        before_reads=$(reads)
        strace -f -qq -o "$work/trace" -e trace=ioctl "$program" --examine --scan >/dev/null 2>&1 || true
        case $1 in
            reads) printf '%s\n' "$(($(reads) - before_reads))" ;;
            ioctls) grep -c ioctl "$work/trace" || true ;;
        esac | awk -v disks="$disks" '{ printf "%.1f\n", $1 / disks }'
    done
}

# each TITLE BUDGET LINE: one row of a shell line in which "$0" is either program.
each() { both "$1" "$2" bash -c "$3" mdadm; }

clear_disks() {
    local d
    stop_all
    for ((d = 0; d < disks; d++)); do dd if=/dev/zero of="/dev/ram$d" bs=64k count=1 status=none; done
    udevadm settle
}

assemble_all() {
    stop_all
    "$REFERENCE" --assemble --scan >/dev/null 2>&1
    udevadm settle
}

switches() { cat "/proc/$1"/task/*/status | awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n }'; }

# wakes PROGRAM: how often its monitor wakes in a minute in which nothing happens.
wakes() {
    local pid before
    "$1" --monitor --scan --program=/bin/true >/dev/null 2>&1 &
    pid=$!
    sleep 10
    before=$(switches "$pid")
    sleep 60
    printf '%s\n' "$(($(switches "$pid") - before))"
    kill "$pid"
    wait "$pid" 2>/dev/null || true
}

# Requests that wait for nothing but udev.
row "what" "mdadm" "ours" "budget" "output"
shown='grep -c " active " /proc/mdstat || true; ls /dev/md 2>/dev/null || true'
members='/dev/ram$((a * 4)) /dev/ram$((a * 4 + 1)) /dev/ram$((a * 4 + 2)) /dev/ram$((a * 4 + 3))'
make='"$0" --create /dev/md/b$a --quiet --run --assume-clean --bitmap=none -l 5 -n 4 -c 64'
before='clear_disks' after=$shown
each "--create, $ARRAYS arrays one after the other" "as fast" "for a in {0..15}; do $make $members; done"
printf 'DEVICE /dev/ram*\n' >/etc/mdadm/mdadm.conf
before='assemble_all'
both "--stop --scan, $ARRAYS arrays" "as fast" mdadm --stop --scan
before='stop_all'
each "-I, $disks disks one after the other" "-" 'for d in {0..63}; do "$0" -I --quiet /dev/ram$d; done'
each "-I, $disks disks at once" "-" 'for d in {0..63}; do "$0" -I --quiet /dev/ram$d & done; wait'
before='' after=''
assemble_all
say "measuring: the monitor, two minutes"
row "wakes of --monitor in a quiet minute" "$(wakes "$REFERENCE")" "$(wakes "$OURS")" "0" "-"
stop_all

say "putting a delay of $DELAY ms before each of $disks disks"
for ((d = 0; d < disks; d++)); do
    dmsetup create "slow$d" --table "0 $(blockdev --getsz /dev/ram$d) delay /dev/ram$d 0 $DELAY"
done
udevadm settle
printf 'DEVICE /dev/mapper/slow*\n' >/etc/mdadm/mdadm.conf

before='cold'
both "--examine --scan, $disks members, $DELAY ms a request" "0.1 s" mdadm --examine --scan
before='stop_all; cold' after="grep -c ' active ' /proc/mdstat || true"
both "--assemble --scan, $ARRAYS arrays, and udev after" "-" mdadm --assemble --scan
# What is udev's and what is the program's: without udev both make the nodes themselves.
stop_all
udevadm control --exit
while pidof systemd-udevd >/dev/null; do sleep 0.1; done
before='"$REFERENCE" --stop --scan >/dev/null 2>&1 || true; cold'
both "--assemble --scan, $ARRAYS arrays, no udev" "1 s" mdadm --assemble --scan
"$REFERENCE" --stop --scan >/dev/null 2>&1 || true
/usr/lib/systemd/systemd-udevd --daemon
udevadm trigger --settle
before='' after=''
"$REFERENCE" --assemble --scan >/dev/null 2>&1
udevadm settle
both "--detail --scan, $ARRAYS arrays" "-" mdadm --detail --scan
stop_all
both "20 starts: --version" "0.04 s" bash -c "for i in {1..20}; do \$0 --version; done" mdadm
in_turn "$REFERENCE" --version -- "$OURS" --version
row "memory of --version" "$(figure reference 2) KiB" "$(figure ours 2) KiB" "6144 KiB" "-"
row "size of the program" "$(($(stat -Lc %s "$REFERENCE") / 1024)) KiB" "$(($(stat -Lc %s "$OURS") / 1024)) KiB" "8192 KiB" "-"
mapfile -t n < <(per_member reads)
row "reads per member, --examine --scan" "${n[0]}" "${n[1]}" "3" "-"
mapfile -t n < <(per_member ioctls)
row "ioctls per member, --examine --scan" "${n[0]}" "${n[1]}" "-" "-"

# Volumes: lvm2 and dmsetup beside ours, on two disks in memory. Requests to device-mapper are counted, times are a ratio.
stop_all
for ((d = 0; d < disks; d++)); do dmsetup remove "slow$d"; done
udevadm settle
rmmod brd
modprobe brd rd_nr=2 rd_size=$((4 << 20))
udevadm settle
MDCTL=/usr/local/sbin/mdctl

# requests PATTERN COMMAND...: how many of its system calls look so.
requests() {
    local pattern=$1
    shift
    strace -f -qq -o "$work/trace" -e trace=ioctl,semtimedop "$@" >/dev/null 2>&1 || true
    grep -cE "$pattern" "$work/trace" || true
}
CHANGES='DM_(DEV_CREATE|TABLE_LOAD|DEV_SUSPEND|DEV_REMOVE|DEV_RENAME|TABLE_CLEAR)'
WAITS='semtimedop.*sem_op=0'

# beside TITLE BUDGET THEIRS OURS: times of two shell lines; $before runs before each.
beside() {
    say "measuring: $3 | $4"
    in_turn bash -c "$3" -- bash -c "$4"
    row "$1" "$(figure reference 1) s" "$(figure ours 1) s" "$2" "-"
}

# once COMMAND...: its seconds; it cannot be done twice.
once() {
    /usr/bin/time -q -f %e -o "$work/once" "$@" >/dev/null 2>"$work/once.err" || { printf 'failed'; return; }
    tail -n 1 "$work/once"
}

printf '\n'
row "volumes" "lvm2" "ours" "budget" "output"
pvcreate -q --metadatasize 32m /dev/ram0 /dev/ram1 >/dev/null
vgcreate -q -s 128k many /dev/ram0 >/dev/null
vgcreate -q -s 128k some /dev/ram1 >/dev/null
# lines GROUP/PREFIX COUNT: so many volumes of one extent.
lines() { seq 1 "$2" | sed "s|.*|$1& 128K|"; }
lines some/v 200 >"$work/200"
lines many/a 1000 >"$work/1000"
lines many/b 9000 >"$work/9000"
"$MDCTL" volume create -y --inactive --from "$work/200" >/dev/null
seqno() { vgs --noheadings -o vg_seqno many | tr -d ' '; }
was=$(seqno)
say "measuring: 1,000 volumes"
theirs=$(once bash -c 'for v in {1..10}; do lvcreate -q -an -Zn -Wn -l1 -n one$v some; done')
lvremove -q -y some/one{1..10} >/dev/null 2>&1
ours=$(once "$MDCTL" volume create -y --inactive --from "$work/1000")
row "make 10 volumes one by one; 1,000 from a file" "$theirs s" "$ours s" "-" "-"
row "commits of 1,000 volumes" "1000" "$(($(seqno) - was))" "1" "-"
"$MDCTL" volume create -y --inactive --from "$work/9000" >/dev/null
beside "list 10,000 volumes" "1/10" "lvs many" "mdctl volume list many"
before='vgchange -q -an some >/dev/null; udevadm settle'
beside "activate 200 volumes, and udev" "-" "vgchange -q -ay some" "mdctl volume activate some"
before=''
vgchange -q -an some >/dev/null
theirs=$(requests 'DM_' vgchange -q -ay some)
their_waits=$(grep -cE "$WAITS" "$work/trace" || true)
vgchange -q -an some >/dev/null
ours=$(requests 'DM_' "$MDCTL" volume activate some)
our_waits=$(grep -cE "$WAITS" "$work/trace" || true)
row "requests of activating 200" "$theirs" "$ours" "600" "-"
row "waits for udev of activating 200" "$their_waits" "$our_waits" "1" "-"
theirs=$(requests "$CHANGES" lvcreate -q -s -l 10 -n s0 some/v1)
ours=$(requests "$CHANGES" "$MDCTL" volume snapshot some/v2 s2 --size 1280K -y)
row "requests that change something, first snapshot" "$theirs" "$ours" "16" "-"

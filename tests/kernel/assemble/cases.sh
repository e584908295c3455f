#!/bin/bash
# shellcheck disable=SC2010,SC2046  # words are meant to be split: no name here has a blank
# Assembles the same disks by the program named in $1 and prints what came of it, case by case: status, words, kernel
# state, map, members' superblocks. Run once with mdadm and once with ours, the two outputs must be equal.
# usage: cases.sh PROGRAM [CASE…]
set -u
M=$1; shift
R=${REFERENCE:-ref-mdadm}
W=/tmp/assemble-cases; mkdir -p $W
U=11111111:22222222:33333333:44444444
U2=aaaaaaaa:bbbbbbbb:cccccccc:dddddddd
D="/dev/ram"

quiet() { "$@" >$W/quiet 2>&1 || { echo "SETUP FAILED: $*"; cat $W/quiet; }; }
settle() { udevadm settle --timeout=10; }
stop_all() {
    for _ in 1 2 3; do
        $R --stop --scan >/dev/null 2>&1
        grep -q '^md' /proc/mdstat || break
    done
    for m in $(sed -n 's/^\(md[^ ]*\) :.*/\1/p' /proc/mdstat); do $R --stop /dev/$m >/dev/null 2>&1; done
    settle
}
clean() {
    umount /tmp/mnt 2>/dev/null
    stop_all
    # Metadata lies in the first and the last megabytes.
    perl -e 'for (@ARGV) { open(my $d, "+<", $_) or next; my $z = "\0" x (1 << 20); syswrite($d, $z) for 1 .. 3;
        sysseek($d, -(1 << 20), 2); syswrite($d, $z); }' ${D}0 ${D}1 ${D}2 ${D}3 ${D}4 ${D}5 ${D}6 ${D}7 ${D}8 ${D}9 ${D}10 ${D}11
    rm -rf /run/mdadm/map /etc/mdadm/mdadm.conf /etc/mdadm/mdadm.conf.d /etc/mdadm.conf /etc/mdadm.conf.d
    mkdir -p /etc/mdadm
    hostname guest
    settle
}
# create MD LEVEL N [options] devices
create() { local md=$1 l=$2 n=$3; shift 3; quiet $R -C $md -l $l -n $n --uuid=$U --run --assume-clean "$@"; settle; }
create2() { local md=$1 l=$2 n=$3; shift 3; quiet $R -C $md -l $l -n $n --uuid=$U2 --run --assume-clean "$@"; settle; }
stop() { quiet $R --stop "$@"; settle; rm -f /run/mdadm/map; }
# make a member of md0 stale: fail and remove it, then write
drop() { local md=$1; shift; for d in "$@"; do quiet $R $md --fail $d; quiet $R $md --remove $d; done
    quiet dd if=/dev/urandom of=$md bs=64k count=4 oflag=direct; sleep 0.3; }
mask() { sed -E \
    -e 's/(Update Time|Creation Time) : .*/\1 : T/' -e 's/(Device UUID|Checksum) : .*/\1 : X/' \
    -e 's/Unused Space : .*/Unused Space/' -e 's/^( +)Events : .*/\1Events/' \
    -e '/(Resync|Rebuild|Check|Recovery) Status/d' -e '/recovery =|resync =|reshape =|finish=/d' \
    -e 's/, (resyncing|recovering)//' -e 's/bitmap: [0-9]+\/[0-9]+ pages \[[0-9]+KB\]/bitmap/' ; }
# wait for background work to be over, so that states compare
idle() { for _ in $(seq 100); do grep -qE 'recovery|resync|DELAYED' /proc/mdstat || return; sleep 0.1; done; }
act() {
    echo "\$ mdadm $*" | mask
    timeout 60 "$M" "$@" >$W/out 2>$W/err </dev/null; local rc=$?
    settle
    sed 's/^/  out: /' $W/out; sed -E 's/^(mdctl|ref-mdadm): /mdadm: /; s/^/  err: /' $W/err
    echo "  status: $rc"
}
show() {
    idle; sleep 0.2
    # by name: arrays of one scan come up in any order
    for m in $(sed -n 's/^\(md[^ ]*\) :.*/\1/p' /proc/mdstat | sort); do
        sed -n "/^$m :/,/^ *\$/p" /proc/mdstat | grep -v '^ *$' | mask | sed 's/^/  mdstat: /'
    done
    sort /run/mdadm/map 2>/dev/null | while read -r n rest; do [ -e /sys/block/$n ] && echo "$n $rest"; done | sed 's/^/  map: /'
    for m in $(sed -n 's/^\(md[^ ]*\) :.*/\1/p' /proc/mdstat | sort); do
        echo "  $m: state $(cat /sys/block/$m/md/array_state) ro $(cat /sys/block/$m/ro)"
        $R -D /dev/$m 2>&1 | mask | sed 's/^/    /'
    done
    find /dev/md -type l -printf '  link: %f -> %l\n' 2>/dev/null | sort
    ls /run/mdadm/ 2>/dev/null | grep -e creating -e map.new | sed 's/^/  left: /'
}
members() { stop_all; for d in "$@"; do echo "  -E $d"; $R -E $d 2>&1 | mask | grep -E 'Events|Array State|State :|Device Role|this ' | sed 's/^/    /'; done; }
conf() { mkdir -p /etc/mdadm; cat > /etc/mdadm/mdadm.conf; }
# put VALUE(hex bytes) at OFFSET of DEVICE
poke() { printf "$3" | dd of=$1 bs=1 seek=$2 conv=notrunc status=none; sync; }
# recompute the 1.2 checksum of a member after a poke
sum12() { perl -e 'open F,"+<",$ARGV[0];binmode F;seek F,4096,0;read F,$b,4096;$n=256+2*unpack("V",substr($b,220,4));
 substr($b,216,4)="\0\0\0\0";$s=0;$s+=$_ for unpack("V".int($n/4),substr($b,0,$n));$s+=unpack("v",substr($b,$n-2,2)) if $n%4;
 substr($b,216,4)=pack("V",(($s&0xffffffff)+($s>>32))&0xffffffff);seek F,4096,0;print F $b;' $1; sync; }

# --- the cases --------------------------------------------------------------------------------------------------------
c_clean_raid1() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}1; show; }
c_clean_raid5() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A /dev/md0 ${D}2 ${D}0 ${D}1; show; }
c_clean_raid0() { create /dev/md0 0 2 ${D}0 ${D}1; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}1; show; }
c_clean_raid10() { create /dev/md0 10 4 ${D}0 ${D}1 ${D}2 ${D}3; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}1 ${D}2 ${D}3; show; }
c_clean_raid6() { create /dev/md0 6 4 ${D}0 ${D}1 ${D}2 ${D}3; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}1 ${D}2 ${D}3; show; }
c_clean_v0() { create /dev/md0 1 2 -e 0.90 ${D}0 ${D}1; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}1; show; }
c_clean_v10() { create /dev/md0 1 2 -e 1.0 ${D}0 ${D}1; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}1; show; }
c_verbose() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A -v /dev/md0 ${D}0 ${D}1 ${D}2; }
c_quiet() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A -q /dev/md0 ${D}0 ${D}1 ${D}2; }
c_spare() { create /dev/md0 1 2 -x 1 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}1 ${D}2; show; }
c_spare_v() { create /dev/md0 1 2 -x 1 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A -v /dev/md0 ${D}0 ${D}1 ${D}2; }
c_spare_stale() { create /dev/md0 1 2 -b none -x 1 ${D}0 ${D}1 ${D}2; stop /dev/md0; events 17 ${D}0 ${D}1; act -A -v /dev/md0 ${D}0 ${D}1 ${D}2; show; }
c_spare_rebuilding() { create /dev/md0 1 3 -b none ${D}0 missing missing; echo 100 > /sys/block/md0/md/sync_speed_max; quiet $R /dev/md0 --add ${D}1 ${D}2; sleep 1.5; quiet $R /dev/md0 --add ${D}3; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}1 ${D}2 ${D}3; show; }
c_spare_rebuilding_failed() { create /dev/md0 5 4 -b none ${D}0 ${D}1 ${D}2 missing; echo 100 > /sys/block/md0/md/sync_speed_max; quiet $R /dev/md0 --add ${D}3; sleep 1.5; quiet $R /dev/md0 --add ${D}4; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}3 ${D}4; show; }
c_need_some() { create /dev/md0 6 5 -b none ${D}0 ${D}1 ${D}2 ${D}3 ${D}4; drop /dev/md0 ${D}4; stop /dev/md0;  act -A /dev/md0 ${D}0 ${D}1 ${D}2; show; }
c_spare_only() { create /dev/md0 1 2 -x 1 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A /dev/md0 ${D}2; show; }
c_missing_one() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}1; show; }
c_missing_one_run() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A --run /dev/md0 ${D}0 ${D}1; show; }
c_missing_one_force() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A --force /dev/md0 ${D}0 ${D}1; show; }
c_missing_two() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A /dev/md0 ${D}0; show; }
c_missing_two_run() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A --run /dev/md0 ${D}0; show; }
c_missing_two_force() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A --force /dev/md0 ${D}0; show; }
c_raid0_missing_run() { create /dev/md0 0 2 ${D}0 ${D}1; stop /dev/md0; act -A --run /dev/md0 ${D}0; show; }
c_degraded() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; drop /dev/md0 ${D}2; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}1; show; }
c_degraded_v() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; drop /dev/md0 ${D}2; stop /dev/md0; act -A -v /dev/md0 ${D}0 ${D}1; }
c_stale() { create /dev/md0 1 2 ${D}0 ${D}1; drop /dev/md0 ${D}1; stop /dev/md0; act -A -v /dev/md0 ${D}0 ${D}1; show; }
c_stale_plain() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; drop /dev/md0 ${D}1; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}1 ${D}2; show; }
c_stale_only_run() { create /dev/md0 1 2 ${D}0 ${D}1; drop /dev/md0 ${D}1; stop /dev/md0; act -A --run /dev/md0 ${D}1; show; }
c_stale_only() { create /dev/md0 1 2 ${D}0 ${D}1; drop /dev/md0 ${D}1; stop /dev/md0; act -A /dev/md0 ${D}1; show; }
two_halves() { create /dev/md0 1 2 -b none ${D}0 ${D}1; stop /dev/md0; events 6 ${D}0; events 17 ${D}1; denies 1 ${D}0; denies 0 ${D}1; }
c_two_halves() { two_halves; act -A -v /dev/md0 ${D}0 ${D}1; show; }
d_two_halves_force() { two_halves; act -A --force -v /dev/md0 ${D}0 ${D}1; show; }
# metadata as a lost power or a dying cable leaves it
# the members from the second on believe that slot $1 failed
denies() { local slot=$1; shift; for d; do poke $d $((4096+256+2*slot)) '\xfe\xff'; sum12 $d; done; }
# event count N for members
events() { local n=$1; shift; for d; do poke $d $((4096+200)) "\\x$(printf %02x $n)"; sum12 $d; done; }
two_stale() { create /dev/md0 5 4 -b none ${D}0 ${D}1 ${D}2 ${D}3; stop /dev/md0; events 17 ${D}0 ${D}1; events 8 ${D}2; events 1 ${D}3; denies 2 ${D}0 ${D}1; denies 3 ${D}0 ${D}1 ${D}2; }
c_two_stale() { two_stale; act -A /dev/md0 ${D}0 ${D}1 ${D}2 ${D}3; show; }
c_two_stale_run() { two_stale; act -A --run /dev/md0 ${D}0 ${D}1 ${D}2 ${D}3; show; }
c_two_stale_force() { two_stale; act -A --force /dev/md0 ${D}0 ${D}1 ${D}2 ${D}3; show; members ${D}0 ${D}1 ${D}2 ${D}3; }
d_two_stale_reversed() { two_stale; act -A --force -v /dev/md0 ${D}3 ${D}2 ${D}1 ${D}0; }
c_force_raid6() { create /dev/md0 6 5 -b none ${D}0 ${D}1 ${D}2 ${D}3 ${D}4; stop /dev/md0; events 17 ${D}0 ${D}1; events 8 ${D}2 ${D}3; events 1 ${D}4; act -A --force -v /dev/md0 ${D}0 ${D}1 ${D}2 ${D}3 ${D}4; show; members ${D}0 ${D}1 ${D}2 ${D}3 ${D}4; }
c_force_raid6_one_short() { create /dev/md0 6 4 -b none ${D}0 ${D}1 ${D}2 ${D}3; stop /dev/md0; events 17 ${D}0 ${D}1; events 8 ${D}2 ${D}3; dd if=/dev/zero of=${D}0 bs=1M count=1 status=none; act -A --force -v /dev/md0 ${D}1 ${D}2 ${D}3; show; members ${D}1 ${D}2 ${D}3; }
c_force_raid10() { create /dev/md0 10 4 -b none ${D}0 ${D}1 ${D}2 ${D}3; stop /dev/md0; events 17 ${D}0 ${D}1; events 8 ${D}2; events 1 ${D}3; act -A --force -v /dev/md0 ${D}0 ${D}1 ${D}2 ${D}3; show; members ${D}0 ${D}1 ${D}2 ${D}3; }
c_force_raid0() { create /dev/md0 0 2 ${D}0 ${D}1; stop /dev/md0; events 17 ${D}0; act -A /dev/md0 ${D}0 ${D}1; act -A --force /dev/md0 ${D}0 ${D}1; show; members ${D}0 ${D}1; }
c_force_raid1() { create /dev/md0 1 2 -b none ${D}0 ${D}1; stop /dev/md0; events 17 ${D}0; events 3 ${D}1; act -A --force /dev/md0 ${D}0 ${D}1; show; members ${D}0 ${D}1; }
c_margin() { create /dev/md0 5 3 -b none ${D}0 ${D}1 ${D}2; stop /dev/md0; poke ${D}0 $((4096+200)) '\x05'; poke ${D}1 $((4096+200)) '\x05';  poke ${D}2 $((4096+200)) '\x04'; sum12 ${D}0;sum12 ${D}1;sum12 ${D}2; act -A -v /dev/md0 ${D}2 ${D}1 ${D}0; show; }
c_denied() { create /dev/md0 5 3 -b none ${D}0 ${D}1 ${D}2; stop /dev/md0; denies 1 ${D}0 ${D}2; act -A -v /dev/md0 ${D}0 ${D}1 ${D}2; show; members ${D}0 ${D}1 ${D}2; }
c_denied_force() { create /dev/md0 5 3 -b none ${D}0 ${D}1 ${D}2; stop /dev/md0; denies 1 ${D}0 ${D}2; act -A --force -v /dev/md0 ${D}0 ${D}1 ${D}2; show; members ${D}0 ${D}1 ${D}2; }
# a dirty superblock: resync_offset 0 in the 1.2 superblock
dirty() { for d in "$@"; do poke $d $((4096+208)) '\0\0\0\0\0\0\0\0'; sum12 $d; done; }
c_dirty_complete() { create /dev/md0 5 3 -b none ${D}0 ${D}1 ${D}2; stop /dev/md0; dirty ${D}0 ${D}1 ${D}2; act -A /dev/md0 ${D}0 ${D}1 ${D}2; show; }
c_dirty_degraded() { create /dev/md0 5 3 -b none ${D}0 ${D}1 ${D}2; drop /dev/md0 ${D}2; stop /dev/md0; dirty ${D}0 ${D}1; act -A /dev/md0 ${D}0 ${D}1; show; }
c_dirty_degraded_run() { create /dev/md0 5 3 -b none ${D}0 ${D}1 ${D}2; drop /dev/md0 ${D}2; stop /dev/md0; dirty ${D}0 ${D}1; act -A --run /dev/md0 ${D}0 ${D}1; show; }
c_dirty_degraded_force() { create /dev/md0 5 3 -b none ${D}0 ${D}1 ${D}2; drop /dev/md0 ${D}2; stop /dev/md0; dirty ${D}0 ${D}1; act -A --force /dev/md0 ${D}0 ${D}1; show; members ${D}0 ${D}1; }
c_dirty_raid6() { create /dev/md0 6 4 -b none ${D}0 ${D}1 ${D}2 ${D}3; drop /dev/md0 ${D}2; stop /dev/md0; dirty ${D}0 ${D}1 ${D}3; act -A /dev/md0 ${D}0 ${D}1 ${D}3; show; }
c_dirty_raid6_force() { create /dev/md0 6 4 -b none ${D}0 ${D}1 ${D}2 ${D}3; drop /dev/md0 ${D}2; stop /dev/md0; dirty ${D}0 ${D}1 ${D}3; act -A --force /dev/md0 ${D}0 ${D}1 ${D}3; show; }
c_readonly() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; act -A --readonly /dev/md0 ${D}0 ${D}1; show; }
c_readonly_degraded() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; drop /dev/md0 ${D}2; stop /dev/md0; act -A -o /dev/md0 ${D}0 ${D}1; show; }
c_journal() { create /dev/md0 5 3 --write-journal ${D}3 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}1 ${D}2 ${D}3; show; }
c_journal_v() { create /dev/md0 5 3 --write-journal ${D}3 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A -v /dev/md0 ${D}0 ${D}1 ${D}2 ${D}3; }
c_journal_stale() { create /dev/md0 5 3 --write-journal ${D}3 ${D}0 ${D}1 ${D}2; stop /dev/md0; events 17 ${D}0 ${D}1 ${D}2; act -A -v /dev/md0 ${D}0 ${D}1 ${D}2 ${D}3; act -A -v --force /dev/md0 ${D}0 ${D}1 ${D}2 ${D}3; show; }
c_journal_missing() { create /dev/md0 5 3 --write-journal ${D}3 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}1 ${D}2; show; }
c_journal_missing_run() { create /dev/md0 5 3 --write-journal ${D}3 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A --run /dev/md0 ${D}0 ${D}1 ${D}2; show; }
c_journal_missing_force() { create /dev/md0 5 3 --write-journal ${D}3 ${D}0 ${D}1 ${D}2; stop /dev/md0; act -A --force /dev/md0 ${D}0 ${D}1 ${D}2; show; }
c_ppl() { create /dev/md0 5 3 -k ppl ${D}0 ${D}1 ${D}2; drop /dev/md0 ${D}2; stop /dev/md0; dirty ${D}0 ${D}1; act -A /dev/md0 ${D}0 ${D}1; show; }
# on a file system that knows direct I/O: tmpfs does not before 6.6, which is what the reference then tells
c_not_block() { truncate -s 8M $W/fs; quiet mkfs.ext4 -q -F $W/fs; mkdir -p $W/m; quiet mount -o loop $W/fs $W/m; echo > $W/m/file; act -A /dev/md0 $W/m/file; show; umount $W/m; }
c_no_such() { act -A /dev/md0 /dev/nosuch; show; }
c_no_super() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}5; show; }
c_no_super_uuid() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; act -A /dev/md0 --uuid=$U ${D}0 ${D}5 ${D}1; show; }
c_no_super_all() { act -A /dev/md0 ${D}4 ${D}5; show; }
c_other_array() { create /dev/md0 1 2 ${D}0 ${D}1; create2 /dev/md1 1 2 ${D}2 ${D}3; stop /dev/md0 /dev/md1; act -A /dev/md0 ${D}0 ${D}2; show; }
c_other_array_uuid() { create /dev/md0 1 2 ${D}0 ${D}1; create2 /dev/md1 1 2 ${D}2 ${D}3; stop /dev/md0 /dev/md1; act -A /dev/md0 -u $U ${D}0 ${D}2 ${D}1; show; }
d_other_array_home() { create /dev/md0 1 2 --homehost=other ${D}0 ${D}1; create2 /dev/md1 1 2 ${D}2 ${D}3; stop /dev/md0 /dev/md1; act -A /dev/md0 ${D}0 ${D}2 ${D}1 ${D}3; show; }
c_uuid_wrong() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; act -A /dev/md0 -u $U2 ${D}0 ${D}1; show; }
c_name() { create /dev/md/home 1 2 ${D}0 ${D}1; stop /dev/md/home; act -A /dev/md/home --name=home ${D}0 ${D}1; show; }
c_name_host() { create /dev/md/home 1 2 ${D}0 ${D}1; stop /dev/md/home; act -A /dev/md/home --name=guest:home ${D}0 ${D}1; show; }
c_name_wrong() { create /dev/md/home 1 2 ${D}0 ${D}1; stop /dev/md/home; act -A /dev/md/home --name=root ${D}0 ${D}1; show; }
c_name_scan_devs() { create /dev/md/home 1 2 ${D}0 ${D}1; stop /dev/md/home; act -A --name=home --scan; show; }
c_super_minor() { create /dev/md3 1 2 -e 0.90 ${D}0 ${D}1; stop /dev/md3; act -A /dev/md0 -m 3 ${D}0 ${D}1; show; }
c_super_minor_dev() { create /dev/md3 1 2 -e 0.90 ${D}0 ${D}1; stop /dev/md3; act -A /dev/md3 -m dev ${D}0 ${D}1; show; }
c_metadata() { create /dev/md0 1 2 -e 1.0 ${D}0 ${D}1; stop /dev/md0; act -A /dev/md0 -e 1.2 ${D}0 ${D}1; act -A /dev/md0 -e 1.0 ${D}0 ${D}1; show; }
c_busy() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; mkdir -p /tmp/mnt; quiet $R -A /dev/md9 ${D}0 --run; act -A /dev/md0 ${D}0 ${D}1; show; }
c_already() { create /dev/md0 1 2 ${D}0 ${D}1; act -A /dev/md0 ${D}0 ${D}1; show; }
d_other_running() { create2 /dev/md0 1 2 ${D}2 ${D}3; create /dev/md1 1 2 ${D}0 ${D}1; quiet $R --stop /dev/md1; act -A /dev/md0 ${D}0 ${D}1; show; }
c_no_args() { act -A; act -A /dev/md0; act -A --scan; act -A -s /dev/md0; }
c_not_md_name() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; act -A /dev/foo ${D}0 ${D}1; act -A foo ${D}0 ${D}1; show; }
c_dup_slot() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; dd if=${D}0 of=${D}2 bs=1M status=none; act -A /dev/md0 ${D}0 ${D}2 ${D}1; show; }
c_dup_slot_old() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; dd if=${D}0 of=${D}2 bs=1M status=none; quiet $R -A /dev/md0 ${D}0 ${D}1; quiet dd if=/dev/urandom of=/dev/md0 bs=64k count=4 oflag=direct; sleep 0.3; stop /dev/md0; act -A /dev/md0 ${D}2 ${D}0 ${D}1; show; }
c_dup_v0() { create /dev/md0 1 2 -e 0.90 ${D}0 ${D}1; stop /dev/md0; dd if=${D}0 of=${D}2 bs=1M status=none; act -A /dev/md0 ${D}0 ${D}2 ${D}1; show; }
c_two_halves_plain() { two_halves; act -A /dev/md0 ${D}0 ${D}1; show; }
c_no_degraded_devs() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; act -A --no-degraded /dev/md0 ${D}0; show; }
# --- by configuration and scan
c_conf_uuid() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; conf <<< "ARRAY /dev/md0 uuid=$U"; act -A /dev/md0; show; }
c_conf_uuid_scan() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; conf <<< "ARRAY /dev/md0 uuid=$U"; act -A --scan; show; }
c_conf_scan_v() { create /dev/md0 1 2 ${D}0 ${D}1; create2 /dev/md1 1 2 ${D}2 ${D}3; stop /dev/md0 /dev/md1; printf "DEVICE ${D}[0-3]\nARRAY /dev/md0 uuid=$U\n" | conf; act -A --scan -v; show; }
c_conf_name() { create /dev/md/home 1 2 ${D}0 ${D}1; stop /dev/md/home; conf <<< "ARRAY home uuid=$U"; act -A --scan; show; }
c_conf_md_name() { create /dev/md/home 1 2 ${D}0 ${D}1; stop /dev/md/home; conf <<< "ARRAY /dev/md/data uuid=$U"; act -A --scan; show; }
c_conf_devices() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; conf <<< "ARRAY /dev/md0 devices=${D}0,/dev/ram1"; act -A --scan; show; }
c_conf_devices_some() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; conf <<< "ARRAY /dev/md0 devices=${D}[01]"; act -A --scan; show; }
c_conf_minor() { create /dev/md4 1 2 -e 0.90 ${D}0 ${D}1; stop /dev/md4; conf <<< "ARRAY /dev/md4 super-minor=4"; act -A --scan; show; }
c_conf_level() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; conf <<< "ARRAY /dev/md0 level=raid5 uuid=$U"; act -A --scan; conf <<< "ARRAY /dev/md0 level=raid1 num-devices=2 uuid=$U"; act -A --scan; show; }
c_conf_ignore() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; conf <<< "ARRAY <ignore> uuid=$U"; act -A --scan; show; }
c_conf_d() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; conf <<< "# nothing"; mkdir -p /etc/mdadm/mdadm.conf.d; echo "ARRAY /dev/md5 uuid=$U" > /etc/mdadm/mdadm.conf.d/a.conf; act -A --scan; show; }
c_conf_noname() { create /dev/md/home 1 2 ${D}0 ${D}1; stop /dev/md/home; conf <<< "ARRAY uuid=$U"; act -A --scan; show; }
c_conf_two() { create /dev/md0 1 2 ${D}0 ${D}1; create2 /dev/md1 5 3 ${D}2 ${D}3 ${D}4; stop /dev/md0 /dev/md1; printf "ARRAY /dev/md0 uuid=$U\nARRAY /dev/md1 uuid=$U2\n" | conf; act -A --scan; show; }
d_conf_one_fails() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; create2 /dev/md1 1 2 ${D}3 ${D}4; stop /dev/md0 /dev/md1; dd if=/dev/zero of=${D}1 bs=1M count=1 status=none; dd if=/dev/zero of=${D}2 bs=1M count=1 status=none; printf "ARRAY /dev/md0 uuid=$U\nARRAY /dev/md1 uuid=$U2\n" | conf; act -A --scan; show; }
c_conf_missing_array() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; printf "ARRAY /dev/md0 uuid=$U\nARRAY /dev/md1 uuid=$U2\n" | conf; act -A --scan; show; }
c_conf_not_in() { conf <<< "ARRAY /dev/md0 uuid=$U"; act -A /dev/md7; act -A --scan /dev/md7 /dev/md0; }
c_conf_dup_names() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; printf "ARRAY /dev/md0 uuid=$U\nARRAY /dev/md0 uuid=$U2\n" | conf; act -A --scan; show; }
c_conf_already() { create /dev/md0 1 2 ${D}0 ${D}1; conf <<< "ARRAY /dev/md0 uuid=$U"; act -A --scan; show; }
d_stacked() { create /dev/md0 1 2 ${D}0 ${D}1; create2 /dev/md1 1 2 /dev/md0 ${D}2; stop /dev/md1; stop /dev/md0; printf "ARRAY /dev/md1 uuid=$U2\nARRAY /dev/md0 uuid=$U\n" | conf; act -A --scan; show; }
c_auto() { create /dev/md0 1 2 ${D}0 ${D}1; create2 /dev/md/home 5 3 ${D}2 ${D}3 ${D}4; stop /dev/md0; stop /dev/md/home; act -A --scan; show; }
d_auto_v() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; conf <<< "DEVICE ${D}[0-3]"; act -A --scan -v; }
d_auto_stacked() { create /dev/md0 1 2 ${D}0 ${D}1; create2 /dev/md1 1 2 /dev/md0 ${D}2; stop /dev/md1; stop /dev/md0; act -A --scan; show; }
c_auto_foreign() { create /dev/md0 1 2 --homehost=alpha ${D}0 ${D}1; create2 /dev/md/data 1 2 --homehost=alpha ${D}2 ${D}3; stop /dev/md0; stop /dev/md/data; act -A --scan; show; }
c_auto_nohost() { create /dev/md/data 1 2 --homehost=none --name=data ${D}0 ${D}1; stop /dev/md/data; act -A --scan; act -A --scan --homehost=; show; }
c_auto_any() { create /dev/md/data 1 2 --homehost=any ${D}0 ${D}1; stop /dev/md/data; act -A --scan; show; }
c_auto_homehost_opt() { create /dev/md/data 1 2 --homehost=alpha ${D}0 ${D}1; stop /dev/md/data; act -A --scan --homehost=alpha; show; }
c_auto_homehost_ignore() { create /dev/md/data 1 2 --homehost=alpha ${D}0 ${D}1; stop /dev/md/data; conf <<< "HOMEHOST <ignore>"; act -A --scan; show; }
c_auto_homehost_none() { create /dev/md/data 1 2 ${D}0 ${D}1; stop /dev/md/data; conf <<< "HOMEHOST <none>"; act -A --scan; show; }
c_auto_degraded() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; dd if=/dev/zero of=${D}2 bs=1M count=1 status=none; act -A --scan; show; }
c_auto_no_degraded() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; dd if=/dev/zero of=${D}2 bs=1M count=1 status=none; act -A --scan --no-degraded; show; act -A --scan; show; }
c_auto_nodeg_run() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; dd if=/dev/zero of=${D}2 bs=1M count=1 status=none; act -A --scan --no-degraded; act -A --scan --run; show; }
c_auto_policy_no() { create /dev/md0 1 2 ${D}0 ${D}1; create2 /dev/md1 1 2 -e 0.90 ${D}2 ${D}3; stop /dev/md0 /dev/md1; conf <<< "AUTO +0.90 -all"; act -A --scan; show; }
d_auto_policy_home() { create /dev/md0 1 2 ${D}0 ${D}1; create2 /dev/md1 1 2 --homehost=alpha ${D}2 ${D}3; stop /dev/md0 /dev/md1; conf <<< "AUTO homehost -all"; act -A --scan; show; }
c_auto_uuid() { create /dev/md0 1 2 ${D}0 ${D}1; create2 /dev/md1 1 2 ${D}2 ${D}3; stop /dev/md0 /dev/md1; act -A --scan --uuid=$U2; show; }
c_auto_fail() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; dd if=/dev/zero of=${D}1 bs=1M count=1 status=none; dd if=/dev/zero of=${D}2 bs=1M count=1 status=none; act -A --scan; show; }
d_auto_fail_two() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; create2 /dev/md1 1 2 ${D}3 ${D}4; stop /dev/md0 /dev/md1; dd if=/dev/zero of=${D}1 bs=1M count=1 status=none; dd if=/dev/zero of=${D}2 bs=1M count=1 status=none; act -A --scan; show; }
d_conf_scan_uuid() { create /dev/md0 1 2 ${D}0 ${D}1; create2 /dev/md1 1 2 ${D}2 ${D}3; stop /dev/md0 /dev/md1; printf "ARRAY /dev/md0 uuid=$U\nARRAY /dev/md1 uuid=$U2\n" | conf; act -A --scan --uuid=$U2; show; }
d_conf_scan_uuid_unlisted() { create /dev/md0 1 2 ${D}0 ${D}1; create2 /dev/md1 1 2 ${D}2 ${D}3; stop /dev/md0 /dev/md1; printf "ARRAY /dev/md0 uuid=$U\n" | conf; act -A --scan --uuid=$U2; show; }
c_scan_word_uuid() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; act -A --scan /dev/md5 --uuid=$U; show; }
c_word_uuid() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; dd if=/dev/zero of=${D}1 bs=1M count=1 status=none; act -A /dev/md5 --uuid=$U; show; }
c_word_uuid_none() { act -A /dev/md5 --uuid=$U; show; }
c_conf_busy_v() { create /dev/md0 1 2 ${D}0 ${D}1; printf "DEVICE ${D}[0-3]\nARRAY /dev/md0 uuid=$U\n" | conf; act -A --scan -v; show; }
c_conf_already_some() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; quiet $R /dev/md0 --fail ${D}2; quiet $R /dev/md0 --remove ${D}2; conf <<< "ARRAY /dev/md0 uuid=$U"; act -A --scan; show; }
c_auto_none() { act -A --scan; act -A --scan -v -c none; show; }
c_auto_v0() { create /dev/md3 1 2 -e 0.90 ${D}0 ${D}1; stop /dev/md3; act -A --scan; show; }
c_auto_v0_foreign() { create /dev/md3 1 2 -e 0.90 --homehost=alpha ${D}0 ${D}1; stop /dev/md3; act -A --scan; show; }
c_name_taken() { create /dev/md/data 1 2 ${D}0 ${D}1; stop /dev/md/data; create2 /dev/md/data 1 2 ${D}2 ${D}3; act -A --scan; show; }
c_merge() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; quiet $R -I ${D}0; act -A --scan; show; }
c_merge_devs() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; quiet $R -I ${D}0; act -A -v /dev/md0 ${D}0 ${D}1 ${D}2; show; }
c_lost_super() { create /dev/md0 1 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; poke ${D}1 4096 'xxxx'; act -A --scan; show; }
c_recovering() { create /dev/md0 1 2 -b none ${D}0 missing; echo 100 > /sys/block/md0/md/sync_speed_max; quiet $R /dev/md0 --add ${D}1; sleep 1.5; stop /dev/md0; act -A /dev/md0 ${D}0 ${D}1; show; }
c_recovering_only() { create /dev/md0 1 2 -b none ${D}0 missing; echo 100 > /sys/block/md0/md/sync_speed_max; quiet $R /dev/md0 --add ${D}1; sleep 1.5; stop /dev/md0; act -A --run /dev/md0 ${D}1; show; act -A --force /dev/md0 ${D}1; show; }
c_replacement() { create /dev/md0 1 2 -b none ${D}0 ${D}1; echo 100 > /sys/block/md0/md/sync_speed_max; quiet $R /dev/md0 --add ${D}2; quiet $R /dev/md0 --replace ${D}1 --with ${D}2; sleep 1.5; stop /dev/md0; act -A -v /dev/md0 ${D}0 ${D}1 ${D}2; show; }
c_force_clean() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; act -A --force /dev/md0 ${D}0 ${D}1; show; members ${D}0 ${D}1; }
c_faulty_role() { create /dev/md0 5 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; poke ${D}1 $((4096+256+2)) '\xfe\xff'; sum12 ${D}1; act -A /dev/md0 ${D}0 ${D}1 ${D}2; show; }
c_v0_stale_force() { create /dev/md0 5 3 -e 0.90 ${D}0 ${D}1 ${D}2; drop /dev/md0 ${D}2; $R /dev/md0 --fail ${D}1 >/dev/null 2>&1; sleep 0.3; stop /dev/md0; act -A --force -v /dev/md0 ${D}0 ${D}1 ${D}2; show; members ${D}0 ${D}1 ${D}2; }
# --- members from before a grow: the size is that of the freshest
grown() { local l=$1 n=$2; shift 2; create /dev/md0 $l $n -b none -z 4M "$@"; drop /dev/md0 ${D}2; quiet $R -G /dev/md0 -z max --assume-clean; quiet dd if=/dev/urandom of=/dev/md0 bs=1M oflag=direct count=16; stop /dev/md0; }
c_shape_listed() { grown 5 3 ${D}0 ${D}1 ${D}2; act -A /dev/md0 ${D}0 ${D}1 ${D}2; show; act -A --run /dev/md0 ${D}0 ${D}1; show; }
c_shape_force() { grown 5 3 ${D}0 ${D}1 ${D}2; act -A -f /dev/md0 ${D}0 ${D}2; show; members ${D}0 ${D}2; }
c_shape_first() { grown 5 3 ${D}0 ${D}1 ${D}2; act -A -f /dev/md0 ${D}2 ${D}1; show; members ${D}1 ${D}2; }
# two superblocks on one device: creating the second one erases the first, which is put back
ends() { for d in ${D}0 ${D}1; do if [ $1 = save ]; then dd if=$d of=$W/end${d##*/} bs=64k skip=319 status=none; else dd if=$W/end${d##*/} of=$d bs=64k seek=319 conv=notrunc status=none; fi; done; sync; }
c_conf_metadata() { create2 /dev/md1 1 2 -e 1.0 ${D}0 ${D}1; stop /dev/md1; ends save; create /dev/md0 1 2 -e 1.2 -z 8M ${D}0 ${D}1; stop /dev/md0; ends restore; conf <<< "ARRAY /dev/md7 metadata=1.0 devices=${D}0,${D}1"; act -A --scan; show; stop_all; conf <<< "ARRAY /dev/md7 metadata=1.2 devices=${D}0,${D}1"; act -A --scan; show; }
c_backup_file_scan() { act -A --scan --backup-file=$W/backup; act -A --scan --backup-file=$W/backup /dev/md0 /dev/md1; }
d_shape_scan() { grown 5 3 ${D}0 ${D}1 ${D}2; act -A --scan; show; stop_all; conf <<< "ARRAY /dev/md0 uuid=$U"; act -A --scan -f; show; stop_all; dd if=/dev/zero of=${D}1 bs=1M count=1 status=none; act -A --scan -f; show; members ${D}0 ${D}2; }
d_conf_container() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; printf "ARRAY /dev/md7 container=$U2 member=0\nARRAY /dev/md5 uuid=$U\n" | conf; act -A /dev/md7; act -A --scan; show; }
# --- where ours is meant to differ: listed in docs/compat.md
d_checksum() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; poke ${D}1 $((4096+216)) 'xxxx'; act -A /dev/md0 ${D}0 ${D}1; show; }
d_checksum_force() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; poke ${D}1 $((4096+216)) 'xxxx'; act -A --force /dev/md0 ${D}0 ${D}1; show; }
d_checksum_scan() { create /dev/md0 1 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; poke ${D}1 $((4096+216)) 'xxxx'; act -A --scan; show; }
d_max_dev() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; dd if=${D}0 of=${D}2 bs=1M status=none; poke ${D}2 $((4096+220)) '\xff\xff\xff\x7f'; act -A --scan; show; }
d_bitmap_chunk() { create /dev/md0 1 2 -b internal ${D}0 ${D}1; stop /dev/md0; poke ${D}1 $((8192+52)) '\0\0\0\0'; act -A --scan; show; }

d_dry_run() { create /dev/md0 1 2 ${D}0 ${D}1; stop /dev/md0; act -A --dry-run /dev/md0 ${D}0 ${D}1; show; }
d_json() { create /dev/md0 1 3 ${D}0 ${D}1 ${D}2; stop /dev/md0; poke ${D}1 $((4096+216)) 'xxxx'; act -A --scan --json; show; }
d_reads() { for n in 0 1 2 3; do quiet $R -C /dev/md$n -l 5 -n 3 --run --assume-clean ${D}$((3*n)) ${D}$((3*n+1)) ${D}$((3*n+2)); done; settle; stop /dev/md0 /dev/md1 /dev/md2 /dev/md3
    strace -f -y -v -e trace=io_submit,io_uring_enter,read,pread64,preadv,preadv2,readv -o $W/trace "$M" -A --scan >/dev/null 2>&1; settle
    # A call for the ring does not say of which device it asks.
    echo "  devices: $(grep -cE ' (ram|vd|sd|sr|loop|dm-)[a-z0-9]*$' /proc/partitions)"; echo "  reads: $(($(grep -o "<${D}[0-9]*>" $W/trace | wc -l) + $(sed -n 's/.*io_uring_enter.* = \([0-9]*\)$/\1/p' $W/trace | paste -sd+ | sed 's/^$/0/')))"; }

modprobe brd rd_nr=16 rd_size=20480 2>/dev/null
[ $# -gt 0 ] || set -- $(declare -F | sed -n 's/^declare -f \(c_.*\)/\1/p')
for c; do
    echo "=== $c"
    clean
    $c
done
stop_all

# What the machine is started from: each function lays the disks (in the order of the bus) and says what has to become of it.
# Read by tests/boot/run; the current directory is the scenario's own.
# shellcheck shell=bash disable=SC2034  # the variables are run's

SMALL=11111111-2222-3333-4444-555555555555
FULL=11111111-2222-3333-4444-666666666666
SRV=11111111-2222-3333-4444-777777777777
UUID=0123456789abcdef0123456789abcdef
OTHER=fedcba9876543210fedcba9876543210

scenarios() {
    sed -n 's/^scenario_\([a-z0-9_]*\)() .*/\1/p' "${BASH_SOURCE[0]}"
}

array() { # array LEVEL NAME UUID CONTENT MEMBER...
    perl "$HERE/array.pl" "level=$1" "name=$2" "uuid=$3" "content=$IMAGES/$4.img" "${@:5}"
}

scenario_whole() {
    array 1 alpha:root "$UUID" small a b
    disks=(a b)
    words="root=UUID=$SMALL"
    expected=('^array md[0-9]+ [a-z-]+ raid_disks=2 degraded=0' '^link /dev/md/root ')
}

scenario_one_missing() {
    array 1 alpha:root "$UUID" small a -
    disks=(a)
    words="root=UUID=$SMALL"
    expected=('^array md[0-9]+ [a-z-]+ raid_disks=2 degraded=1' '^link /dev/md/root ')
}

# /srv lacks a disk, and nothing before the switch to the root waits for it.
scenario_other_missing() {
    array 1 alpha:root "$UUID" full a b
    array 1 alpha:srv "$OTHER" srv c -
    disks=(a b c)
    words="root=UUID=$FULL rw systemd.mount-extra=UUID=$SRV:/srv:ext4:x-systemd.device-timeout=300"
    expected=('raid_disks=2 degraded=0' 'raid_disks=2 degraded=1' '^link /dev/md/srv ')
    clean=(a b)
}

scenario_volume() {
    array 5 alpha:pv "$UUID" volume a b c
    disks=(a b c)
    words="root=/dev/mapper/vg-root rd.lvm.lv=vg/root"
    expected=('raid_disks=3 degraded=0' '^root /dev/(mapper/vg-root|dm-)')
}

scenario_volume_one_missing() {
    array 5 alpha:pv "$UUID" volume a - c
    disks=(a c)
    words="root=/dev/mapper/vg-root rd.lvm.lv=vg/root"
    expected=('raid_disks=3 degraded=1' '^root /dev/(mapper/vg-root|dm-)')
}

# The one that was put out comes first on the bus.
scenario_stale_first() {
    array 1 alpha:root "$UUID" small a,events=90 b,events=100,gone=0
    disks=(a b)
    words="root=UUID=$SMALL"
    expected=('raid_disks=2 degraded=1' '\[2/1\] \[_U\]')
}

scenario_by_name() {
    array 1 alpha:root "$UUID" small a b
    disks=(a b)
    words="root=/dev/md/root"
    expected=('raid_disks=2 degraded=0')
}

scenario_foreign() {
    array 1 beta:root "$UUID" small a b
    disks=(a b)
    words="root=UUID=$SMALL"
    expected=('raid_disks=2 degraded=0')
}

scenario_foreign_one_missing() {
    array 1 beta:root "$UUID" small a -
    disks=(a)
    words="root=UUID=$SMALL"
    expected=('raid_disks=2 degraded=1')
}

scenario_resync_cut() {
    array 1 alpha:root "$UUID" small dirty=1 a b
    disks=(a b)
    words="root=UUID=$SMALL"
    expected=('raid_disks=2 degraded=0')
}

# Parity may not fit the data, and a member's data can only be had from parity: not without somebody's word.
scenario_dirty_one_missing() {
    array 5 alpha:pv "$UUID" volume dirty=1 a - c
    disks=(a c)
    words="root=/dev/mapper/vg-root rd.lvm.lv=vg/root rd.retry=40"
    refused='md_mod.start_dirty_degraded=1'
}

scenario_sixty_four() {
    array 5 alpha:root "$UUID" small m{1..64}
    disks=(m{1..64})
    words="root=UUID=$SMALL"
    expected=('raid_disks=64 degraded=0')
}

scenario_late_member() {
    array 1 alpha:root "$UUID" small a b
    disks=(a)
    late=(b) late_after=25
    words="root=UUID=$SMALL"
    expected=('raid_disks=2 degraded=0')
}

# without FILE...: the image with nothing in these files.
without() {
    local file
    for file; do
        mkdir -p "overlay/$(dirname "$file")"
        # Of another kind than what it stands for, or the kernel writes into that: dracut keeps equal files once.
        ln -s /dev/null "overlay/$file"
    done
    overlay=overlay
}

# The machine's name is nowhere, so that nobody can tell whose array it is.
scenario_nothing_known() {
    array 1 alpha:root "$UUID" small a b
    without etc/mdadm/mdadm.conf etc/mdadm.conf.d/90-homehost.conf etc/hostname
    disks=(a b)
    words="root=/dev/md/root"
    expected=('raid_disks=2 degraded=0')
}

scenario_config_of_others() {
    array 1 alpha:root "$UUID" small a b
    configured "ARRAY /dev/md/other UUID=00000000:00000000:00000000:00000001"
    disks=(a b)
    words="root=UUID=$SMALL"
    expected=('raid_disks=2 degraded=0')
}

# Nobody acts on events: the scripts find the array.
scenario_rules_missing() {
    array 1 alpha:root "$UUID" small a b
    without usr/lib/udev/rules.d/6{3-md-raid-arrays,4-md-raid-assembly}.rules etc/udev/rules.d/65-md-incremental-imsm.rules
    disks=(a b)
    words="root=/dev/md/root"
    expected=('raid_disks=2 degraded=0')
}

scenario_rules_and_member_missing() {
    array 1 alpha:root "$UUID" small a -
    without usr/lib/udev/rules.d/6{3-md-raid-arrays,4-md-raid-assembly}.rules etc/udev/rules.d/65-md-incremental-imsm.rules
    disks=(a)
    words="root=/dev/md/root"
    expected=('raid_disks=2 degraded=1')
}

scenario_sixty_four_one_missing() {
    array 5 alpha:root "$UUID" small m{1..63} -
    disks=(m{1..63})
    words="root=UUID=$SMALL"
    expected=('raid_disks=64 degraded=1')
}

scenario_bitmap_one_missing() {
    array 1 alpha:root "$UUID" small bitmap=1 a -
    disks=(a)
    words="root=UUID=$SMALL"
    expected=('raid_disks=2 degraded=1' '^link /dev/md/root ')
}

# The superblock is at the end, so that a member looks like the file system: the array has to be what is mounted.
scenario_superblock_at_the_end() {
    array 1 alpha:root "$UUID" small end=1 a b
    disks=(a b)
    words="root=UUID=$SMALL"
    expected=('raid_disks=2 degraded=0' '^root /dev/md')
}

# configured LINE: mdadm.conf of the image, in both places.
configured() {
    mkdir -p overlay/etc/mdadm
    printf '%s\n' "$1" | tee overlay/etc/mdadm/mdadm.conf >overlay/etc/mdadm.conf
    overlay=overlay
}

scenario_name_of_the_configuration() {
    array 1 alpha:disk "$UUID" small a b
    configured "ARRAY /dev/md/root UUID=01234567:89abcdef:01234567:89abcdef"
    disks=(a b)
    words="root=/dev/md/root"
    expected=('raid_disks=2 degraded=0' '^link /dev/md/root ')
}

scenario_nothing_known_one_missing() {
    array 1 alpha:root "$UUID" small a -
    without etc/mdadm/mdadm.conf etc/mdadm.conf.d/90-homehost.conf etc/hostname
    disks=(a)
    words="root=/dev/md/root"
    expected=('raid_disks=2 degraded=1')
}

# Two arrays of one name; the machine asks for the content of one.
scenario_same_name() {
    array 1 alpha:root "$OTHER" srv c d
    array 1 alpha:root "$UUID" small a b
    disks=(c d a b)
    words="root=UUID=$SMALL"
    expected=('raid_disks=2 degraded=0' '^link /dev/md/root ' '^link /dev/md/root_0 ')
}

# Each half ran without the other one: one of them is started, and nothing is copied over the other.
scenario_histories_parted() {
    array 1 alpha:root "$UUID" small a,events=104,gone=1 b,events=110,gone=0
    disks=(a b)
    words="root=UUID=$SMALL"
    expected=('raid_disks=2 degraded=1' '\[2/1\]')
}

scenario_journal() {
    array 5 alpha:root "$UUID" small a b c j,journal=1
    disks=(a b c j)
    words="root=UUID=$SMALL"
    expected=('raid_disks=3 degraded=0' 'sd[a-d]\[3\]\(J\)')
}

scenario_journal_late() {
    array 5 alpha:root "$UUID" small a b c j,journal=1
    disks=(a b c)
    late=(j) late_after=25
    words="root=UUID=$SMALL"
    expected=('raid_disks=3 degraded=0' 'sd[a-d]\[3\]\(J\)')
}

# What the journal kept of the last writes is gone with it: read-only, until somebody decides.
scenario_journal_gone() {
    array 5 alpha:root "$UUID" small a b c -,journal=1
    disks=(a b c)
    words="root=UUID=$SMALL"
    expected=('^array md[0-9]+ readonly raid_disks=3')
}

scenario_resync_cut_one_missing() {
    array 1 alpha:root "$UUID" small dirty=1 a -
    disks=(a)
    words="root=UUID=$SMALL"
    expected=('raid_disks=2 degraded=1')
}

# The word that the refusal names.
scenario_dirty_one_missing_by_word() {
    array 5 alpha:pv "$UUID" volume dirty=1 a - c
    disks=(a c)
    words="root=/dev/mapper/vg-root rd.lvm.lv=vg/root md_mod.start_dirty_degraded=1"
    expected=('raid_disks=3 degraded=1' '^root /dev/(mapper/vg-root|dm-)')
}

# The system's own part: units, what was kept before the switch, and the way down.
scenario_shutdown() {
    array 1 alpha:root "$UUID" full a b
    disks=(a b)
    words="root=UUID=$FULL rw report.check"
    expected=('raid_disks=2 degraded=0' '^unit mdmonitor.service active' '^unit mdmonitor-oneshot.timer active'
        '^unit mdcheck_start.timer active' '^unit mdcheck_continue.timer active')
    unexpected='^failed '
    clean=(a b)
    [ "$maker" = initramfs-tools ] || return 0
    mkdir -p overlay/scripts/local-bottom
    {
        sed '/^exit 0$/d' "$TOP/packaging/initramfs-tools/scripts/local-bottom/mdadm"
        echo 'mkdir -p /run/mdctl/archive && echo entry >/run/mdctl/archive/entry.md0'
    } >overlay/scripts/local-bottom/mdadm
    chmod 755 overlay/scripts/local-bottom/mdadm
    overlay=overlay
    expected+=('^kept entry.md0')
}

# /srv is a volume on an array that lacks a disk, and nothing before the switch to the root waits for it.
scenario_other_volume_one_missing() {
    array 1 alpha:root "$UUID" full a b
    array 5 alpha:pv "$OTHER" volume c - e
    disks=(a b c e)
    words="root=UUID=$FULL rw systemd.mount-extra=/dev/mapper/vg-root:/srv:ext4:x-systemd.device-timeout=300"
    expected=('raid_disks=2 degraded=0' 'raid_disks=3 degraded=1' '^mounted /srv ')
    clean=(a b)
}

# It started without the disk that comes when everything runs: the bitmap says what it lacks.
scenario_late_to_the_system() {
    array 1 alpha:root "$UUID" full bitmap=1 a b
    disks=(a)
    late=(b) late_after=system
    words="root=UUID=$FULL rw report.wait=200"
    expected=('raid_disks=2 degraded=0')
    clean=(a b)
}

# No udev at all: the scripts load and make what is needed. dracut's loop is udev's.
scenario_no_udev() {
    [ "$maker" = initramfs-tools ] || { skipped="dracut waits for udev"; return; }
    array 1 alpha:root "$UUID" small a b
    mkdir -p overlay/scripts/init-{top,bottom} overlay/conf
    printf '#!/bin/sh\nexit 0\n' >overlay/scripts/init-top/udev
    # shellcheck disable=SC2016  # the image's shell expands
    printf '#!/bin/sh\n[ "$1" = prereqs ] || mount -n -o move /dev "$rootmnt/dev"\n' >overlay/scripts/init-bottom/udev
    chmod 755 overlay/scripts/init-{top,bottom}/udev
    printf '%s\n' virtio_pci virtio_scsi sd_mod raid1 ext4 >overlay/conf/modules
    overlay=overlay
    disks=(a b)
    words="root=/dev/md/root"
    expected=('raid_disks=2 degraded=0')
}

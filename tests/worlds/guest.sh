#!/usr/bin/env bash
# Makes one kind of machine in the guest and writes it down: guest.sh KIND >KIND.world. Only for the guest of tests/vm; called by
# tests/worlds/record. Disks are scsi_debug's: their maker, names and serials are made up.
set -eu -o pipefail
exec 3>&1 1>&2

MDADM=ref-mdadm

# disks NUMBER MIB [MORE PARAMETERS OF SCSI_DEBUG...]: sda and on.
disks() {
    local number=$1 size=$2
    shift 2
    modprobe scsi_debug add_host="$number" per_host_store=1 dev_size_mb="$size" inq_vendor=ACME inq_product=Disk "$@"
    udevadm settle
    [ "$(lsblk -dno NAME | grep -c '^sd')" = "$number" ] || { lsblk; exit 1; }
}

create() { $MDADM --create --run --quiet --homehost=keeper "$@" && udevadm settle; }
idle() { $MDADM --wait "$1" || true; }
slow() { echo 1 >/proc/sys/dev/raid/speed_limit_min; echo 1 >/proc/sys/dev/raid/speed_limit_max; }
fast() { echo 1000 >/proc/sys/dev/raid/speed_limit_min; echo 200000 >/proc/sys/dev/raid/speed_limit_max; }

tidy() {
    fast
    umount /mnt 2>/dev/null || true
    vgchange -qq -an >/dev/null 2>&1 || true
    $MDADM --stop --scan 2>/dev/null || true
    dmsetup remove_all --retry 2>/dev/null || true
    $MDADM --stop --scan 2>/dev/null || true
    udevadm settle
    modprobe -r scsi_debug
    losetup -D
    rm -rf /tmp/disks64
    rm -rf /run/mdadm/map /etc/mdadm.conf /etc/lvm/backup/* /etc/lvm/archive/* /run/mdctl /var/lib/mdctl
    echo 0 >/sys/module/md_mod/parameters/start_ro
    udevadm settle
}

# --- the kinds -------------------------------------------------------------------------------------------------------

# RAID5 with a spare and a bitmap, in order, mounted, and in the configuration.
plain() {
    disks 4 32
    create /dev/md/home --level=5 --raid-devices=3 --spare-devices=1 --bitmap=internal --assume-clean /dev/sd[abcd]
    mkfs.ext4 -q -L home /dev/md/home && mount /dev/md/home /mnt && sync
    $MDADM --detail --scan >/etc/mdadm.conf
}

# RAID6 with a failed member that is still in it, and one that was removed.
degraded() {
    disks 4 32
    create /dev/md/data --level=6 --raid-devices=4 --assume-clean /dev/sd[abcd]
    $MDADM --fail /dev/md/data /dev/sdd && $MDADM --fail /dev/md/data /dev/sdc && $MDADM --remove /dev/md/data /dev/sdc
}

# A mirror in its first resync.
resync() {
    disks 2 64
    slow
    create /dev/md/root --level=1 --raid-devices=2 --bitmap=none /dev/sd[ab]
    sleep 3
}

# A spare that takes a failed member's place; one member is write-mostly.
recovery() {
    disks 3 64
    create /dev/md/root --level=1 --raid-devices=2 --bitmap=internal --assume-clean /dev/sda --write-mostly /dev/sdb
    slow
    $MDADM --fail /dev/md/root /dev/sda && $MDADM --remove /dev/md/root /dev/sda
    $MDADM --zero-superblock /dev/sdc 2>/dev/null || true
    $MDADM --add /dev/md/root /dev/sdc
    sleep 3
}

# RAID5 on its way from three to four members.
reshape() {
    disks 4 64
    create /dev/md/data --level=5 --raid-devices=3 --assume-clean --bitmap=none /dev/sd[abc]
    $MDADM --add /dev/md/data /dev/sdd
    slow
    $MDADM --grow /dev/md/data --raid-devices=4
    sleep 5
}

# Assembled and not written yet, with a resync that waits for the first write.
read_auto() {
    disks 2 64
    slow
    create /dev/md/root --level=1 --raid-devices=2 --bitmap=none /dev/sd[ab]
    sleep 2
    $MDADM --stop /dev/md/root
    echo 1 >/sys/module/md_mod/parameters/start_ro
    $MDADM --assemble /dev/md/root /dev/sd[ab]
    udevadm settle
}

# Two of four members came, and nobody starts the array.
inactive() {
    disks 4 32
    create /dev/md/data --level=5 --raid-devices=4 --assume-clean --bitmap=none /dev/sd[abcd]
    $MDADM --stop /dev/md/data
    $MDADM --incremental /dev/sda && $MDADM --incremental /dev/sdb
    udevadm settle
}

# Another machine's arrays, stopped, and one of ours.
foreign() {
    disks 4 32
    $MDADM --create --run --quiet --homehost=elsewhere /dev/md/theirs --level=1 --raid-devices=2 --assume-clean --bitmap=none /dev/sd[ab]
    create /dev/md/ours --level=1 --raid-devices=2 --assume-clean --bitmap=none /dev/sd[cd]
    $MDADM --stop --scan
}

# A mirror whose halves were each used alone.
split() {
    disks 2 32
    create /dev/md/root --level=1 --raid-devices=2 --assume-clean --bitmap=none /dev/sd[ab]
    $MDADM --stop /dev/md/root
    for disk in /dev/sda /dev/sdb; do
        $MDADM --assemble --run /dev/md/root $disk
        udevadm settle
        echo written to $disk | dd of=/dev/md/root conv=fsync status=none
        $MDADM --stop /dev/md/root
    done
}

# A volume group on a mirror: plain, striped and with a snapshot; a second group lacks a physical volume.
lvm() {
    disks 5 32
    create /dev/md/pv --level=1 --raid-devices=2 --assume-clean --bitmap=none /dev/sd[ab]
    pvcreate -qq /dev/md/pv /dev/sd[cde]
    vgcreate -qq -s 1M vg /dev/md/pv /dev/sdc
    lvcreate -qq -an -Zn -Wn -L 8M -n home vg /dev/md/pv
    lvcreate -qq -an -Zn -Wn -L 8M -i 2 -n data vg
    vgchange -qq -ay vg
    lvcreate -qq -s -L 4M -n home-before vg/home
    vgcreate -qq -s 1M part /dev/sd[de]
    lvcreate -qq -an -Zn -Wn -l 50 -n wide part
    udevadm settle
    echo 1 >/sys/block/sde/device/delete
    udevadm settle
}

# Two paths to one disk under a multipath device, and an array on it.
multipath() {
    disks 2 32 per_host_store=0 vpd_use_hostno=0
    modprobe dm-multipath dm-round-robin
    dmsetup create mpatha --uuid mpath-3600abcdef0123456789 \
        --table "0 65536 multipath 0 0 1 1 round-robin 0 2 1 /dev/sda 1 /dev/sdb 1"
    create /dev/md/san --level=1 --raid-devices=2 --assume-clean --bitmap=none /dev/mapper/mpatha missing
    # What multipath's own rules would note of the paths.
    for number in 8:0 8:16; do
        printf 'E:DM_MULTIPATH_DEVICE_PATH=1\nE:ID_FS_TYPE=mpath_member\n' >>/run/udev/data/b$number
    done
}

# Disks with sectors of 4096 bytes.
4kn() {
    disks 3 32 sector_size=4096
    create /dev/md/data --level=5 --raid-devices=3 --assume-clean --bitmap=internal /dev/sd[abc]
}

# RAID6 of 62 of 64 disks, and two spares. Loop devices: 64 hosts of scsi_debug keep udev busy for minutes.
disks64() {
    local disk loops=()
    prefixes=(loop md dm-)
    mkdir -p /tmp/disks64
    for disk in {00..63}; do
        truncate -s 8M /tmp/disks64/$disk
        loops+=("$(losetup -f --show /tmp/disks64/$disk)")
    done
    create /dev/md/wide --level=6 --raid-devices=62 --spare-devices=2 --assume-clean --bitmap=none --chunk=64 "${loops[@]}"
}

# Metadata 0.90, with a spare.
v090() {
    disks 3 32
    create /dev/md0 --metadata=0.90 --level=1 --raid-devices=2 --spare-devices=1 --assume-clean --bitmap=none /dev/sd[abc]
}

# Mirrors on partitions, 1.0 at their end and 1.1 at their start.
partitions() {
    disks 2 64
    for disk in /dev/sda /dev/sdb; do
        printf 'label: gpt\nsize=24M\nsize=24M\n' | sfdisk -q $disk
    done
    udevadm settle
    create /dev/md/boot --metadata=1.0 --level=1 --raid-devices=2 --assume-clean --bitmap=none /dev/sd[ab]1
    create /dev/md/root --metadata=1.1 --level=10 --raid-devices=2 --assume-clean --bitmap=none /dev/sd[ab]2
}

# RAID5 with a write journal.
journal() {
    disks 4 32
    create /dev/md/data --level=5 --raid-devices=3 --assume-clean --write-journal=/dev/sdd /dev/sd[abc]
}

# Striped; stopped, and one member is gone.
unstartable() {
    disks 3 32
    create /dev/md/scratch --level=0 --raid-devices=3 /dev/sd[abc]
    $MDADM --stop /dev/md/scratch
    $MDADM --zero-superblock /dev/sdb
}

# Nothing at all.
empty() { disks 2 32; }

kind=$1 prefixes=(sd md dm-)
hostname keeper
modprobe -a md_mod raid0 raid1 raid10 raid456 dm_mod loop
tidy 2>/dev/null || true
"${kind//-/_}"
udevadm settle
{
    sed -n "/^${kind//-/_}() /!{h;d};x;s/^# /# /p;q" "$0"
    echo "# Recorded by tests/worlds/record $kind."
    /tmp/worlds --record "${prefixes[@]}"
} >&3
tidy

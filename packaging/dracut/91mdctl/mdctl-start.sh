#!/bin/sh
# What is whole starts; what lacks members starts without them when none has come for 20 seconds.

command -v getargs >/dev/null || . /lib/dracut-lib.sh

# The same words of the command line rule as for mdraid.
getargbool 1 rd.md -d -n rd_NO_MD || exit 0
wanted=$(getargs rd.md.uuid -d rd_MD_UUID=)
[ -n "$wanted" ] || getargbool 0 rd.auto || exit 0

# is_known ARRAY: udev has looked at it with the rule for arrays. Dracut has one more, without names.
is_known() {
    read -r device <"$1/dev" && grep -qs '^S:disk/by-id/md-uuid-' "/run/udev/data/b$device"
}

# links: what runs is known to udev, for systemd waits for nothing else. An image without the rule for arrays has a copy of it.
links() {
    rule=63-md-raid-arrays.rules
    for array in /sys/block/md*; do
        [ -e "$array/md" ] && [ ! -e "/run/udev/rules.d/$rule" ] || continue
        read -r state <"$array/md/array_state"
        case $state in clear | inactive) continue ;; esac
        ! is_known "$array" || continue
        udevadm settle --timeout=10
        ! is_known "$array" || continue
        mkdir -p /run/udev/rules.d
        cp "/usr/lib/mdctl/$rule" /run/udev/rules.d/
        echo "<4>mdadm: udev has no rule for arrays here: taken from a copy" >/dev/kmsg
        udevadm control --reload
        udevadm trigger --action=change --subsystem-match=block --sysname-match='md*'
        udevadm settle --timeout=10
    done
    /usr/lib/mdctl/root-name "${root#block:}"
}

# assemble OPTION: what is wanted of that which no event has taken.
assemble() {
    if [ -n "$wanted" ]; then
        for uuid in $wanted; do
            mdadm -q --assemble --scan "$1" --uuid="$uuid" 2>/dev/null
        done
    else
        mdadm -q --assemble --scan "$1" 2>/dev/null
    fi
}

root=$(getarg root=)
links

progress=/run/mdadm/initqueue
read -r now _ </proc/uptime
now=${now%%.*}
mkdir -p /run/mdadm
[ -e "$progress" ] || echo "$now 0" >"$progress"
read -r since known <"$progress"
[ "$known" != over ] || exit 0

assemble --no-degraded
links

here=0
for member in /sys/block/md*/md/dev-*; do
    [ ! -e "$member" ] || here=$((here + 1))
done
[ "$here" = "$known" ] || since=$now
echo "$since $here" >"$progress"
[ $((now - since)) -ge 20 ] || exit 0

echo "$since over" >"$progress"
echo "<4>mdadm: no member has come for $((now - since)) seconds; starting arrays without those that are missing" >/dev/kmsg
/sbin/mdraid_start
assemble --run
links
dmesg | sed -n 's|.*md/raid:\(md[^:]*\): cannot start dirty degraded.*|\1|p' | sort -u | while read -r name; do
    echo "<4>mdadm: $name: not started: writes were under way when it last ran, and a member is missing, so that blocks may be wrong" >/dev/kmsg
    echo "<4>mdadm: $name: with md_mod.start_dirty_degraded=1 on the kernel's command line it starts all the same" >/dev/kmsg
done
dmesg | sed -n 's|.*md/raid:\(md[^:]*\): journal disk is missing.*|\1|p' | sort -u | while read -r name; do
    echo "<4>mdadm: $name: read-only, for its journal is missing and may hold the last writes; mdctl explain says how to go on" >/dev/kmsg
done
exit 0

#!/bin/sh
# What is whole starts; what lacks members starts without them when none has come for 20 seconds.

command -v getargs >/dev/null || . /lib/dracut-lib.sh

# The same words of the command line rule as for mdraid.
getargbool 1 rd.md -d -n rd_NO_MD || exit 0
wanted=$(getargs rd.md.uuid -d rd_MD_UUID=)
[ -n "$wanted" ] || getargbool 0 rd.auto || exit 0

root=$(getarg root=)
/usr/lib/mdctl/root-name "${root#block:}"

state=/run/mdadm/initqueue
read -r now _ </proc/uptime
now=${now%%.*}
mkdir -p /run/mdadm
[ -e "$state" ] || echo "$now 0" >"$state"
read -r since known <"$state"
[ "$known" != over ] || exit 0

if [ -n "$wanted" ]; then
    for uuid in $wanted; do
        mdadm -q --assemble --scan --no-degraded --uuid="$uuid" 2>/dev/null
    done
else
    mdadm -q --assemble --scan --no-degraded 2>/dev/null
fi

here=0
for member in /sys/block/md*/md/dev-*; do
    [ ! -e "$member" ] || here=$((here + 1))
done
[ "$here" = "$known" ] || since=$now
echo "$since $here" >"$state"
[ $((now - since)) -ge 20 ] || exit 0

echo "$since over" >"$state"
echo "<4>mdadm: no member has come for $((now - since)) seconds; starting arrays without those that are missing" >/dev/kmsg
/sbin/mdraid_start
dmesg | sed -n 's|.*md/raid:\(md[^:]*\): cannot start dirty degraded.*|\1|p' | sort -u | while read -r name; do
    echo "<4>mdadm: $name: not started: writes were under way when it last ran, and a member is missing, so that blocks may be wrong" >/dev/kmsg
    echo "<4>mdadm: $name: with md_mod.start_dirty_degraded=1 on the kernel's command line it starts all the same" >/dev/kmsg
done
dmesg | sed -n 's|.*md/raid:\(md[^:]*\): journal disk is missing.*|\1|p' | sort -u | while read -r name; do
    echo "<4>mdadm: $name: read-only, for its journal is missing and may hold the last writes; mdctl explain says how to go on" >/dev/kmsg
done
exit 0

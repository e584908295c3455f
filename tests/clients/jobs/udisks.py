#!/usr/bin/python3
"""udisks' arrays over D-Bus, as Cockpit and GNOME Disks use them. usage: udisks.py [JOB...]"""

import os

from common import (DISKS, FAST, SLOW, idle, job, JOBS, links, only_array, read, run, run_all, settle,
                    signatures, slaves, speed, until, arrays, whole)
from gi.repository import Gio, GLib

SERVICE, ROOT = "org.freedesktop.UDisks2", "/org/freedesktop/UDisks2"
ARRAY, BLOCK, MANAGER = (f"{SERVICE}.{name}" for name in ("MDRaid", "Block", "Manager"))
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)


def call(path, interface, method, signature="()", *arguments):
    variant = GLib.Variant(signature, arguments)
    return bus.call_sync(SERVICE, path, interface, method, variant, None, 0, 120000, None).unpack()


def properties(path, interface=ARRAY):
    return call(path, "org.freedesktop.DBus.Properties", "GetAll", "(s)", interface)[0]


def block(device):
    return f"{ROOT}/block_devices/{os.path.basename(device)}"


def text(array):
    return bytes(array).rstrip(b"\0").decode()


def exists(path):
    try:
        return bool(properties(path))
    except GLib.Error:
        return False


def create(level, disks, name="", chunk=0, options=None):
    """The new array's path, when all has been copied."""
    path = call(f"{ROOT}/Manager", MANAGER, "MDRaidCreate", "(aossta{sv})",
                [block(disk) for disk in disks], level, name, chunk, options or {})[0]
    idle(only_array())
    settle()
    return path


def members(path):
    """Of each: device, slot, states, errors."""
    return sorted((os.path.basename(member), slot, states, errors)
                  for member, slot, states, errors, _ in properties(path)["ActiveDevices"])


def states(path, expected):
    """Waits for members' states, by device."""
    def there():
        seen = {member: found for member, _, found, _ in members(path)}
        return seen == expected
    try:
        until(there, f"members {expected}", 30)
    except TimeoutError as error:
        raise TimeoutError(f"{error}; they are {members(path)}") from None


def show(record, path, prefix=""):
    """All properties, when they say what the driver says."""
    until(lambda: properties(path)["SyncAction"] in ("idle", ""), "udisks sees that nothing is copied any more")
    settle()
    found = properties(path)
    for key in ("Name", "Level", "NumDevices", "Size", "SyncAction", "SyncCompleted", "SyncRate", "SyncRemainingTime",
                "Degraded", "ChunkSize", "Running", "ChildConfiguration"):
        record.value(prefix + key, found.get(key))
    record.value(prefix + "BitmapLocation", text(found["BitmapLocation"]))
    record.value(prefix + "members", members(path))


def show_blocks(record, path, disks):
    array = only_array()
    found = properties(block(array), BLOCK)
    record.value("block's array", found["MDRaid"] == path)
    record.value("block's size", found["Size"])
    record.value("block's preferred name", text(found["PreferredDevice"]))
    record.value("block's links", sorted(text(link) for link in found["Symlinks"] if b"md-uuid" not in bytes(link)))
    record.value("members' array", [properties(block(disk), BLOCK)["MDRaidMember"] == path for disk in disks])
    record.value("identity", properties(path)["UUID"].replace(":", "") == examined(disks[0]))
    record.value("links", links())
    superblock = run("/usr/sbin/blkid", "-p", "-o", "export", disks[0])
    record.value("on the member", sorted(line for line in superblock.splitlines() if not line.startswith(("UUID", "DEVNAME"))))


def examined(disk):
    """The array's identity as libblkid reads it."""
    return run("/usr/sbin/blkid", "-p", "-s", "UUID", "-o", "value", disk).strip().replace("-", "")


def of_level(level, count, chunk, name):
    def function(record):
        path = create(level, DISKS[:count], name, chunk)
        show(record, path)
        show_blocks(record, path, DISKS[:count])
    function.__name__ = f"udisks_create_{level}" + ("" if name else "_unnamed")
    job(function)


for arguments in (("raid1", 2, 0, "mirror"), ("raid5", 3, 64 << 10, "five"), ("raid0", 2, 128 << 10, "stripes"),
                  ("raid6", 4, 512 << 10, "six"), ("raid10", 4, 256 << 10, "ten"), ("raid4", 3, 32 << 10, "four"),
                  ("raid1", 2, 0, "")):
    of_level(*arguments)


@job
def udisks_create_with_options(record):
    path = create("raid1", DISKS[:2], "option", 0, {"bitmap": GLib.Variant("ay", b"internal\0"), "version": GLib.Variant("s", "1.0")})
    show(record, path)
    show_blocks(record, path, DISKS[:2])


@job
def udisks_create_refused(record):
    record.refused("level", create, "raid7", DISKS[:2], "x", 0)
    record.refused("one disk", create, "raid5", DISKS[:1], "x", 64 << 10)
    record.refused("chunk of raid1", create, "raid1", DISKS[:2], "x", 64 << 10)
    record.refused("chunk not a power", create, "raid5", DISKS[:3], "x", 5000)
    record.value("arrays", arrays())


@job
def udisks_add_and_remove_spare(record):
    path = create("raid1", DISKS[:2], "one")
    call(path, ARRAY, "AddDevice", "(oa{sv})", block(DISKS[2]), {})
    states(path, {"vda": ["in_sync"], "vdb": ["in_sync"], "vdc": ["spare"]})
    show(record, path, "with ")
    call(path, ARRAY, "RemoveDevice", "(oa{sv})", block(DISKS[2]), {"wipe": GLib.Variant("b", True)})
    states(path, {"vda": ["in_sync"], "vdb": ["in_sync"]})
    show(record, path, "without ")
    record.value("left on it", signatures(DISKS[2]))


@job
def udisks_replace_a_member(record):
    path = create("raid5", DISKS[:3], "five", 64 << 10)
    call(path, ARRAY, "RemoveDevice", "(oa{sv})", block(DISKS[1]), {"wipe": GLib.Variant("b", True)})
    states(path, {"vda": ["in_sync"], "vdc": ["in_sync"]})
    show(record, path, "degraded ")
    record.value("left on it", signatures(DISKS[1]))
    call(path, ARRAY, "AddDevice", "(oa{sv})", block(DISKS[3]), {})
    whole(only_array())
    states(path, {"vda": ["in_sync"], "vdc": ["in_sync"], "vdd": ["in_sync"]})
    show(record, path, "whole ")


@job
def udisks_remove_without_wipe_and_back(record):
    path = create("raid1", DISKS[:2], "one")
    call(path, ARRAY, "RemoveDevice", "(oa{sv})", block(DISKS[1]), {})
    # udisks itself hears of a removal only if something else changes with it.
    record.value("members", slaves(only_array()))
    record.value("left on it", signatures(DISKS[1]))
    call(path, ARRAY, "AddDevice", "(oa{sv})", block(DISKS[1]), {})
    whole(only_array())
    states(path, {"vda": ["in_sync"], "vdb": ["in_sync"]})
    show(record, path)


@job
def udisks_check_and_idle(record):
    path = create("raid1", DISKS[:2], "one")
    speed(SLOW)
    call(path, ARRAY, "RequestSyncAction", "(sa{sv})", "check", {})
    until(lambda: properties(path)["SyncAction"] == "check", "udisks sees the check")
    until(lambda: properties(path)["SyncRate"] > 0, "udisks sees how fast it is")
    found = properties(path)
    record.value("completed", 0 <= found["SyncCompleted"] < 1)
    record.value("remaining", found["SyncRemainingTime"] > 0)
    call(path, ARRAY, "RequestSyncAction", "(sa{sv})", "idle", {})
    until(lambda: properties(path)["SyncAction"] == "idle", "udisks sees that it is over")
    speed(FAST)
    call(path, ARRAY, "RequestSyncAction", "(sa{sv})", "repair", {})
    idle(only_array())
    show(record, path)
    record.refused("unknown", call, path, ARRAY, "RequestSyncAction", "(sa{sv})", "polish", {})


@job
def udisks_bitmap(record):
    path = create("raid1", DISKS[:2], "one")
    for location in ("internal", "none", "internal"):
        call(path, ARRAY, "SetBitmapLocation", "(aya{sv})", location.encode() + b"\0", {})
        where = "" if location == "none" else "+"
        until(lambda: text(properties(path)["BitmapLocation"]).startswith(where or "none"), f"the bitmap is {location}", 20)
        record.value(location, text(properties(path)["BitmapLocation"]))
        record.value(f"{location}, the driver's word", read(f"/sys/block/{only_array()}/md/bitmap/location"))


@job
def udisks_stop_and_start(record):
    path = create("raid5", DISKS[:3], "five", 64 << 10)
    call(path, ARRAY, "Stop", "(a{sv})", {})
    until(lambda: not properties(path)["Running"], "udisks sees that it is stopped")
    found = properties(path)
    record.value("stopped", [found[key] for key in ("Name", "Level", "NumDevices", "Size", "Running")])
    record.value("arrays", arrays())
    call(path, ARRAY, "Start", "(a{sv})", {})
    idle(only_array())
    until(lambda: properties(path)["Running"], "udisks sees that it runs")
    show(record, path)
    show_blocks(record, path, DISKS[:3])


def mdadm_refuses(record, name, path, method, options):
    """udisks 2.10 may crash where mdadm has failed, whichever mdadm it is: it is started again, and its answer not compared."""
    try:
        call(path, ARRAY, method, "(a{sv})", options)
    except GLib.Error as error:
        record.value(name, "refused")
        record.say("said", name, error.message)
    else:
        record.value(name, "done")
    run("systemctl", "restart", "udisks2")
    settle()


def lose_one():
    """A stopped array whose third member is gone."""
    path = create("raid5", DISKS[:3], "five", 64 << 10)
    call(path, ARRAY, "Stop", "(a{sv})", {})
    until(lambda: not properties(path)["Running"], "udisks sees that it is stopped")
    run("wipefs", "--all", "--quiet", DISKS[2])
    settle()
    return path


@job
def udisks_start_degraded(record):
    path = lose_one()
    call(path, ARRAY, "Start", "(a{sv})", {"start-degraded": GLib.Variant("b", True)})
    states(path, {"vda": ["in_sync"], "vdb": ["in_sync"]})
    show(record, path)


@job
def udisks_start_not_degraded(record):
    mdadm_refuses(record, "without a word", lose_one(), "Start", {"start-degraded": GLib.Variant("b", False)})
    record.value("arrays", [read(f"/sys/block/{array}/md/array_state") for array in arrays()])


@job
def udisks_stop_in_use(record):
    path = create("raid1", DISKS[:2], "one")
    call(block(only_array()), BLOCK, "Format", "(sa{sv})", "ext4", {})
    settle()
    found = properties(block(only_array()), BLOCK)
    record.value("file system", [found["IdUsage"], found["IdType"], found["Size"]])
    os.makedirs("/mnt/array", exist_ok=True)
    run("mount", f"/dev/{only_array()}", "/mnt/array")
    mdadm_refuses(record, "stop", path, "Stop", {})
    run("umount", "/mnt/array")
    show(record, path)


@job
def udisks_delete(record):
    path = create("raid1", DISKS[:2], "one")
    call(path, ARRAY, "Delete", "(a{sv})", {})
    until(lambda: not exists(path), "udisks' object is gone")
    record.value("arrays", arrays())
    record.value("left", [signatures(disk) for disk in DISKS[:2]])
    record.value("links", links())


if __name__ == "__main__":
    run_all(JOBS)

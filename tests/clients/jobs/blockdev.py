#!/usr/bin/python3
"""libblockdev's functions for arrays. usage: blockdev.py [JOB...]"""

import os
import re
import time

import gi

gi.require_version("BlockDev", "3.0")

# pylint: disable=wrong-import-position
from common import DISKS, JOBS, arrays, idle, job, links, only_array, read, run, run_all, settle, signatures, slaves, until, whole, write
from gi.repository import BlockDev as bd

CTIME = re.compile(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$")
bd.ensure_init(bd.plugin_specs_from_names(["mdraid"]))


def detail(record, spec, prefix="detail "):
    found = bd.md_detail(spec)
    record.value(prefix + "creation time", bool(CTIME.match(found.creation_time)))
    record.value(prefix + "device", os.path.realpath(found.device))
    for key in ("metadata", "level", "name", "array_size", "use_dev_size", "raid_devices", "total_devices", "active_devices",
                "working_devices", "failed_devices", "spare_devices", "clean", "container", "uuid"):
        record.value(prefix + key, getattr(found, key))
    return found


def examine(record, device, array_uuid=None, prefix="examine "):
    found = bd.md_examine(device)
    record.value(prefix + "device", found.device)
    for key in ("level", "num_devices", "name", "size", "uuid", "metadata", "chunk_size"):
        record.value(prefix + key, getattr(found, key))
    record.value(prefix + "update time", abs(found.update_time - time.time()) < 900)
    record.value(prefix + "events", found.events > 0)
    record.value(prefix + "own identity", bool(found.dev_uuid) and found.dev_uuid != found.uuid)
    if array_uuid:
        record.value(prefix + "the array's identity", found.uuid == array_uuid)


def create(name, level, disks, *arguments):
    bd.md_create(name, level, disks, *arguments)
    idle(only_array())
    settle()


def of_level(level, count, *arguments):
    def function(record):
        create("bd", level, DISKS[:count], *arguments)
        found = detail(record, "bd")
        examine(record, DISKS[0], found.uuid)
        examine(record, DISKS[count - 1], found.uuid, "examine the last ")
        record.value("links", links())
        record.value("status", bd.md_get_status("bd"))
        record.value("bitmap", bd.md_get_bitmap_location("bd"))
    function.__name__ = f"blockdev_create_{level}" + (f"_{arguments[1]}" if arguments[1:] and arguments[1] else "")
    job(function)


# spares, version, bitmap, chunk
for arguments in (("raid1", 2), ("raid1", 2, 0, "1.0", "internal"), ("raid1", 3, 1, "0.90", "none"), ("raid0", 2, 0, None, None, 64 << 10),
                  ("raid5", 4, 1, "1.1", "internal", 64 << 10), ("raid6", 4), ("raid10", 4, 0, "1.2", "none", 128 << 10)):
    of_level(*arguments)


@job
def blockdev_names(record):
    create("bd", "raid1", DISKS[:2])
    node = bd.md_node_from_name("bd")
    record.value("node", node == only_array())
    record.value("name", bd.md_name_from_node(node))
    record.value("name of a path", bd.md_name_from_node("/dev/" + node))
    uuid = bd.md_detail("bd").uuid
    theirs = bd.md_get_md_uuid(uuid)
    record.value("identity, mdadm's way", re.sub("[0-9a-f]", "x", theirs))
    record.value("and back", bd.md_canonicalize_uuid(theirs) == uuid)
    for spec in ("/dev/md/bd", "/dev/" + node, node):
        record.value(f"by {spec}", bd.md_detail(spec).uuid == uuid)
    record.refused("no such node", bd.md_name_from_node, "md55")
    record.refused("no such name", bd.md_node_from_name, "nobody")
    record.refused("no such array", bd.md_detail, "nobody")
    record.refused("no member", bd.md_examine, DISKS[4])


@job
def blockdev_create_refused(record):
    record.refused("one disk too few", bd.md_create, "bd", "raid6", DISKS[:3])
    record.refused("no such level", bd.md_create, "bd", "raid8", DISKS[:3])
    record.refused("no such disk", bd.md_create, "bd", "raid1", [DISKS[0], "/dev/nothing"])
    record.refused("no such version", bd.md_create, "bd", "raid1", DISKS[:2], 0, "2.7")
    record.value("arrays", arrays())


@job
def blockdev_deactivate_and_activate(record):
    create("bd", "raid5", DISKS[:3])
    uuid = bd.md_detail("bd").uuid
    bd.md_deactivate("bd")
    record.value("arrays", arrays())
    record.refused("twice", bd.md_deactivate, "bd")
    bd.md_activate("bd", DISKS[:3], None, True)
    detail(record, "bd", "by members ")
    bd.md_deactivate("/dev/md/bd")
    settle()
    bd.md_activate("bd", DISKS[:3], bd.md_get_md_uuid(uuid), True)
    record.value("by members and identity", bd.md_detail("bd").uuid == uuid)
    bd.md_deactivate(only_array())
    settle()
    bd.md_activate(None, None, bd.md_get_md_uuid(uuid), True)
    settle()
    record.value("by identity", bd.md_detail(only_array()).uuid == uuid)
    record.value("links", links())
    record.refused("what is active", bd.md_activate, "bd", DISKS[:3], None, True)


@job
def blockdev_activate_degraded(record):
    create("bd", "raid5", DISKS[:3])
    bd.md_deactivate("bd")
    bd.md_destroy(DISKS[2])
    settle()
    record.refused("not without a word", bd.md_activate, "bd", DISKS[:2], None, False)
    record.value("array", [read(f"/sys/block/{name}/md/array_state") for name in arrays()])
    bd.md_activate("bd", DISKS[:2], None, True)
    detail(record, "bd", "degraded ")
    record.value("status", bd.md_get_status("bd"))


@job
def blockdev_run(record):
    """What waits for its last member is started without it."""
    create("bd", "raid5", DISKS[:3])
    bd.md_deactivate("bd")
    bd.md_destroy(DISKS[2])
    settle()
    for disk in DISKS[:2]:
        run("mdadm", "--incremental", disk)
    record.value("before", read(f"/sys/block/{only_array()}/md/array_state"))
    bd.md_run(only_array())
    settle()
    detail(record, only_array())
    record.refused("what runs", bd.md_run, only_array())


@job
def blockdev_nominate_and_denominate(record):
    create("bd", "raid1", DISKS[:2])
    bd.md_denominate(DISKS[1])
    settle()
    detail(record, "bd", "one gone ")
    record.value("members", slaves(only_array()))
    bd.md_nominate(DISKS[1])
    # It may wait for the first write since the other one left.
    write(f"/sys/block/{only_array()}/md/array_state", "active")
    whole(only_array())
    detail(record, "bd", "one back ")
    bd.md_deactivate("bd")
    settle()
    bd.md_nominate(DISKS[0])
    settle()
    detail(record, only_array(), "of one ")
    record.value("links", links())
    record.refused("no member", bd.md_nominate, DISKS[5])
    record.refused("of no array", bd.md_denominate, DISKS[5])


@job
def blockdev_add_and_remove(record):
    create("bd", "raid1", DISKS[:2])
    bd.md_add("bd", DISKS[2], 0)
    detail(record, "bd", "a spare ")
    bd.md_remove("bd", DISKS[0], True)
    whole(only_array())
    settle()
    detail(record, "bd", "replaced ")
    bd.md_add("bd", DISKS[3], 0)
    bd.md_remove("bd", DISKS[3], False)
    detail(record, "bd", "the spare is gone ")
    record.value("members", slaves(only_array()))
    record.refused("one that is needed", bd.md_remove, "bd", DISKS[1], False)
    record.refused("one that is none", bd.md_remove, "bd", DISKS[5], False)
    record.refused("one that is in it", bd.md_add, "bd", DISKS[1], 0)
    record.value("left on it", signatures(DISKS[0]))


@job
def blockdev_add_and_grow(record):
    create("bd", "raid1", DISKS[:2])
    bd.md_add("bd", DISKS[2], 3)
    whole(only_array())
    detail(record, "bd")


@job
def blockdev_bitmap(record):
    create("bd", "raid1", DISKS[:2], 0, None, "none")
    for location in ("internal", "none", "internal"):
        bd.md_set_bitmap_location("bd", location)
        record.value(location, bd.md_get_bitmap_location("bd"))
    record.refused("twice", bd.md_set_bitmap_location, "bd", "internal")
    record.refused("a word", bd.md_set_bitmap_location, "bd", "somewhere")


@job
def blockdev_sync_action(record):
    create("bd", "raid5", DISKS[:3])
    for action in ("check", "repair", "idle"):
        bd.md_request_sync_action("bd", action)
        idle(only_array())
    record.value("mismatches", read(f"/sys/block/{only_array()}/md/mismatch_cnt"))
    detail(record, "bd")
    record.refused("no such action", bd.md_request_sync_action, "bd", "polish")


@job
def blockdev_destroy(record):
    create("bd", "raid1", DISKS[:2])
    record.refused("in use", bd.md_destroy, DISKS[0])
    bd.md_deactivate("bd")
    for disk in DISKS[:2]:
        bd.md_destroy(disk)
    record.value("left", [signatures(disk) for disk in DISKS[:2]])
    record.value("links", links())
    record.refused("twice", bd.md_destroy, DISKS[0])


@job
def blockdev_in_use(record):
    create("bd", "raid1", DISKS[:2])
    run("mke2fs", "-q", "/dev/md/bd")
    os.makedirs("/mnt/array", exist_ok=True)
    run("mount", "/dev/md/bd", "/mnt/array")
    record.refused("deactivate", bd.md_deactivate, "bd")
    record.refused("create on it", bd.md_create, "other", "raid1", DISKS[:2])
    run("umount", "/mnt/array")
    until(lambda: not bd.md_deactivate("bd") or not arrays(), "it stops", 10)
    record.value("arrays", arrays())


if __name__ == "__main__":
    run_all(JOBS)

#!/usr/bin/python3
"""What an installer does by blivet. usage: storage.py [JOB...]"""

import os

from common import DISKS, JOBS, idle, job, only_array, run, run_all, settle, signatures, arrays, write, links
from blivet import Blivet
from blivet.deviceaction import ActionDestroyFormat
from blivet.formats import get_format
from blivet.partitioning import do_partitioning
from blivet.size import Size


def look():
    storage = Blivet()
    storage.ignored_disks = ["vdi", "vdj"]
    storage.reset()
    return storage


def device(storage, path):
    return storage.devicetree.get_device_by_path(path)


def members(storage, disks, partitions):
    """Empty members on these disks, or on a partition of each."""
    if not partitions:
        for disk in disks:
            storage.format_device(device(storage, disk), get_format("mdmember", device=disk))
        return [device(storage, disk) for disk in disks]
    made = []
    for disk in disks:
        storage.initialize_disk(device(storage, disk))
        made.append(storage.new_partition(fmt_type="mdmember", size=Size("370 MiB"), parents=[device(storage, disk)]))
        storage.create_device(made[-1])
    do_partitioning(storage)
    return made


def create(level, disks, content, partitions=False, name="store", **words):
    storage = look()
    parents = members(storage, disks, partitions)
    array = storage.new_mdarray(name=name, level=level, parents=parents, member_devices=len(parents) - words.pop("spares", 0),
                                total_devices=len(parents), fmt_type=content, **words)
    storage.create_device(array)
    storage.do_it()
    idle(only_array())
    settle()
    return storage


def show(record, storage, prefix=""):
    record.value(prefix + "arrays", [array.name for array in storage.mdarrays])
    for array in storage.mdarrays:
        record.value(prefix + "level", array.level.name)
        record.value(prefix + "status", array.status)
        record.value(prefix + "size", array.size)
        record.value(prefix + "exists", array.exists)
        record.value(prefix + "identity", str(array.uuid))
        record.value(prefix + "members", sorted(member.name for member in array.members))
        record.value(prefix + "counts", [array.member_devices, array.total_devices, array.spares])
        record.value(prefix + "metadata", array.metadata_version)
        record.value(prefix + "degraded", array.degraded)
        record.value(prefix + "complete", array.complete)
        record.value(prefix + "content", [array.format.type, array.format.exists])
        record.value(prefix + "chunk", array.chunk_size)
        record.value(prefix + "path", array.path)
        record.value(prefix + "formats of members", [member.format.type for member in array.members])
        record.value(prefix + "array by members", {str(member.format.md_uuid) == str(array.uuid) for member in array.members})


def of_level(level, count, content, partitions=False, **words):
    def function(record):
        show(record, create(level, DISKS[:count], content, partitions, **words), "made ")
        show(record, look(), "found ")
        record.value("links", links())
        record.value("signatures", signatures("/dev/md/store"))
    function.__name__ = f"blivet_create_{level}_{content}" + ("_on_partitions" if partitions else "")
    job(function)


of_level("raid1", 2, "xfs", True)
of_level("raid1", 2, "swap")
of_level("raid5", 3, "ext4", True)
of_level("raid5", 4, "xfs", spares=1)
of_level("raid0", 2, "ext4", chunk_size=Size("128 KiB"))
of_level("raid10", 4, "ext4", metadata_version="1.0")


def stop(array):
    write(f"/sys/block/{array}/md/array_state", "clear")
    settle()


def appear(*names):
    """As when the machine starts."""
    run("udevadm", "trigger", "--settle", "--action=add", *(f"/sys/class/block/{name}" for name in names))


@job
def blivet_find_assembled_by_udev(record):
    create("raid1", DISKS[:2], "ext4", True)
    stop(only_array())
    appear("vda1", "vdb1")
    show(record, look())


@job
def blivet_find_degraded(record):
    """blivet starts what waits for a member in vain."""
    create("raid5", DISKS[:3], "ext4")
    stop(only_array())
    run("wipefs", "--all", "--quiet", DISKS[1])
    settle()
    appear("vda", "vdc")
    show(record, look())


@job
def blivet_find_running_degraded(record):
    create("raid1", DISKS[:2], "xfs")
    array = only_array()
    write(f"/sys/block/{array}/md/dev-vdb/state", "faulty")
    write(f"/sys/block/{array}/md/dev-vdb/state", "remove")
    settle()
    show(record, look())


@job
def blivet_destroy(record):
    create("raid1", DISKS[:2], "ext4", True)
    storage = look()
    (array,) = storage.mdarrays
    storage.recursive_remove(array)
    for member in array.members:
        storage.devicetree.actions.add(ActionDestroyFormat(member))
    storage.do_it()
    settle()
    record.value("arrays", arrays())
    record.value("left", [signatures(disk + "1") for disk in DISKS[:2] if os.path.exists(disk + "1")])
    record.value("seen", [seen.name for seen in look().mdarrays])


if __name__ == "__main__":
    run_all(JOBS)

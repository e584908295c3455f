"""What the jobs share: disks, waiting, a clean machine before each, and how it is said what came of them.

A job is a function with the decorator `job`; it records values, and an exception is its failure. One line a fact, fields
apart by tabs: JOB, `value`, NAME, VALUE; JOB, `said`, NAME, TEXT; and last JOB, `ended` or `failed`, WHY.
"""

import glob
import hashlib
import os
import re
import subprocess
import sys
import time
import traceback

DISKS = ["/dev/vd" + letter for letter in "abcdefgh"]
UUID = re.compile(r"[0-9a-f]{8}([:-]?)[0-9a-f]{8}\1[0-9a-f]{8}\1[0-9a-f]{8}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
JOBS = []


def job(function):
    JOBS.append(function)
    return function


def run(*words):
    """Standard output of a program that is not under test."""
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def plain(value):
    """Without what differs from one run to the next."""
    text = UUID.sub("UUID", str(value))
    return re.sub(r"\bmd12[0-9]\b", "mdN", text).replace("\n", " | ").replace("\t", " ").strip()


class Record:
    def __init__(self, name):
        self.name = name
        self.lines = []

    def say(self, *fields):
        self.lines.append("\t".join([self.name, *(plain(field) for field in fields)]))

    def value(self, name, value):
        self.say("value", name, value)

    def refused(self, name, function, *arguments):
        """That what cannot be is refused, with which status; in which words is `said`, and not compared."""
        try:
            function(*arguments)
        except Exception as error:
            text = plain(getattr(error, "message", error))
            status = re.search(r"exit code \d+", text)
            self.value(name, f"refused, {status[0]}" if status else text)
            self.say("said", name, text)
        else:
            self.value(name, "done")


def until(question, what, seconds=60):
    """The first answer that is not false."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"{seconds} s were not enough: {what}")
        time.sleep(0.1)


def read(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return None


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def settle():
    run("udevadm", "settle")


def arrays():
    return [path.split("/")[3] for path in glob.glob("/sys/block/md*/md")]


def idle(array):
    """Waits until the driver has nothing to copy."""
    until(lambda: read(f"/sys/block/{array}/md/sync_action") in ("idle", None), f"{array} is idle", 180)


def whole(array):
    """Waits until no member is missing and all is copied."""
    until(lambda: read(f"/sys/block/{array}/md/degraded") == "0", f"{array} is whole", 180)
    idle(array)


def slaves(array):
    return sorted(os.listdir(f"/sys/block/{array}/slaves"))


def speed(limit):
    """KiB/s of everything that the driver copies; to load it is mdadm's, in the first job."""
    if not os.path.exists("/proc/sys/dev/raid"):
        return
    write("/proc/sys/dev/raid/speed_limit_min", str(limit))
    write("/proc/sys/dev/raid/speed_limit_max", str(limit))


FAST, SLOW = 2000000, 500


def only_array():
    (name,) = arrays()
    return name


def links():
    """Names below /dev/md and what they are of."""
    return sorted(f"{os.path.basename(link)} -> {os.path.basename(os.readlink(link))}" for link in glob.glob("/dev/md/*"))


def signatures(device):
    """What libblkid finds, without identities."""
    return run("wipefs", "--noheadings", "--output", "TYPE", device).split()


def configuration():
    """Of the files that a client of mdadm may have written to."""
    found = []
    for path in ["/etc/mdadm.conf", "/etc/mdadm/mdadm.conf", "/etc/mdadm.conf.d", "/etc/fstab"]:
        text = read(path) if os.path.isfile(path) else str(os.path.exists(path))
        found.append(hashlib.sha256(text.encode()).hexdigest())
    return found


def clean():
    """No array, nothing on the disks; by the kernel's own files, for no program under test shall be needed."""
    run("swapoff", "--all")
    for line in read("/proc/mounts").splitlines():
        if line.startswith("/dev/md"):
            run("umount", line.split()[1])
    speed(FAST)
    for name in arrays():
        for _ in range(50):
            try:
                if read(f"/sys/block/{name}/md/array_state") not in (None, "clear"):
                    write(f"/sys/block/{name}/md/array_state", "clear")
                break
            except OSError:
                time.sleep(0.2)
    settle()
    for disk in DISKS:
        with open(disk, "r+b", buffering=0) as device:
            for place in (0, device.seek(0, os.SEEK_END) - (1 << 20)):
                device.seek(place)
                device.write(bytes(1 << 20))
    # Data of an earlier array, which the next one of the same geometry would show.
    for disk in DISKS:
        run("blkdiscard", "--zeroout", "--offset", "0", "--length", str(64 << 20), disk)
    settle()


def attempt(function):
    """What it recorded, and whether it came to its end."""
    record = Record(function.__name__)
    clean()
    before = configuration()
    try:
        function(record)
        settle()
        record.value("configuration untouched", configuration() == before)
    except Exception as error:
        for line in traceback.format_exc().splitlines():
            print(f"{record.name}: {line}", file=sys.stderr)
        record.say("failed", f"{type(error).__name__}: {getattr(error, 'message', error)}")
        return record, False
    record.say("ended", "")
    return record, True


def run_all(jobs):
    """TRIES in the environment: how often a job may fail before that counts."""
    for function in jobs:
        if sys.argv[1:] and function.__name__ not in sys.argv[1:]:
            continue
        for _ in range(int(os.environ.get("TRIES", "1"))):
            record, ended = attempt(function)
            if ended:
                break
        print(*record.lines, sep="\n", flush=True)
    clean()

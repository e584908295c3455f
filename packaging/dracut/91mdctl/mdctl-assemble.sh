#!/bin/sh
# Read by dracut's loop each time that udev has nothing to do. A process of its own, for the loop's names are not ours.
/sbin/mdctl-start

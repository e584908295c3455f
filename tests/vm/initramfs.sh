#!/usr/bin/env bash
# The initramfs: busybox, the few modules that reach the root disk, and the guest's own programs.
# usage: initramfs.sh KERNEL-DIRECTORY OUTPUT

# shellcheck source=tests/vm/common.sh
. "$(dirname "$0")/common.sh"

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/{bin,modules,guest}
cp /bin/busybox "$tree/bin/busybox"
cp "$1"/initramfs-modules/* "$tree/modules/"
cp "$VM_DIR/guest/init" "$tree/init"
cp "$VM_DIR"/guest/{start,agent,not-there} "$tree/guest/"
(cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$2"

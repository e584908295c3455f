#!/usr/bin/env bash
# QEMU 10 from Debian 13, unpacked beside this machine's own and run with the libraries it came with: QEMU 7.2
# (Debian 12) emulates double-width compare-and-exchange wrongly on more than one CPU, is slow, and
# corrupts the guest kernel.
# usage: qemu.sh OUTPUT-DIRECTORY   (as root); then OUTPUT-DIRECTORY/qemu is the program.

# shellcheck source=tests/vm/debian.sh
. "$(dirname "$0")/debian.sh"

out=$1
rm -rf "$out" "$out.part"
say "unpacking QEMU of Debian trixie"
debian_tree extract trixie "$out.part" --include=qemu-system-x86
# QEMU finds its data beside the running executable, which is the loader's copy.
cp -L "$out.part/usr/lib64/ld-linux-x86-64.so.2" "$out.part/usr/bin/qemu-loader"
cat >"$out.part/qemu" <<'EOF'
#!/bin/sh
# Runs this QEMU with the C library and the loader it was built for.
here=$(dirname "$0")
exec "$here/usr/bin/qemu-loader" --library-path "$here/usr/lib/x86_64-linux-gnu" \
    "$here/usr/bin/qemu-system-x86_64" -L "$here/usr/share/qemu" -L "$here/usr/share/seabios" "$@"
EOF
chmod 755 "$out.part/qemu"
rm -rf "$out.part"/var/cache "$out.part"/usr/share/{doc,man,locale}
mv "$out.part" "$out"
"$out/qemu" --version >&2

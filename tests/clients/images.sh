#!/usr/bin/env bash
# The machine to start, as a read-only image: Debian's own mdadm in it, or our package in the place of that.
# usage: images.sh ROOT.tar PACKAGE.deb|none OUTPUT.erofs   (as root)

# shellcheck source=tests/vm/common.sh
. "$(dirname "$0")/../vm/common.sh"

tar=$1 package=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d "$(dirname "$out")/tree.XXXXXX")
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"
tar -C "$tree" --numeric-owner -xf "$tar"

if [ "$package" != none ]; then
    cp "$package" "$tree/mdctl.deb"
    # Maintainer scripts look for arrays; this machine's are none of theirs.
    # shellcheck disable=SC2016  # the inner shell expands
    unshare --mount bash -c '
        mount -t proc proc "$0/proc" && mount -t tmpfs run "$0/run" &&
            exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C DEBIAN_FRONTEND=noninteractive \
                apt-get -y -o Dpkg::Use-Pty=0 install --no-install-recommends /mdctl.deb' "$tree"
    rm "$tree/mdctl.deb"
    [ "$(readlink "$tree/usr/sbin/mdadm")" = mdctl ] || die "mdadm is not mdctl after the installation"
fi

printf '#!/bin/sh\nexec /usr/lib/systemd/systemd\n' >"$tree/usr/sbin/first"
chmod 755 "$tree/usr/sbin/first"
install -D -m 644 "$here/guest-agent.service" "$tree/etc/systemd/system/guest-agent.service"
mkdir -p "$tree/etc/systemd/system/sysinit.target.wants" "$tree/usr/local/lib/guest"
ln -s ../guest-agent.service "$tree/etc/systemd/system/sysinit.target.wants/"
ln -sf /usr/lib/systemd/system/multi-user.target "$tree/etc/systemd/system/default.target"
mkfs.erofs -zlz4 "$out.part" "$tree" >/dev/null
mv "$out.part" "$out"

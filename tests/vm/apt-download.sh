#!/usr/bin/env bash
# Downloads a package into the current directory, and with a kernel's meta package the packages that
# hold its image and modules (their names carry the version). Run with the private APT_CONFIG set.
set -euo pipefail

mapfile -t queue <<<"$1"
done=" "
list=$(mktemp)
while [ "${#queue[@]}" -gt 0 ]; do
    package=${queue[0]}
    queue=("${queue[@]:1}")
    case $done in *" $package "*) continue ;; esac
    done+="$package "
    apt-get -qq download "$package"
    printf '%s\n' "$package" >>"$list"
    case $package in linux-*) ;; *) continue ;; esac
    mapfile -t more < <(apt-cache depends "$package" |
        sed -n 's/^ *|\{0,1\}\(Depends\|PreDepends\): \(linux-\(image\|binary\|modules\)-.*\)/\2/p')
    queue+=("${more[@]}")
done
mv "$list" "$1.list"

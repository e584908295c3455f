# Debian packages of any suite, without touching this machine's sources. Sourced, never run.
# mmdebstrap makes a private apt of its own for each call and knows Debian's mirrors and keys.
# shellcheck shell=bash

# shellcheck source=tests/vm/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

DOWNLOADS=$CACHE/downloads

# This machine's own mirror of Debian, if its sources name one; else nothing, and mmdebstrap picks.
debian_mirror() {
    grep -qs '^ID=debian$' /etc/os-release || return 0
    {
        sed -n 's/^URIs:[[:space:]]*//p' /etc/apt/sources.list.d/*.sources
        sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
    } 2>/dev/null | tr ' ' '\n' | grep -E '^https?://.*/debian/?$' | head -n 1 || true
}

# debian_tree VARIANT SUITE DIRECTORY OPTION...: packages are kept in the cache between calls.
debian_tree() {
    local variant=$1 suite=$2 tree=$3 mirror
    shift 3
    mirror=$(debian_mirror)
    mkdir -p "$DOWNLOADS/archives"
    # sid's Release file may be past its date; a security suite exists for stable releases only, which
    # mmdebstrap knows when it picks the mirror.
    mmdebstrap --quiet "--variant=$variant" --aptopt='Acquire::Check-Valid-Until "false"' \
        --aptopt='APT::Sandbox::User "root"' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --skip=essential/unlink,check/empty \
        --setup-hook="mkdir -p \"\$1/var/cache/apt/archives\"" \
        --setup-hook="sync-in '$DOWNLOADS/archives' /var/cache/apt/archives/" \
        --customize-hook="sync-out /var/cache/apt/archives '$DOWNLOADS/archives'" \
        "$@" "$suite" "$tree" ${mirror:+"$mirror"} >&2 ||
        die "Debian packages ($suite) could not be fetched: is there a network, and does apt-get update work?"
}

# download SUITE PACKAGE: into the cache, with the packages of the same kernel that it stands for.
download() {
    local suite=$1 package=$2 scratch
    say "downloading $package of Debian $suite"
    scratch=$(mktemp -d "$CACHE/apt.XXXXXX")
    mkdir -p "$DOWNLOADS"
    debian_tree custom "$suite" "$scratch" \
        "--customize-hook=cd '$DOWNLOADS' && APT_CONFIG=\$MMDEBSTRAP_APT_CONFIG bash '$VM_DIR/apt-download.sh' $package"
    rm -rf "$scratch"
}

# newest_download PACKAGE: its file.
newest_download() {
    local file
    file=$(find "$DOWNLOADS" -maxdepth 1 -name "$1_*.deb" -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)
    [ -n "$file" ] || die "$1 is not among the downloads in $DOWNLOADS"
    printf '%s\n' "$file"
}

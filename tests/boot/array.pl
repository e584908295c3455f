#!/usr/bin/env perl
# Writes the members of an array with given content, as files: no md driver is needed, and any state that a power cut or a
# lost disk leaves is a number in a superblock (version 1.2; linux/raid/md_p.h).
# usage: array.pl level=1|5 name=NAME uuid=32-HEX content=FILE [dirty=1] MEMBER...
# MEMBER: FILE[,events=N][,gone=ROLE:ROLE] with the roles that this member believes to have failed, or `-` for a member that
# is not made. Roles are in order.
use strict;
use warnings;

my (%option, @members);
for (@ARGV) {
    if (/^(level|name|uuid|content|dirty)=(.*)$/s) { $option{$1} = $2 } else { push @members, $_ }
}
for (qw(level name uuid content)) { die "array.pl: $_= is missing\n" unless defined $option{$_} }

my $DATA = 2048;     # sectors before the data
my $CHUNK = 65536;   # bytes
my $disks = @members;
my $level = $option{level};
my $data_disks = $level == 5 ? $disks - 1 : 1;
my $stripe = $CHUNK * $data_disks;
my $stripes = int(((-s $option{content}) + $stripe - 1) / $stripe);

my @out;
for my $role (0 .. $#members) {
    next if $members[$role] eq '-';
    my $file = $members[$role] =~ s/,.*//sr;
    open my $handle, '+>:raw', $file or die "$file: $!\n";
    truncate $handle, $DATA * 512 + $stripes * $CHUNK or die "$file: $!\n";
    $out[$role] = $handle;
}

sub put {    # put ROLE STRIPE BYTES: zeros stay holes
    my ($role, $number, $bytes) = @_;
    return unless $out[$role] && $bytes =~ /[^\0]/;
    seek $out[$role], $DATA * 512 + $number * $CHUNK, 0 or die "$!\n";
    print { $out[$role] } $bytes or die "$!\n";
}

open my $content, '<:raw', $option{content} or die "$option{content}: $!\n";
for my $number (0 .. $stripes - 1) {
    my $bytes = "";
    read $content, $bytes, $stripe;
    $bytes .= "\0" x ($stripe - length $bytes);
    if ($level == 1) {
        put($_, $number, $bytes) for 0 .. $disks - 1;
        next;
    }
    # Left-symmetric: parity goes back by one disk a stripe, data begins behind it.
    my $parity_disk = $disks - 1 - $number % $disks;
    my $parity = "\0" x $CHUNK;
    for my $index (0 .. $data_disks - 1) {
        my $chunk = substr $bytes, $index * $CHUNK, $CHUNK;
        $parity ^= $chunk;
        put(($parity_disk + 1 + $index) % $disks, $number, $chunk);
    }
    put($parity_disk, $number, $parity);
}

my $MAX_DEV = 128;
for my $role (0 .. $#members) {
    next unless $out[$role];
    my %own = (events => 100, gone => '');
    my (undef, @words) = split /,/, $members[$role];
    for (@words) { /^(events|gone)=(.*)$/ or die "array.pl: $_\n"; $own{$1} = $2 }
    my @roles = (0 .. $disks - 1, (0xffff) x ($MAX_DEV - $disks));
    $roles[$_] = 0xfffe for split /:/, $own{gone};
    my $clean = $option{dirty} ? 0 : ~0;
    my $block = pack('L<4', 0xa92b4efc, 1, 0, 0) . pack('H32', $option{uuid}) . pack('a32', $option{name})
        . pack('Q<L<L<Q<L<L<', 1700000000, $level, $level == 5 ? 2 : 0, $stripes * $CHUNK / 512, $level == 5 ? $CHUNK / 512 : 0, $disks)
        . ("\0" x 32)
        . pack('Q<Q<Q<Q<L<L<', $DATA, $stripes * $CHUNK / 512, 8, 0, $role, 0)
        . pack('H24', substr $option{uuid}, 0, 24) . pack('L<', $role + 1) . ("\0" x 8)
        . pack('Q<Q<Q<L<L<', 1700000100 + $own{events}, $own{events}, $clean, 0, $MAX_DEV)
        . ("\0" x 32) . pack('S<*', @roles);
    my $sum = 0;
    $sum += $_ for unpack 'L<*', $block;
    $sum = ($sum & 0xffffffff) + ($sum >> 32);
    substr $block, 216, 4, pack('L<', $sum & 0xffffffff);
    seek $out[$role], 8 * 512, 0 or die "$!\n";
    print { $out[$role] } $block or die "$!\n";
    close $out[$role] or die "$!\n";
}

#!/usr/bin/env perl
# Writes the members of an array with given content, as files: no md driver is needed, and any state that a power cut or a
# lost disk leaves is a number in a superblock (version 1.2; linux/raid/md_p.h).
# usage: array.pl level=1|5 name=NAME uuid=32-HEX content=FILE [dirty=1] [bitmap=1] [end=1] MEMBER...
# MEMBER: FILE[,events=N][,gone=ROLE:ROLE] with the roles that this member believes to have failed, or `-` for a member that
# is not made. Roles are in order. FILE,journal=1 is the array's journal, and `-,journal=1` one that is not made.
# end=1: the superblock at the end (version 1.0), so that the member looks like what is in it.
use strict;
use warnings;

my (%option, @members);
for (@ARGV) {
    if (/^(level|name|uuid|content|dirty|bitmap|end)=(.*)$/s) { $option{$1} = $2 } else { push @members, $_ }
}
for (qw(level name uuid content)) { die "array.pl: $_= is missing\n" unless defined $option{$_} }

my $DATA = $option{end} ? 0 : 2048;    # sectors before the data
my $CHUNK = 65536;                     # bytes
my $JOURNAL = 8 << 20;                 # bytes
my ($journal) = grep { /,journal=1$/ } @members;
@members = grep { !/,journal=1$/ } @members;
my $disks = @members;
my $level = $option{level};
my $data_disks = $level == 5 ? $disks - 1 : 1;
my $stripe = $CHUNK * $data_disks;
my $stripes = int(((-s $option{content}) + $stripe - 1) / $stripe);

sub laid {    # laid WORD BYTES-OF-DATA
    my ($word, $bytes) = @_;
    return if $word =~ /^-/;
    my $file = $word =~ s/,.*//sr;
    open my $handle, '+>:raw', $file or die "$file: $!\n";
    truncate $handle, $DATA * 512 + $bytes + ($option{end} ? 65536 : 0) or die "$file: $!\n";
    return $handle;
}

my @out;
$out[$_] = laid($members[$_], $stripes * $CHUNK) for 0 .. $#members;

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
my $SIZE = $stripes * $CHUNK / 512;    # sectors of a member

sub sum {
    my $sum = 0;
    $sum += $_ for unpack 'L<*', shift;
    $sum = ($sum & 0xffffffff) + ($sum >> 32);
    return pack 'L<', $sum & 0xffffffff;
}

sub described {    # described HANDLE DEVICE-NUMBER SECTORS-OF-DATA WORDS
    my ($handle, $number, $sectors, @words) = @_;
    my %own = (events => 100, gone => '');
    for (@words) { /^(events|gone|journal)=(.*)$/ or die "array.pl: $_\n"; $own{$1} = $2 }
    my @roles = (0 .. $disks - 1, (0xffff) x ($MAX_DEV - $disks));
    $roles[$_] = 0xfffe for split /:/, $own{gone};
    $roles[$disks] = 0xfffd if defined $journal;
    my $clean = $option{dirty} ? 0 : ~0;
    my $at = $option{end} ? ((-s $handle) / 512 - 16) & ~7 : 8;
    my $features = ($option{bitmap} ? 1 : 0) | (defined $journal ? 0x200 : 0);
    my $block = pack('L<4', 0xa92b4efc, 1, $features, 0) . pack('H32', $option{uuid}) . pack('a32', $option{name})
        . pack('Q<L<L<Q<L<L<', 1700000000, $level, $level == 5 ? 2 : 0, $SIZE, $level == 5 ? $CHUNK / 512 : 0, $disks)
        . pack('l<', $option{bitmap} ? 8 : 0) . ("\0" x 28)
        . pack('Q<Q<Q<Q<L<L<', $DATA, $sectors, $at, 0, $number, 0)
        . pack('H24', substr $option{uuid}, 0, 24) . pack('L<', $number + 1) . ("\0" x 8)
        . pack('Q<Q<Q<L<L<', 1700000100 + $own{events}, $own{events}, $clean, 0, $MAX_DEV)
        . ("\0" x 32) . pack('S<*', @roles);
    substr $block, 216, 4, sum($block);
    seek $handle, $at * 512, 0 or die "$!\n";
    print {$handle} $block or die "$!\n";
    return unless $option{bitmap};
    # Nothing is marked in it.
    my $bitmap = pack('L<2', 0x6d746962, 4) . pack('H32', $option{uuid})
        . pack('Q<3L<6', $own{events}, $own{events}, $SIZE, 0, $CHUNK, 5, 0, 0, 0);
    seek $handle, ($at + 8) * 512, 0 or die "$!\n";
    print {$handle} $bitmap . ("\0" x (4096 - length $bitmap)) or die "$!\n";
}

for my $role (0 .. $#members) {
    next unless $out[$role];
    my (undef, @words) = split /,/, $members[$role];
    described($out[$role], $role, $SIZE, @words);
    close $out[$role] or die "$!\n";
}
if (defined $journal and my $handle = laid($journal, $JOURNAL)) {
    my (undef, @words) = split /,/, $journal;
    described($handle, $disks, $JOURNAL / 512, @words);
    close $handle or die "$!\n";
}

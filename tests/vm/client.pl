#!/usr/bin/perl
# Runs one command in the guest over its agent's socket and ends with that command's status.
# usage: client.pl SOCKET TIMEOUT-SECONDS WAIT-SECONDS tty|plain COMMAND...
# Status 124: the time was up; 125: there was no answer from the guest. (The protocol is described in guest/agent.)
use strict;
use warnings;
use Socket;
use Fcntl;
use Time::HiRes 'time';

my ($path, $timeout, $wait, $mode, @argv) = @ARGV;
my $terminal = $mode eq 'tty';

sub fail { print STDERR "vm: $_[0]\n"; restore(); exit 125 }
sub restore { system 'stty', $terminal if $terminal && $terminal ne '1' }

socket(my $guest, PF_UNIX, SOCK_STREAM, 0) or fail("socket: $!");
connect($guest, pack_sockaddr_un($path)) or fail("no guest is running here ($path: $!)");
fcntl $guest, F_SETFL, O_NONBLOCK;
my ($outbox, $inbox) = ('', '');

sub put { my ($kind, $bytes) = @_; $outbox .= $kind . pack('N', length $bytes) . $bytes }

sub write_all {
    my ($out, $bytes) = @_;
    while (length $bytes) {
        my $n = syswrite $out, $bytes;
        next if !defined $n && ($!{EINTR} || $!{EAGAIN});
        exit 141 unless defined $n;
        substr($bytes, 0, $n) = '';
    }
}

# Moves bytes both ways for at most the seconds given.
sub turn {
    my ($seconds, $with_input) = @_;
    my ($read, $write) = ('', '');
    vec($read, fileno $guest, 1) = 1;
    vec($read, fileno STDIN, 1) = 1 if $with_input;
    vec($write, fileno $guest, 1) = 1 if length $outbox;
    return 0 if select($read, $write, undef, $seconds) <= 0;
    if (vec $write, fileno $guest, 1) {
        my $n = syswrite $guest, $outbox, 65536;
        substr($outbox, 0, $n) = '' if $n;
    }
    if (vec $read, fileno $guest, 1) {
        my $n = sysread $guest, $inbox, 262144, length $inbox;
        fail('the guest went away') unless $n || !defined $n && ($!{EAGAIN} || $!{EINTR});
    }
    return $with_input && vec $read, fileno STDIN, 1;
}

my $nonce = '';
open my $random, '<', '/dev/urandom' or fail("/dev/urandom: $!");
sysread $random, $nonce, 16;
put('H', $nonce);
my $until = time + $wait;
while ((my $at = index $inbox, $nonce) < 0) {
    fail("no answer from the guest within $wait s") if time > $until;
    turn(0.2, 0);
}
substr($inbox, 0, index($inbox, $nonce) + 16) = '';

if ($terminal) {
    chomp($terminal = `stty -g`);
    my ($rows, $columns) = split ' ', `stty size`;
    system qw(stty raw -echo);
    unshift @argv, 'sh', '-c', "stty rows $rows cols $columns; exec \"\$@\"", 'sh';
}
put($mode eq 'tty' ? 'T' : 'C', join "\0", @argv);
$SIG{INT} = $SIG{TERM} = sub { put('K', '') };
my $input = 1;
$until = time + $timeout;
while (1) {
    if (time > $until) {
        print STDERR "vm: still running after $timeout s; killed: @argv\n";
        put('K', '');
        turn(1, 0) while length $outbox;
        restore();
        exit 124;
    }
    # A slow guest is not flooded: input waits until what was read is on its way.
    if (turn(0.5, $input && length $outbox < 262144)) {
        my $n = sysread STDIN, my $bytes, 65536;
        if ($n) { put('I', $bytes) }
        else { put('E', ''); $input = 0 }
    }
    while (length $inbox >= 5) {
        my $length = unpack 'N', substr $inbox, 1, 4;
        last if length $inbox < 5 + $length;
        my ($kind, $bytes) = (substr($inbox, 0, 1), substr($inbox, 5, $length));
        substr($inbox, 0, 5 + $length) = '';
        if ($kind eq '1') { write_all(\*STDOUT, $bytes) }
        elsif ($kind eq '2') { write_all(\*STDERR, $bytes) }
        elsif ($kind eq 'X') { restore(); exit $bytes }
    }
}

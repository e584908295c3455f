//! Redundancy of 8+2 members from memory, beside a plain copy of the same bytes: gigabytes of data a second on one core.
//!
//! The median of many stripes is shown, so that what else runs on the machine is not measured.

#![expect(clippy::arithmetic_side_effects, reason = "a benchmark of small constants")]
#![expect(clippy::disallowed_methods, reason = "a benchmark asks the clock")]

use std::{hint::black_box, time::Instant};

const MEMBERS: usize = 8;
const CHUNK: usize = 64 << 10;
/// Bytes of each member: more in all than caches have.
const SIZE: usize = 32 << 20;
const ROUNDS: usize = 3;

fn row(name: &str, target: &str, mut stripe: impl FnMut(usize)) {
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        for at in (0..SIZE).step_by(CHUNK) {
            let begun = Instant::now();
            stripe(at);
            took.push(begun.elapsed().as_nanos());
        }
    }
    took.sort_unstable();
    let median = took.get(took.len() / 2).copied().unwrap_or(1).max(1);
    // Bytes a nanosecond are gigabytes a second.
    let hundredths = u128::try_from(100 * MEMBERS * CHUNK).unwrap_or(0) / median;
    println!("{name:<44} {:>14} {:>9}.{:02} GB/s {target:>14}", "-", hundredths / 100, hundredths % 100);
}

fn main() {
    let byte = |at: usize| u8::try_from(at % 251).unwrap_or(0);
    let data: Vec<Vec<u8>> =
        (0..MEMBERS).map(|nth| (0..SIZE).map(|at| byte(at * 31 + nth)).collect()).collect();
    let stripe =
        |at: usize| -> Vec<Option<&[u8]>> { data.iter().map(|member| member.get(at..at + CHUNK)).collect() };
    let (mut p, mut q, mut copies) = (vec![0; CHUNK], vec![0; CHUNK], vec![0; MEMBERS * CHUNK]);
    row("8+2 from memory: a plain copy", "-", |at| {
        for (to, from) in copies.chunks_exact_mut(CHUNK).zip(stripe(at).into_iter().flatten()) {
            to.copy_from_slice(from);
        }
        black_box(&copies);
    });
    row("8+2 from memory: P", "5 GB/s", |at| {
        raid::parity::sum(&mut p, &stripe(at));
        black_box(&p);
    });
    row("8+2 from memory: P and Q", "3 GB/s", |at| {
        raid::parity::syndromes(&mut p, &mut q, &stripe(at));
        black_box((&p, &q));
    });
    row("8+2 from memory: P and Q, block by block", "-", |at| {
        p.fill(0);
        q.fill(0);
        for block in stripe(at).into_iter().rev() {
            raid::parity::next_place(&mut q, block);
            raid::parity::add(&mut p, block.unwrap_or_default());
        }
        black_box((&p, &q));
    });
    row("8+2 from memory: two lost members", "-", |at| {
        for block in stripe(at).into_iter().take(MEMBERS - 2).rev() {
            raid::parity::next_place(&mut q, block);
            raid::parity::add(&mut p, block.unwrap_or_default());
        }
        raid::parity::first_of_two(&p, &mut q, 29, 58);
        black_box((&p, &q));
    });
}

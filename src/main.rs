//! argv[0] chooses the personality; the exit status is chosen here and nowhere else.

fn main() {}

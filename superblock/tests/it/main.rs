//! Tests against what the reference wrote: one binary, so that there is one link.

#[cfg(test)]
mod content;
#[cfg(test)]
mod cow;
#[cfg(test)]
mod created;
#[cfg(test)]
mod created_v0;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod lvm;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod read;
#[cfg(test)]
mod support;

//! Against what the real lvm wrote.

//! The rooms of mdctl. See `docs/ARCHITECTURE.md` for the map and its invariants.

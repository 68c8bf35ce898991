//! Faults: the audit never lies, and a change never runs twice or half-way without a person being
//! told what to do. Proved with processes that are killed and stopped, networks that are cut and
//! servers that go away. `docs/guarantees.md` says which test proves what.

#![allow(clippy::unwrap_used)]

mod faults {
    mod boots;
    mod clocks;
    mod common;
    mod conflicts;
    mod crash;
    mod documented;
    mod doubt;
    mod files;
    mod full;
    mod ground;
    mod late;
    mod late_lock;
    mod lazily;
    mod midway;
    mod network;
    mod oracle;
    mod paused;
    mod pooler;
    mod rolling_back_elsewhere;
    mod servers;
    mod side_by_side;
    mod soak;
    mod start;
    mod starts_lost;
    mod step_entries;
    mod steps;
    mod stopped;
    mod texts;
    mod timeouts;
    mod toll;
    mod undoing;
    mod undoing_elsewhere;
    mod valve;
    mod writes;
}

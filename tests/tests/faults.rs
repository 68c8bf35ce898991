//! Faults: the audit never lies, and a change never runs twice or half-way without a person being
//! told what to do. Proved with processes that are killed and stopped, networks that are cut and
//! servers that go away. `docs/guarantees.md` says which test proves what.

#![allow(clippy::unwrap_used)]

mod faults {
    mod crash;
    mod ground;
    mod network;
    mod oracle;
    mod paused;
    mod start;
    mod toll;
    mod valve;
}

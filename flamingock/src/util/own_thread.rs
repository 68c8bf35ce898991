//! Work beside the caller, on a thread with a runtime of its own.

use super::boxed::BoxFuture;
use std::io;

/// Runs renewals on a thread with a runtime of its own: a change that blocks the executor of the
/// application must not cost the lease.
pub(crate) fn on_a_thread(renewals: BoxFuture<'static, ()>) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("flamingock-lease".to_owned());
    let spawned = thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => {
                runtime.block_on(renewals);
                // A name that is being looked up would be waited for.
                runtime.shutdown_background();
            }
            Err(error) => tracing::error!(%error, "no runtime to renew the lease"),
        }
    });
    spawned.map(drop)
}

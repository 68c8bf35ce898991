//! Running renewals on a thread with its own runtime.

use super::boxed::BoxFuture;
use std::io;

/// Runs renewals on a thread with its own runtime, so that a change that blocks the application's
/// executor cannot cost the lease.
pub(crate) fn on_a_thread(renewals: BoxFuture<'static, ()>) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("flamingock-lease".to_owned());
    let spawned = thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => {
                runtime.block_on(renewals);
                // A normal shutdown would wait for a name lookup in progress.
                runtime.shutdown_background();
            }
            Err(error) => tracing::error!(%error, "no runtime to renew the lease"),
        }
    });
    spawned.map(drop)
}

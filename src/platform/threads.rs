//! Threads that may be refused: a system has a limit for a user's, and a service for its own.
//! Work that could use one then goes on without.

use std::io;
use std::sync::mpsc::channel;
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// Starts a thread in a scope; `None` if the system has none left.
pub fn spawn_scoped<'scope, 'env, T: Send + 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Option<ScopedJoinHandle<'scope, T>> {
    Builder::new().spawn_scoped(scope, work).ok()
}

/// Are there so many threads to be had at this moment? For libraries that start some and do
/// not say when they could not.
///
/// # Errors
/// Why there are not.
pub fn are_to_be_had(count: usize) -> io::Result<()> {
    let mut waiting = Vec::new();
    for _ in 0..count {
        let (end, until) = channel::<()>();
        let thread = Builder::new().spawn(move || until.recv().is_err())?;
        waiting.push((end, thread));
    }
    for (end, thread) in waiting {
        drop(end);
        // It does nothing that could panic.
        let _ = thread.join();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_some() {
        are_to_be_had(2).expect("a test may have threads");
        let sum = std::thread::scope(|scope| {
            let thread = spawn_scoped(scope, || 1 + 1).expect("a thread");
            thread.join().expect("ends")
        });
        assert_eq!(sum, 2);
    }
}

//! What the view waits for: keys, news from the other thread, signals. One poll for all.
//!
//! A signal's handler sets a flag and then rings, in this order, so that whoever was woken
//! sees the flag.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
use signal_hook::{flag, low_level::pipe};

/// Wakes the view up, from any thread.
#[derive(Debug, Clone)]
pub(super) struct Bell(Arc<UnixStream>);

impl Bell {
    pub(super) fn ring(&self) {
        // A full pipe wakes too, and a view that has gone needs nothing.
        let _ = (&*self.0).write(&[0]);
    }
}

/// What there is after waiting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Sent by the terminal.
    Bytes(Vec<u8>),
    /// A signal, or the bell.
    Rung,
    /// The time is over.
    Nothing,
    /// The terminal sends nothing any more.
    Closed,
}

#[derive(Debug)]
pub(super) struct Wakes {
    rung: UnixStream,
    bell: Bell,
    ended: Arc<AtomicBool>,
    continued: Arc<AtomicBool>,
}

impl Wakes {
    /// From now on signals ask, and no longer end this process.
    pub(super) fn new() -> io::Result<Self> {
        let (rung, bell) = UnixStream::pair()?;
        rung.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        let (ended, continued) = (Arc::default(), Arc::default());
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            flag::register(signal, Arc::clone(&ended))?;
        }
        flag::register(SIGCONT, Arc::clone(&continued))?;
        for signal in [SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH] {
            pipe::register(signal, bell.try_clone()?)?;
        }
        Ok(Self { rung, bell: Bell(Arc::new(bell)), ended, continued })
    }

    pub(super) fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// Has the user or the system asked this process to end?
    pub(super) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Has the process been stopped and gone on, since this was asked last?
    pub(super) fn was_continued(&self) -> bool {
        self.continued.swap(false, Ordering::SeqCst)
    }

    /// Waits for anything, or so long.
    pub(super) fn wait(&mut self, limit: Option<Duration>) -> io::Result<Input> {
        let stdin = io::stdin();
        let [keys, rung] = {
            let mut watched =
                [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&self.rung, PollFlags::IN)];
            wait_for(&mut watched, limit)?;
            [watched[0].revents(), watched[1].revents()]
        };
        if !rung.is_empty() {
            self.hush()?;
        }
        if keys.is_empty() {
            return Ok(if rung.is_empty() { Input::Nothing } else { Input::Rung });
        }
        let mut bytes = [0; 1024];
        match rustix::io::read(&stdin, &mut bytes) {
            Ok(0) => Ok(Input::Closed),
            Ok(length) => Ok(Input::Bytes(bytes[..length].to_vec())),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Ok(Input::Rung),
            Err(rustix::io::Errno::IO) => Ok(Input::Closed),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the process has been stopped and gone on, or so long; what is typed or told
    /// meanwhile stays.
    pub(super) fn wait_until_continued(&mut self, limit: Duration) -> io::Result<()> {
        let begun = Instant::now();
        while !self.was_continued() && !self.is_ended() && begun.elapsed() < limit {
            let left = limit.saturating_sub(begun.elapsed());
            wait_for(&mut [PollFd::new(&self.rung, PollFlags::IN)], Some(left))?;
            self.hush()?;
        }
        self.bell.ring();
        Ok(())
    }

    /// Takes away all that was rung.
    fn hush(&mut self) -> io::Result<()> {
        let mut bytes = [0; 64];
        loop {
            match self.rung.read(&mut bytes) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// An interruption by a signal counts as an end of the waiting: the signal has rung.
fn wait_for(watched: &mut [PollFd<'_>], limit: Option<Duration>) -> io::Result<()> {
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    match poll(watched, limit.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

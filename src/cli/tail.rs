//! `dossierd tail`: events as they happen.

use super::args::{EventKind, TailArgs};
use super::follow::{Following, Notice, follow};
use super::output::Output;
use super::render::event::event;
use super::{CliError, Context, Verdict, select};

pub(super) fn run(args: TailArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let client = context.client()?;
    let feature = match args.all {
        true => None,
        false => select::feature(args.feature.as_deref(), &client, &mut context.output)?,
    };
    let following = Following { feature, types: types(&args.types), since: args.since };
    let output = &mut context.output;
    let socket = client.socket().to_path_buf();
    client.block_on(async {
        let stop = interrupted()?;
        let stream = follow(&socket, following, |notice| tell(notice, args.json, output));
        tokio::select! {
            ended = stream => ended,
            () = stop => Ok(()),
            () = reader_gone() => Ok(()),
        }
    })?;
    Ok(Verdict::Fine)
}

/// The value of `type=`.
pub(super) fn types(kinds: &[EventKind]) -> Option<String> {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.wire_name()).collect();
    (!names.is_empty()).then(|| names.join(","))
}

/// Prints one notice; false when nobody reads any more.
fn tell(notice: Notice<'_>, json: bool, output: &mut Output) -> Result<bool, CliError> {
    match notice {
        Notice::Event(line, _) if json => output.json(line)?,
        Notice::Event(_, value) => output.line(event(value))?,
        Notice::Lost(error) => {
            output.warning(format!("{error}; waiting for the daemon to come back"));
        }
        Notice::Open => {}
        Notice::Back => output.note("the daemon is back"),
        Notice::Lagged => {
            output.note("this reader was too slow and was cut off; it goes on where it was");
        }
        Notice::Gap => output.warning(
            "events between the two connections are not shown; `dossierd events` has all of them",
        ),
    }
    Ok(!output.is_closed())
}

/// Ends when the user or the system asks this process to end.
#[cfg(unix)]
fn interrupted() -> Result<impl Future<Output = ()>, CliError> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use std::os::unix::net::UnixStream;

    let register = || {
        let (receiver, sender) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM] {
            signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
        }
        receiver.set_nonblocking(true)?;
        tokio::net::UnixStream::from_std(receiver)
    };
    let receiver =
        register().map_err(|error| CliError::io("cannot wait for the signal to end", error))?;
    Ok(async move {
        // Whatever it says, and also if it fails: it is time to end.
        let _ = receiver.readable().await;
    })
}

/// Ends when nobody can read stdout any more, so that `dossierd tail | head -1` does not
/// stay until the next event.
#[cfg(unix)]
pub(super) async fn reader_gone() {
    use rustix::event::{PollFd, PollFlags, poll};

    let (gone, told) = tokio::sync::oneshot::channel();
    // A thread, because stdout is shared with other processes and must stay blocking, which
    // rules out most reactors. It ends with this process.
    std::thread::spawn(move || {
        let stdout = std::io::stdout();
        let closed = PollFlags::ERR | PollFlags::HUP;
        loop {
            // Errors are reported without being asked for; nothing else wakes this up.
            let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
            match poll(&mut watched, None) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) if watched[0].revents().intersects(closed) => break,
                // It cannot be watched, so the next write has to find out.
                Ok(_) | Err(_) => return,
            }
        }
        // If the receiver has gone, the stream has ended by itself.
        let _ = gone.send(());
    });
    if told.await.is_err() {
        std::future::pending().await
    }
}

#[cfg(not(unix))]
pub(super) async fn reader_gone() {
    std::future::pending().await
}

#[cfg(not(unix))]
fn interrupted() -> Result<impl Future<Output = ()>, CliError> {
    Ok(std::future::pending())
}

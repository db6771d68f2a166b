//! `dossierd top`: all features and each in full, live, on a terminal.
//!
//! Four parts that know little of each other: [`app`] is the state and pure, [`draw`] shows
//! it, [`link`] asks the daemon on a thread of its own, and [`screen`] with [`wakes`] is the
//! terminal. Here they are put together. Nothing here waits for the daemon once the view is
//! open, so every key is answered at once.

mod app;
mod detail;
mod draw;
mod key;
mod link;
mod listing;
mod screen;
mod wakes;

use std::io::{self, IsTerminal};
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use app::{App, Effect};
use key::{Decoder, Key};
use link::Link;
use screen::Screen;
use wakes::{Input, Wakes};

use super::args::TopArgs;
use super::error::ErrorKind;
use super::route::Route;
use super::wire::Features;
use super::{CliError, Context, Verdict, select};

/// How long after an escape the rest of a sequence may come.
const ESCAPE_PAUSE: Duration = Duration::from_millis(40);

pub(super) fn run(args: TopArgs, context: &mut Context) -> Result<Verdict, CliError> {
    needs_terminal(context.output.is_terminal() && io::stdin().is_terminal())?;
    // The first answer is waited for outside of the view, so that a daemon that does not run
    // is an error like everywhere.
    let client = context.client()?;
    let features: Features = client.ask(&Route::get("/api/features"))?.parse()?;
    select::note_version(&features.health.version, &mut context.output);
    let app = App::new(features, link::now(), args.filter.unwrap_or_default());
    let mut wakes = Wakes::new().map_err(|error| CliError::io("cannot wait for signals", error))?;
    let link = Link::start(client.socket().to_path_buf(), wakes.bell())?;
    let screen = Screen::enter(context.output.is_coloured()).map_err(broken_terminal)?;
    let result =
        View { app, screen, link, decoder: Decoder::default(), begun: None }.show(&mut wakes);
    // A terminal that has gone is how this ends, too.
    if wakes.is_ended() { Ok(Verdict::Fine) } else { result }
}

fn needs_terminal(is_there: bool) -> Result<(), CliError> {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if is_there && !is_dumb {
        return Ok(());
    }
    let message = match is_there {
        true => "the terminal is dumb: TERM says that it cannot place text",
        false => "stdin and stdout have to be a terminal for `dossierd top`",
    };
    Err(CliError::new(ErrorKind::Usage, message)
        .hint("`dossierd status` prints the same once, `dossierd tail --all` what happens"))
}

fn broken_terminal(error: io::Error) -> CliError {
    CliError::io("the terminal cannot be used", error)
        .hint("`dossierd status` prints the same once")
}

/// What is on the terminal, and what it is made of.
struct View {
    app: App,
    screen: Screen,
    link: Link,
    decoder: Decoder,
    /// Since when the decoder has only a part of a key.
    begun: Option<Instant>,
}

impl View {
    /// Until the user or the system has had enough.
    fn show(mut self, wakes: &mut Wakes) -> Result<Verdict, CliError> {
        loop {
            self.screen.draw(&mut self.app).map_err(broken_terminal)?;
            let input = wakes.wait(self.pause()).map_err(broken_terminal)?;
            if wakes.is_ended() || input == Input::Closed {
                return Ok(Verdict::Fine);
            }
            if wakes.was_continued() {
                self.screen.enter_again().map_err(broken_terminal)?;
            }
            self.take_news()?;
            for key in self.keys(input) {
                match self.app.key(key) {
                    Some(Effect::Quit) => return Ok(Verdict::Fine),
                    Some(effect) => self.work(effect, wakes).map_err(broken_terminal)?,
                    None => {}
                }
            }
        }
    }

    /// How long to wait at most: until what has begun is a key by itself.
    fn pause(&self) -> Option<Duration> {
        self.begun.map(|begun| ESCAPE_PAUSE.saturating_sub(begun.elapsed()))
    }

    fn keys(&mut self, input: Input) -> Vec<Key> {
        let mut keys = match input {
            Input::Bytes(bytes) => {
                self.begun = None;
                self.decoder.feed(&bytes)
            }
            _ => Vec::new(),
        };
        if self.begun.is_some_and(|begun| begun.elapsed() >= ESCAPE_PAUSE) {
            self.begun = None;
            keys.extend(self.decoder.flush());
        }
        if self.decoder.is_waiting() {
            self.begun.get_or_insert_with(Instant::now);
        }
        keys
    }

    fn take_news(&mut self) -> Result<(), CliError> {
        loop {
            match self.link.news() {
                Ok(news) => self.app.news(news),
                Err(TryRecvError::Empty) => return Ok(()),
                // It ends before this only by a panic, which has been printed.
                Err(TryRecvError::Disconnected) => {
                    return Err(CliError::new(
                        ErrorKind::Io,
                        "the part that asks the daemon failed",
                    )
                    .hint("start `dossierd top` again, and report this"));
                }
            }
        }
    }

    fn work(&mut self, effect: Effect, wakes: &mut Wakes) -> io::Result<()> {
        match effect {
            Effect::Quit => {}
            Effect::Suspend => self.screen.suspend(wakes)?,
            Effect::Repaint => self.screen.repaint()?,
            Effect::Look(id) => self.link.look(id),
            Effect::Rescan(id) => self.link.rescan(id),
        }
        Ok(())
    }
}

//! The terminal while the view has it: raw mode, alternate screen, and giving both back.
//!
//! Invariant: however this process ends but by SIGKILL, the terminal is as it was before: by
//! [`Screen`]'s drop, and by a hook on panics, so that what they print can be read.

use std::io::{self, BufWriter, Stdout, Write};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::style::force_color_output;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Rect;
use rustix::process::{Signal, kill_current_process_group};

use super::app::App;
use super::draw::draw;
use super::wakes::Wakes;

/// How long it may take until a process that asked to be stopped is.
const STOPPING: Duration = Duration::from_millis(200);

/// Is the terminal ours?
static IS_ENTERED: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    coloured: bool,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn enter(coloured: bool) -> io::Result<Self> {
        HOOK.call_once(restore_on_panic);
        // It was decided already, for all output.
        force_color_output(coloured);
        // A frame in one piece, as far as it goes.
        let out = BufWriter::with_capacity(1 << 16, io::stdout());
        let screen = Self { terminal: Terminal::new(CrosstermBackend::new(out))?, coloured };
        take()?;
        Ok(screen)
    }

    pub(super) fn draw(&mut self, app: &mut App) -> io::Result<()> {
        let coloured = self.coloured;
        self.terminal.draw(|frame| draw(app, frame, coloured)).map(|_| ())
    }

    /// Paints every cell with the next drawing.
    pub(super) fn repaint(&mut self) -> io::Result<()> {
        let size = self.terminal.backend().size()?;
        self.terminal.resize(Rect::from((ratatui::layout::Position::ORIGIN, size)))
    }

    /// Takes the terminal again, after someone else had it.
    pub(super) fn enter_again(&mut self) -> io::Result<()> {
        give_back()?;
        take()?;
        self.repaint()
    }

    /// Gives the terminal back and stops, until the shell goes on with this process. Without a
    /// shell that could, the system does not stop it.
    pub(super) fn suspend(&mut self, wakes: &mut Wakes) -> io::Result<()> {
        give_back()?;
        kill_current_process_group(Signal::TSTP)?;
        // The signal may arrive a moment later, by another thread.
        wakes.wait_until_continued(STOPPING)?;
        take()?;
        self.repaint()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Where the terminal has gone nothing can be given back.
        let _ = give_back();
    }
}

fn take() -> io::Result<()> {
    // First, so that a half taken terminal is given back, too.
    IS_ENTERED.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Hide)
}

fn give_back() -> io::Result<()> {
    if !IS_ENTERED.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    let shown = execute!(io::stdout(), LeaveAlternateScreen, Show);
    disable_raw_mode().and(shown)?;
    io::stdout().flush()
}

fn restore_on_panic() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let _ = give_back();
        before(info);
    }));
}

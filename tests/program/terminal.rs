//! The binary on a terminal: what it sends is shown by an emulator, what is typed goes to it.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::kit::wait_until;

/// A program on a terminal of its own; killed when dropped.
pub(crate) struct Terminal {
    child: Child,
    /// What the terminal's user has.
    outside: File,
    /// What the program has, kept open so that it can be looked at after the end.
    inside: OwnedFd,
    screen: vt100::Parser,
    /// All that was sent.
    sent: Vec<u8>,
}

impl Terminal {
    /// Starts a command on a terminal of this size, as a job of its own.
    pub(crate) fn start(mut command: Command, rows: u16, columns: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let outside = openpt(flags | OpenptFlags::CLOEXEC).expect("there are terminals");
        grantpt(&outside).expect("granted");
        unlockpt(&outside).expect("unlocked");
        let inside = ioctl_tiocgptpeer(&outside, flags | OpenptFlags::CLOEXEC).expect("opens");
        let [ours, theirs, errors] =
            [(); 3].map(|()| inside.try_clone().expect("there are descriptors"));
        let size = |count| NonZeroU16::new(count).expect("is not empty");
        let mut terminal = Self {
            child: command
                .env("TERM", "xterm-256color")
                .stdin(ours)
                .stdout(theirs)
                .stderr(errors)
                .process_group(0)
                .spawn()
                .expect("starts"),
            outside: File::from(outside),
            inside,
            screen: vt100::Parser::new(size(rows), size(columns), 0),
            sent: Vec::new(),
        };
        terminal.resize(rows, columns);
        terminal
    }

    /// Makes it this large, and tells the program.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.outside, size).expect("is set");
        let size = |count| NonZeroU16::new(count).expect("is not empty");
        self.screen.screen_mut().set_size(size(rows), size(columns));
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.outside.write_all(keys.as_bytes()).expect("is typed");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("is there");
    }

    /// What is on the screen.
    pub(crate) fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// The first row of the screen with this on it.
    pub(crate) fn row(&self, part: &str) -> String {
        let text = self.text();
        text.lines().find(|row| row.contains(part)).unwrap_or_default().to_owned()
    }

    /// Waits until the screen is so.
    pub(crate) fn wait_for(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        wait_until_or_show(self, what, is_so);
    }

    /// Waits until this is on the screen.
    pub(crate) fn wait_for_text(&mut self, part: &str) {
        self.wait_for(part, |terminal| terminal.text().contains(part));
    }

    /// Waits until the process is stopped by a signal, and takes all that it sent before.
    pub(crate) fn wait_for_stop(&mut self) {
        let stat = format!("/proc/{}/stat", self.child.id());
        self.wait_for("it is stopped", |_| {
            let text = std::fs::read_to_string(&stat).expect("runs");
            text.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
        });
        self.read_to_the_end();
    }

    /// Waits for its end and takes all that it sent; gives the exit code, `None` after a signal.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let mut code = None;
        wait_until("it ends", || {
            self.read();
            code = self.child.try_wait().expect("can be waited for");
            code.is_some()
        });
        self.read_to_the_end();
        code.and_then(|status| status.code())
    }

    /// Closes it under the program, and says so to it; gives the exit code.
    pub(crate) fn hang_up(mut self) -> Option<i32> {
        self.outside = File::open("/dev/null").expect("is there");
        self.signal(Signal::HUP);
        let mut code = None;
        wait_until("it ends", || {
            code = self.child.try_wait().expect("can be waited for");
            code.is_some()
        });
        code.and_then(|status| status.code())
    }

    /// Is the alternate screen shown?
    pub(crate) fn is_alternate(&self) -> bool {
        self.screen.screen().alternate_screen()
    }

    /// Is it as a shell wants it: main screen, cursor, lines and echo by the system?
    pub(crate) fn is_restored(&self) -> bool {
        let modes = tcgetattr(&self.inside).expect("is a terminal").local_modes;
        let cooked = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        !self.is_alternate() && !self.screen.screen().hide_cursor() && modes.contains(cooked)
    }

    /// All bytes that the program sent.
    pub(crate) fn sent(&self) -> &[u8] {
        &self.sent
    }

    /// Takes all that a program sent which sends no more. The system hands it on a moment later,
    /// but in order: a byte of ours, which shows nothing, comes after it.
    fn read_to_the_end(&mut self) {
        let begin = self.sent.len();
        rustix::io::write(&self.inside, &[0]).expect("can be written");
        wait_until("all that it sent is here", || {
            self.read();
            self.sent[begin..].contains(&0)
        });
    }

    /// Takes what the program has sent until now.
    fn read(&mut self) {
        let mut bytes = [0; 4096];
        loop {
            let mut watched = [PollFd::new(&self.outside, PollFlags::IN)];
            poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).expect("can be asked");
            if !watched[0].revents().contains(PollFlags::IN) {
                return;
            }
            let length = self.outside.read(&mut bytes).expect("can be read");
            self.sent.extend_from_slice(&bytes[..length]);
            self.screen.process(&bytes[..length]);
        }
    }
}

/// Like [`wait_until`], and shows the screen when it takes too long.
fn wait_until_or_show(terminal: &mut Terminal, what: &str, is_so: impl Fn(&Terminal) -> bool) {
    let deadline = std::time::Instant::now() + crate::kit::DEADLINE;
    loop {
        terminal.read();
        if is_so(terminal) {
            return;
        }
        let is_late = std::time::Instant::now() >= deadline;
        assert!(!is_late, "not in time: {what}; the screen is\n{}", terminal.text());
        std::thread::park_timeout(std::time::Duration::from_millis(2));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

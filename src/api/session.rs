//! Logging a page in: one-time codes, traded for session tokens.
//!
//! `dossierd open` asks for a code over the Unix socket and hands it to the browser in the
//! fragment of an address; the page trades it for a session token, once. Who may ask for a
//! code is left to the router. Invariants: a code works once and for a minute; there are
//! never more codes or sessions than their limits, the oldest makes room; a comparison
//! looks at every entry, so that its time tells nothing. The clock is passed in.
//!
//! A page stays open all day, and a restart of the daemon must not log it out: sessions are
//! kept over restarts, as hashes that open nothing by themselves. What a session has opened
//! ends with it, however it ends: nothing may be read on with it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::watch;

use super::ports::SessionStore;
use super::token::{RandomError, Token, random_text};
use crate::dossier::{Digest, Timestamp};

/// Bytes of randomness in a code.
const CODE_BYTES: usize = 16;
/// Codes that wait to be redeemed at the same time.
pub const MAX_CODES: usize = 8;
/// How long a code waits.
pub const CODE_LIFETIME: Duration = Duration::from_secs(60);
/// Pages that are logged in at the same time.
pub const MAX_SESSIONS: usize = 32;
/// How long a session lives without being used.
pub const SESSION_IDLE: Duration = Duration::from_secs(12 * 60 * 60);

/// How much newer the last use of a session may be than what is kept of it.
const KEPT_WITHIN: Duration = Duration::from_secs(10 * 60);

/// The codes and sessions of one daemon. Codes are gone when it stops.
pub struct Sessions {
    held: Mutex<Held>,
    /// How many pages may be logged in.
    most: AtomicUsize,
    /// Held while sessions are written down, so that older ones never replace newer ones.
    writing: Mutex<()>,
}

/// A session as it is kept: nobody can log in with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSession {
    /// SHA-256 of the token.
    token_sha256: Digest,
    /// When it was used last, within minutes.
    last_used: Timestamp,
}

#[derive(Default)]
struct Held {
    /// Oldest first.
    codes: VecDeque<Code>,
    /// Oldest first, by when the session began.
    sessions: VecDeque<Session>,
    /// The newest use that was written down.
    kept: Option<Timestamp>,
}

/// A page that is logged in.
struct Session {
    kept: KeptSession,
    /// Dropped with the session, which all who wait for its end see.
    end: watch::Sender<()>,
}

struct Code {
    text: String,
    issued: Instant,
}

impl Sessions {
    /// No codes, and the sessions that were kept, of which the newest `most` stay logged in.
    pub fn new(store: &dyn SessionStore, most: usize) -> Self {
        let kept = store.load().into_iter().map(Session::new);
        let held = Held { sessions: kept.collect(), ..Held::default() };
        let (held, writing) = (Mutex::new(held), Mutex::default());
        let sessions = Self { held, most: AtomicUsize::new(most), writing };
        sessions.set_most(most, store);
        sessions
    }

    /// From now on so many pages may be logged in; the oldest that are too many are logged out,
    /// for good: a restart with room for them does not let them in again.
    pub fn set_most(&self, most: usize, store: &dyn SessionStore) {
        self.most.store(most, Ordering::Relaxed);
        let too_many = {
            let mut held = self.lock();
            let too_many = held.sessions.len().saturating_sub(most);
            held.sessions.drain(..too_many);
            too_many
        };
        if too_many > 0 {
            self.keep(store);
        }
    }

    /// A new one-time code: 128 random bits in base64url, 22 characters.
    pub fn issue_code(&self, now: Instant) -> Result<String, RandomError> {
        let text = random_text::<CODE_BYTES>()?;
        let mut held = self.lock();
        held.forget_old_codes(now);
        push_bounded(&mut held.codes, Code { text: text.clone(), issued: now }, MAX_CODES);
        Ok(text)
    }

    /// Trades a code for a session token; `None` when the code is unknown, used or too old.
    /// The code is spent in any case. `now` and `today` are the same moment.
    pub fn redeem(
        &self,
        code: &str,
        now: Instant,
        today: Timestamp,
    ) -> Result<Option<Token>, RandomError> {
        let mut held = self.lock();
        held.forget_old_codes(now);
        held.forget_idle_sessions(today);
        let before = held.codes.len();
        // `retain` visits every code: the time does not tell which one came close.
        held.codes.retain(|known| !bool::from(known.text.as_bytes().ct_eq(code.as_bytes())));
        if held.codes.len() == before {
            return Ok(None);
        }
        let token = Token::generate()?;
        let session = KeptSession { token_sha256: hash(token.expose()), last_used: today };
        push_bounded(&mut held.sessions, Session::new(session), self.most.load(Ordering::Relaxed));
        Ok(Some(token))
    }

    /// Does this token belong to a live session? If so, its idle time begins anew.
    pub fn accepts(&self, token: &str, today: Timestamp) -> bool {
        let asked = hash(token);
        let mut held = self.lock();
        held.forget_idle_sessions(today);
        let mut found = Choice::from(0);
        for session in &mut held.sessions {
            let same = session.kept.token_sha256.0.ct_eq(&asked.0);
            if bool::from(same) {
                session.kept.last_used = today;
            }
            found |= same;
        }
        found.into()
    }

    /// Closes when the session of this token ends; closed already if there is none. Waiting
    /// for it is no use of the session.
    pub(super) fn end_of(&self, token: &str) -> watch::Receiver<()> {
        let asked = hash(token);
        let held = self.lock();
        let mut end = watch::channel(()).1;
        for session in &held.sessions {
            if bool::from(session.kept.token_sha256.0.ct_eq(&asked.0)) {
                end = session.end.subscribe();
            }
        }
        end
    }

    /// Logs pages out whose idle time is over, which otherwise waits for the next request.
    pub(super) fn forget_idle(&self, today: Timestamp) {
        self.lock().forget_idle_sessions(today);
    }

    /// Was a session used so long after what is kept that it should be written down?
    pub fn want_keeping(&self) -> bool {
        let held = self.lock();
        let newest = held.sessions.iter().map(|session| session.kept.last_used).max();
        let Some(newest) = newest else { return false };
        held.kept.is_none_or(|kept| idle_time(kept, newest) >= KEPT_WITHIN)
    }

    /// Writes the sessions down.
    pub fn keep(&self, store: &dyn SessionStore) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions: Vec<KeptSession> = {
            let mut held = self.lock();
            held.kept = held.sessions.iter().map(|session| session.kept.last_used).max();
            held.sessions.iter().map(|session| session.kept.clone()).collect()
        };
        store.save(&sessions);
    }

    /// The lists are whole after every statement that changes them, so a panic elsewhere
    /// while the lock was held leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn new(kept: KeptSession) -> Self {
        Self { kept, end: watch::channel(()).0 }
    }
}

impl Held {
    fn forget_old_codes(&mut self, now: Instant) {
        self.codes.retain(|code| now.saturating_duration_since(code.issued) < CODE_LIFETIME);
    }

    fn forget_idle_sessions(&mut self, today: Timestamp) {
        self.sessions.retain(|session| idle_time(session.kept.last_used, today) < SESSION_IDLE);
    }
}

fn hash(token: &str) -> Digest {
    Digest::sha256(token)
}

/// From one moment to another; nothing if a clock was set back in between.
fn idle_time(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(to.as_micros() - from.as_micros()).unwrap_or(0))
}

fn push_bounded<T>(list: &mut VecDeque<T>, item: T, limit: usize) {
    while list.len() >= limit {
        list.pop_front();
    }
    list.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(duration: Duration) -> Timestamp {
        let micros = i64::try_from(duration.as_micros()).expect("fits");
        Timestamp::from_micros(1_700_000_000_000_000 + micros)
    }

    fn today() -> Timestamp {
        later(Duration::ZERO)
    }

    fn sessions() -> Sessions {
        Sessions::new(&Kept::default(), MAX_SESSIONS)
    }

    fn log_in(sessions: &Sessions, now: Instant) -> Token {
        let code = sessions.issue_code(now).unwrap();
        sessions.redeem(&code, now, today()).unwrap().unwrap()
    }

    /// What would be on disk.
    #[derive(Default)]
    struct Kept(Mutex<Vec<KeptSession>>);

    impl SessionStore for Kept {
        fn load(&self) -> Vec<KeptSession> {
            self.0.lock().unwrap().clone()
        }

        fn save(&self, sessions: &[KeptSession]) {
            *self.0.lock().unwrap() = sessions.to_vec();
        }
    }

    #[test]
    fn a_code_works_once() {
        let (sessions, now) = (sessions(), Instant::now());
        let code = sessions.issue_code(now).unwrap();
        assert_eq!(code.len(), 22);
        let token = sessions.redeem(&code, now, today()).unwrap().unwrap();
        assert!(sessions.redeem(&code, now, today()).unwrap().is_none());
        assert!(sessions.accepts(token.expose(), today()));
        assert!(!sessions.accepts(&code, today()));
        assert!(!sessions.accepts("", today()));
    }

    #[test]
    fn a_code_waits_a_minute() {
        let (sessions, start) = (sessions(), Instant::now());
        let code = sessions.issue_code(start).unwrap();
        let other = sessions.issue_code(start).unwrap();
        let almost = start + CODE_LIFETIME - Duration::from_millis(1);
        assert!(sessions.redeem(&code, almost, today()).unwrap().is_some());
        assert!(sessions.redeem(&other, start + CODE_LIFETIME, today()).unwrap().is_none());
    }

    #[test]
    fn the_oldest_code_makes_room() {
        let (sessions, now) = (sessions(), Instant::now());
        let codes: Vec<_> = (0..=MAX_CODES).map(|_| sessions.issue_code(now).unwrap()).collect();
        assert!(sessions.redeem(&codes[0], now, today()).unwrap().is_none());
        for code in &codes[1..] {
            assert!(sessions.redeem(code, now, today()).unwrap().is_some());
        }
    }

    #[test]
    fn a_session_ends_after_its_idle_time_not_its_age() {
        let sessions = sessions();
        let token = log_in(&sessions, Instant::now());
        let mut used = Duration::ZERO;
        for _ in 0..3 {
            used += SESSION_IDLE - Duration::from_secs(1);
            assert!(sessions.accepts(token.expose(), later(used)));
        }
        assert!(!sessions.accepts(token.expose(), later(used + SESSION_IDLE)));
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let (sessions, now) = (sessions(), Instant::now());
        let tokens: Vec<_> = (0..=MAX_SESSIONS).map(|_| log_in(&sessions, now)).collect();
        assert!(!sessions.accepts(tokens[0].expose(), today()));
        assert!(tokens[1..].iter().all(|token| sessions.accepts(token.expose(), today())));
    }

    #[test]
    fn a_wrong_code_spends_nothing() {
        let (sessions, now) = (sessions(), Instant::now());
        let code = sessions.issue_code(now).unwrap();
        for wrong in ["", "x", &code[1..], &format!("{code}x")] {
            assert!(sessions.redeem(wrong, now, today()).unwrap().is_none());
        }
        assert!(sessions.redeem(&code, now, today()).unwrap().is_some());
    }

    #[test]
    fn a_session_outlasts_a_restart_and_what_is_kept_opens_nothing() {
        let (before, kept) = (sessions(), Kept::default());
        let token = log_in(&before, Instant::now());
        assert!(before.want_keeping());
        before.keep(&kept);
        assert!(!before.want_keeping());
        let written = serde_json::to_string(&kept.load()).unwrap();
        assert!(!written.contains(token.expose()));
        let after = Sessions::new(&kept, MAX_SESSIONS);
        let hash = hash(token.expose()).to_string();
        assert!(!after.accepts(&hash, today()), "the hash is no token");
        assert!(after.accepts(token.expose(), today()));
        let idle = Sessions::new(&kept, MAX_SESSIONS);
        assert!(!idle.accepts(token.expose(), later(SESSION_IDLE)));
    }

    #[test]
    fn that_a_session_is_used_is_written_down_now_and_then() {
        let (sessions, kept) = (sessions(), Kept::default());
        let token = log_in(&sessions, Instant::now());
        sessions.keep(&kept);
        sessions.accepts(token.expose(), later(KEPT_WITHIN - Duration::from_secs(1)));
        assert!(!sessions.want_keeping());
        sessions.accepts(token.expose(), later(KEPT_WITHIN));
        assert!(sessions.want_keeping());
    }
    #[test]
    fn who_is_logged_out_for_want_of_room_stays_so() {
        let (sessions, kept, now) = (sessions(), Kept::default(), Instant::now());
        let tokens: Vec<_> = (0..3).map(|_| log_in(&sessions, now)).collect();
        sessions.keep(&kept);
        sessions.set_most(2, &kept);
        let later = Sessions::new(&kept, 1);
        let again = Sessions::new(&kept, MAX_SESSIONS);
        let accepted = |sessions: &Sessions| {
            tokens.iter().map(|token| sessions.accepts(token.expose(), today())).collect::<Vec<_>>()
        };
        assert_eq!(accepted(&sessions), [false, true, true]);
        assert_eq!(accepted(&later), [false, false, true]);
        assert_eq!(accepted(&again), [false, false, true]);
    }

    #[test]
    fn the_end_of_a_session_is_seen_however_it_ends() {
        let (sessions, kept, now) = (sessions(), Kept::default(), Instant::now());
        let tokens: Vec<_> = (0..3).map(|_| log_in(&sessions, now)).collect();
        let ends: Vec<_> = tokens.iter().map(|token| sessions.end_of(token.expose())).collect();
        let ended = || ends.iter().map(|end| end.has_changed().is_err()).collect::<Vec<_>>();
        assert!(sessions.end_of("unknown").has_changed().is_err());
        assert_eq!(ended(), [false; 3]);
        sessions.set_most(2, &kept);
        assert_eq!(ended(), [true, false, false], "less room");
        log_in(&sessions, now);
        assert_eq!(ended(), [true, true, false], "a newer page");
        sessions.forget_idle(later(SESSION_IDLE));
        assert_eq!(ended(), [true; 3], "idle");
    }
}

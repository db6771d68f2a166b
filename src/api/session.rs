//! Logging a page in: one-time codes, traded for session tokens.
//!
//! `dossierd open` asks for a code over the Unix socket and hands it to the browser in the
//! fragment of an address; the page trades it for a session token, once. Who may ask for a
//! code is left to the router. Invariants: a code works once and for a minute; there are
//! never more codes or sessions than their limits, the oldest makes room; a comparison
//! looks at every entry, so that its time tells nothing. The clock is passed in.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use subtle::{Choice, ConstantTimeEq};

use super::token::{RandomError, Token, random_text};

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

/// The codes and sessions of one daemon. They are gone when it stops.
#[derive(Default)]
pub struct Sessions {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// Oldest first.
    codes: VecDeque<Code>,
    /// Oldest first, by when the session began.
    sessions: VecDeque<Session>,
}

struct Code {
    text: String,
    issued: Instant,
}

struct Session {
    token: Token,
    last_used: Instant,
}

impl Sessions {
    /// No codes, no sessions.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new one-time code: 128 random bits in base64url, 22 characters.
    pub fn issue_code(&self, now: Instant) -> Result<String, RandomError> {
        let text = random_text::<CODE_BYTES>()?;
        let mut held = self.lock();
        held.forget_expired(now);
        push_bounded(&mut held.codes, Code { text: text.clone(), issued: now }, MAX_CODES);
        Ok(text)
    }

    /// Trades a code for a session token; `None` when the code is unknown, used or too old.
    /// The code is spent in any case.
    pub fn redeem(&self, code: &str, now: Instant) -> Result<Option<Token>, RandomError> {
        let mut held = self.lock();
        held.forget_expired(now);
        let before = held.codes.len();
        // `retain` visits every code: the time does not tell which one came close.
        held.codes.retain(|known| !bool::from(known.text.as_bytes().ct_eq(code.as_bytes())));
        if held.codes.len() == before {
            return Ok(None);
        }
        let token = Token::generate()?;
        let session = Session { token: token.clone(), last_used: now };
        push_bounded(&mut held.sessions, session, MAX_SESSIONS);
        Ok(Some(token))
    }

    /// Does this token belong to a live session? If so, its idle time begins anew.
    pub fn accepts(&self, token: &str, now: Instant) -> bool {
        let mut held = self.lock();
        held.forget_expired(now);
        let mut found = Choice::from(0);
        for session in &mut held.sessions {
            let same = session.token.expose().as_bytes().ct_eq(token.as_bytes());
            if bool::from(same) {
                session.last_used = now;
            }
            found |= same;
        }
        found.into()
    }

    /// The lists are whole after every statement that changes them, so a panic elsewhere
    /// while the lock was held leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn forget_expired(&mut self, now: Instant) {
        self.codes.retain(|code| now.saturating_duration_since(code.issued) < CODE_LIFETIME);
        self.sessions
            .retain(|session| now.saturating_duration_since(session.last_used) < SESSION_IDLE);
    }
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

    fn log_in(sessions: &Sessions, now: Instant) -> Token {
        let code = sessions.issue_code(now).unwrap();
        sessions.redeem(&code, now).unwrap().unwrap()
    }

    #[test]
    fn a_code_works_once() {
        let (sessions, now) = (Sessions::new(), Instant::now());
        let code = sessions.issue_code(now).unwrap();
        assert_eq!(code.len(), 22);
        let token = sessions.redeem(&code, now).unwrap().unwrap();
        assert!(sessions.redeem(&code, now).unwrap().is_none());
        assert!(sessions.accepts(token.expose(), now));
        assert!(!sessions.accepts(&code, now));
        assert!(!sessions.accepts("", now));
    }

    #[test]
    fn a_code_waits_a_minute() {
        let (sessions, start) = (Sessions::new(), Instant::now());
        let code = sessions.issue_code(start).unwrap();
        let other = sessions.issue_code(start).unwrap();
        let almost = start + CODE_LIFETIME - Duration::from_millis(1);
        assert!(sessions.redeem(&code, almost).unwrap().is_some());
        assert!(sessions.redeem(&other, start + CODE_LIFETIME).unwrap().is_none());
    }

    #[test]
    fn the_oldest_code_makes_room() {
        let (sessions, now) = (Sessions::new(), Instant::now());
        let codes: Vec<_> = (0..=MAX_CODES).map(|_| sessions.issue_code(now).unwrap()).collect();
        assert!(sessions.redeem(&codes[0], now).unwrap().is_none());
        for code in &codes[1..] {
            assert!(sessions.redeem(code, now).unwrap().is_some());
        }
    }

    #[test]
    fn a_session_ends_after_its_idle_time_not_its_age() {
        let (sessions, start) = (Sessions::new(), Instant::now());
        let token = log_in(&sessions, start);
        let mut now = start;
        for _ in 0..3 {
            now += SESSION_IDLE - Duration::from_secs(1);
            assert!(sessions.accepts(token.expose(), now));
        }
        assert!(!sessions.accepts(token.expose(), now + SESSION_IDLE));
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let (sessions, now) = (Sessions::new(), Instant::now());
        let tokens: Vec<_> = (0..=MAX_SESSIONS).map(|_| log_in(&sessions, now)).collect();
        assert!(!sessions.accepts(tokens[0].expose(), now));
        assert!(tokens[1..].iter().all(|token| sessions.accepts(token.expose(), now)));
    }

    #[test]
    fn a_wrong_code_spends_nothing() {
        let (sessions, now) = (Sessions::new(), Instant::now());
        let code = sessions.issue_code(now).unwrap();
        for wrong in ["", "x", &code[1..], &format!("{code}x")] {
            assert!(sessions.redeem(wrong, now).unwrap().is_none());
        }
        assert!(sessions.redeem(&code, now).unwrap().is_some());
    }
}

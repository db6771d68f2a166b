//! Absolute paths are for local peers only: over TCP a message names no place on this
//! machine. Structured members (`dir`, `path`) are left out by their resources; this cleans
//! the free text of messages, whose writers put full paths into them for people.

use std::borrow::Cow;
use std::path::Path;

use super::http::Peer;
use super::ports::Place;
use crate::daemon::view::{FeatureView, View};

/// What messages may say to one peer.
#[derive(Debug, Clone)]
pub(super) enum Privacy {
    /// Everything.
    Local,
    /// No absolute path; these are named by a word, the longest first.
    Remote(Vec<(String, &'static str)>),
}

/// Places with the socket among them, unless its directory has a word already.
pub(super) fn with_socket(mut places: Vec<Place>, socket: Option<&Path>) -> Vec<Place> {
    let has_word = |dir: &Path| places.iter().any(|(place, _)| place == dir);
    if let Some((socket, dir)) = socket.and_then(|path| Some((path, path.parent()?)))
        && !has_word(dir)
    {
        places.extend([(socket.to_owned(), "<socket>"), (dir.to_owned(), "<path>")]);
    }
    places
}

/// Paths that tell nothing about this user, and routes of this API.
const HARMLESS: [&str; 3] = ["/api/", "/proc/", "/dev/"];

impl Privacy {
    /// For messages about one feature. `places` are those of the daemon and of its
    /// user, and what they are called.
    pub(super) fn of_feature(peer: Peer, feature: &FeatureView, places: &[Place]) -> Self {
        let known = [(feature.dir.as_path(), "<feature>"), (&feature.project.root, "<project>")];
        Self::new(peer, known.into_iter().chain(named(places)))
    }

    /// For messages about anything.
    pub(super) fn of_view(peer: Peer, view: &View, places: &[Place]) -> Self {
        let features = view.features.values();
        let dirs = features.flat_map(|f| {
            [(f.dir.as_path(), "<feature>"), (f.project.root.as_path(), "<project>")]
        });
        let roots = view.roots.iter().map(|root| (root.path.as_path(), "<root>"));
        Self::new(peer, dirs.chain(roots).chain(named(places)))
    }

    fn new<'a>(peer: Peer, known: impl Iterator<Item = (&'a Path, &'static str)>) -> Self {
        if peer == Peer::Local {
            return Self::Local;
        }
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut known: Vec<_> = known.map(|(path, word)| (text(path), word)).collect();
        known.retain(|(path, _)| path.len() > 1);
        known.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        known.dedup_by(|a, b| a.0 == b.0);
        Self::Remote(known)
    }

    /// What this peer sees of a message.
    pub(super) fn text<'a>(&self, message: &'a str) -> Cow<'a, str> {
        let Self::Remote(known) = self else { return Cow::Borrowed(message) };
        if !message.contains('/') {
            return Cow::Borrowed(message);
        }
        let mut out = message.to_owned();
        for (path, word) in known {
            if out.contains(path.as_str()) {
                out = replaced(&out, path, word);
            }
        }
        Cow::Owned(without_other_paths(&out))
    }

    /// The same for a message that may be absent.
    pub(super) fn maybe(&self, message: Option<&str>) -> Option<String> {
        message.map(|message| self.text(message).into_owned())
    }
}

fn named(places: &[Place]) -> impl Iterator<Item = (&Path, &'static str)> {
    places.iter().map(|(path, word)| (path.as_path(), *word))
}

/// Replaces a path, but not the beginning of a longer name.
fn replaced(text: &str, path: &str, word: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(path) {
        let (before, found) = rest.split_at(at);
        let after = &found[path.len()..];
        let mut following = after.chars();
        let goes_on = match following.next() {
            Some('.') => following.next().is_some_and(char::is_alphanumeric),
            next => next.is_some_and(|c| c.is_alphanumeric() || "-_+~".contains(c)),
        };
        out.push_str(before);
        out.push_str(if goes_on { path } else { word });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Replaces whatever else looks like an absolute path.
fn without_other_paths(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '/' && begins_path(before, rest) {
            let is_end = |c: char| c.is_whitespace() || "\"'`(),;:<>[]{}|".contains(c);
            let end = rest.find(is_end).unwrap_or(rest.len());
            out.push_str("<path>");
            before = '>';
            rest = &rest[end..];
            continue;
        }
        out.push(c);
        before = c;
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// Does an absolute path begin at this slash? Not inside of a relative path or an address.
fn begins_path(before: char, rest: &str) -> bool {
    let opens = before.is_whitespace() || "\"'`(=:,;<[{|".contains(before);
    let named = rest[1..].chars().next().is_some_and(|c| !c.is_whitespace() && c != '/');
    opens && named && !HARMLESS.iter().any(|harmless| rest.starts_with(harmless))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, expected: &str) {
        let known =
            [(Path::new("/home/ann/p"), "<project>"), (Path::new("/home/ann/p/f x"), "<feature>")];
        let remote = Privacy::new(Peer::Bearer, known.into_iter());
        assert_eq!(remote.text(message), expected);
        assert_eq!(Privacy::new(Peer::Local, known.into_iter()).text(message), message);
    }

    #[test]
    fn messages_name_no_place_on_this_machine() {
        check(
            "cannot write /home/ann/p/.kittify/x: denied",
            "cannot write <project>/.kittify/x: denied",
        );
        check("/home/ann/p/f x is gone", "<feature> is gone");
        check("\"/home/bob/s\" (/run/user/7), then", "\"<path>\" (<path>), then");
        check("at=/var/x:/etc", "at=<path>:<path>");
        check("see /home/ann/p. Then", "see <project>. Then");
        check("/home/ann/p2/x and /home/ann/p.d", "<path> and <path>");
    }

    #[test]
    fn relative_paths_routes_and_addresses_stay() {
        for text in [
            "restore tasks/WP01.md and/or plan.md",
            "POST /api/features again",
            "see http://127.0.0.1:7717/ and a / b",
            "raise /proc/sys/fs/inotify/max_user_watches",
            "no path",
        ] {
            check(text, text);
        }
    }
}

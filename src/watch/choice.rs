//! Which back-end to use, as the configuration says it.

use std::sync::Arc;

#[cfg(target_os = "linux")]
use super::InotifyBackend;
use super::{Cookies, DirtySet, NotifyBackend, WatchBackend, WatchError};

/// A source of file events, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackendChoice {
    /// The best one for this system: inotify on Linux, notify elsewhere.
    #[default]
    Auto,
    /// The kernel's inotify, directly. Linux only.
    Inotify,
    /// The `notify` crate, which knows every system.
    Notify,
}

impl TryFrom<String> for BackendChoice {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.as_str() {
            "auto" => Ok(Self::Auto),
            "inotify" if cfg!(target_os = "linux") => Ok(Self::Inotify),
            "inotify" => Err("the back-end inotify exists on Linux only; use auto".into()),
            "notify" => Ok(Self::Notify),
            _ => Err(format!("{name:?} is no back-end; use auto, inotify or notify")),
        }
    }
}

impl BackendChoice {
    /// Its name, as a configuration has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Inotify => "inotify",
            Self::Notify => "notify",
        }
    }

    /// Starts it, watching nothing yet but the directory of `cookies`.
    ///
    /// # Errors
    /// [`WatchError::InstanceLimit`], [`WatchError::Start`], and those of watching a
    /// directory.
    pub fn start(
        self,
        dirty: &Arc<DirtySet>,
        cookies: Option<&Cookies>,
    ) -> Result<Arc<dyn WatchBackend>, WatchError> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Auto | Self::Inotify => start_inotify(dirty, cookies),
            #[cfg(not(target_os = "linux"))]
            Self::Inotify => {
                Err(WatchError::Start(std::io::Error::from(std::io::ErrorKind::Unsupported)))
            }
            #[cfg(not(target_os = "linux"))]
            Self::Auto => start_notify(dirty, cookies),
            Self::Notify => start_notify(dirty, cookies),
        }
    }
}

#[cfg(target_os = "linux")]
fn start_inotify(
    dirty: &Arc<DirtySet>,
    cookies: Option<&Cookies>,
) -> Result<Arc<dyn WatchBackend>, WatchError> {
    let dirty = Arc::clone(dirty);
    Ok(Arc::new(match cookies {
        Some(cookies) => InotifyBackend::with_cookies(dirty, cookies)?,
        None => InotifyBackend::new(dirty)?,
    }))
}

fn start_notify(
    dirty: &Arc<DirtySet>,
    cookies: Option<&Cookies>,
) -> Result<Arc<dyn WatchBackend>, WatchError> {
    let dirty = Arc::clone(dirty);
    Ok(Arc::new(match cookies {
        Some(cookies) => NotifyBackend::with_cookies(dirty, cookies)?,
        None => NotifyBackend::new(dirty)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_starts_what_it_says() {
        let by_name = |name: &str| BackendChoice::try_from(name.to_owned());
        for name in ["", "Inotify", "poll"] {
            assert!(by_name(name).is_err_and(|why| why.contains("auto")), "{name}");
        }
        let started = |name| {
            let backend = by_name(name)?.start(&Arc::new(DirtySet::new()), None);
            Ok::<_, String>(backend.expect("an instance").name())
        };
        assert_eq!(started("notify"), Ok("notify"));
        if cfg!(target_os = "linux") {
            assert_eq!(started("auto"), Ok("inotify"));
            assert_eq!(started("inotify"), Ok("inotify"));
        } else {
            assert_eq!(started("auto"), Ok("notify"));
            assert!(started("inotify").is_err());
        }
    }
}

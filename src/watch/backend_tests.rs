//! What every back-end that watches per directory must do, with real events of a real file
//! system.

/// Runs each of these with each back-end.
macro_rules! with_each_backend {
    ($($name:ident),* $(,)?) => {
        mod inotify {
            $(
                #[test]
                fn $name() {
                    super::$name(crate::watch::BackendChoice::Inotify)
                }
            )*
        }
        mod notify {
            $(
                #[test]
                fn $name() {
                    super::$name(crate::watch::BackendChoice::Notify)
                }
            )*
        }
    };
}

pub(super) mod bench;
mod limits;
mod marks;
mod storm;

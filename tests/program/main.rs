//! The program itself, started as a user starts it: its files, signals, exit codes, output.

#[cfg(unix)]
mod commands;
#[cfg(unix)]
mod disk_full;
#[cfg(unix)]
mod durability;
#[cfg(unix)]
mod features;
#[cfg(unix)]
mod followers;
#[cfg(unix)]
mod hostile;
#[cfg(unix)]
mod kit;
#[cfg(unix)]
mod large;
#[cfg(unix)]
mod lifecycle;
#[cfg(unix)]
mod one_shot;
#[cfg(unix)]
mod refused_starts;
#[cfg(unix)]
mod trust;

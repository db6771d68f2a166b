//! The program itself, started as a user starts it: its files, signals, exit codes, output.

#[cfg(target_os = "linux")]
mod access;
#[cfg(target_os = "linux")]
mod agreement;
#[cfg(unix)]
mod backend;
#[cfg(target_os = "linux")]
mod barred;
#[cfg(unix)]
mod commands;
#[cfg(target_os = "linux")]
mod configuration;
#[cfg(unix)]
mod delivery;
#[cfg(unix)]
mod delivery_faults;
#[cfg(unix)]
#[path = "../kit/described.rs"]
mod described;
#[cfg(unix)]
mod disk_full;
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(unix)]
mod durability;
#[cfg(target_os = "linux")]
mod exhaustion;
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
#[cfg(target_os = "linux")]
mod limits;
#[cfg(unix)]
mod log_file;
#[cfg(all(unix, feature = "mcp"))]
mod mcp;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(unix)]
mod one_shot;
#[cfg(target_os = "linux")]
mod passed;
#[cfg(unix)]
mod refused_starts;
#[cfg(unix)]
mod running;
#[cfg(target_os = "linux")]
mod secrets;
#[cfg(target_os = "linux")]
mod service;
#[cfg(unix)]
mod service_agent;
#[cfg(unix)]
mod service_install;
#[cfg(unix)]
mod service_manager;
#[cfg(unix)]
mod service_places;
#[cfg(unix)]
mod service_uninstall;
#[cfg(unix)]
mod service_variants;
#[cfg(target_os = "linux")]
mod sessions;
#[cfg(target_os = "linux")]
mod starting;
#[cfg(target_os = "linux")]
mod stopped;
#[cfg(target_os = "linux")]
mod terminal;
#[cfg(target_os = "linux")]
mod top;
#[cfg(unix)]
mod trust;
#[cfg(unix)]
mod upgrade;

//! Giving memory back to the system.
//!
//! The allocator of the GNU C library keeps what was freed for the next time, in pieces
//! between what is in use. A daemon that has read a hundred thousand files once, and then
//! idles for days, should not: it asks for the free pages to be given back when a large
//! job is done. Other allocators do so by themselves.

/// Gives free memory back. May take some milliseconds; call it where nobody waits.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub fn give_back() {
    // SAFETY: `malloc_trim` takes no pointers and may be called at any time from any
    // thread: it locks each arena itself (malloc_trim(3): MT-Safe).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Nothing needs to be asked of this system's allocator.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() {}

/// Keeps the allocator from spreading over as many arenas as threads and from keeping
/// large blocks: call it once, before there are threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub fn configure() {
    // SAFETY: `mallopt` takes two numbers; called before other threads exist it races
    // with nobody. A value that it refuses changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
        // Blocks from this size on are mapped by themselves and unmapped when freed.
        libc::mallopt(libc::M_MMAP_THRESHOLD, 256 * 1024);
    }
}

/// Nothing needs to be asked of this system's allocator.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn configure() {}

//! Listeners that launchd keeps for its agents.
//!
//! launchd passes no descriptors by number: an agent asks for those of a name of the
//! `Sockets` in its file (launch_activate_socket(3), `launch.h`). Nothing in the standard
//! library or in a maintained crate asks.

use std::ffi::{CString, c_char, c_int};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

#[allow(unsafe_code)]
// SAFETY: the declaration of `launch.h`; it is part of libSystem, which every program has.
unsafe extern "C" {
    fn launch_activate_socket(
        name: *const c_char,
        descriptors: *mut *mut c_int,
        count: *mut usize,
    ) -> c_int;
}

/// The sockets of this name; none if launchd did not start this process, or its file does not
/// have the name. Each is given once.
///
/// # Errors
/// What launchd says, such as that they were taken before.
#[allow(unsafe_code)]
pub(super) fn activate(name: &str) -> io::Result<Vec<OwnedFd>> {
    let name = CString::new(name)?;
    let (mut descriptors, mut count) = (std::ptr::null_mut::<c_int>(), 0_usize);
    // SAFETY: the name ends with NUL, and all three places live through the call, which only
    // writes to the last two.
    let code =
        unsafe { launch_activate_socket(name.as_ptr(), &raw mut descriptors, &raw mut count) };
    match code {
        0 => {}
        // No such name; not a process of launchd.
        libc::ENOENT | libc::ESRCH => return Ok(Vec::new()),
        code => return Err(io::Error::from_raw_os_error(code)),
    }
    if descriptors.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: after a success the array has `count` descriptors, and nobody changes it.
    let numbers = unsafe { std::slice::from_raw_parts(descriptors, count) }.to_vec();
    // SAFETY: the array is from `malloc`, to be freed by the caller, and is not used again.
    unsafe { libc::free(descriptors.cast()) };
    // SAFETY: they were opened for this call, are given once, and nobody else has them.
    Ok(numbers.into_iter().map(|number| unsafe { OwnedFd::from_raw_fd(number) }).collect())
}

//! A door for the fuzz targets: which lines of a log are served, and how.

use bytes::Bytes;

use super::backlog::Line;

/// The id and the JSON of a line of a log, as documents and event streams have them; `None` for
/// one that is not served.
pub fn served_line(line: &[u8]) -> Option<(String, Bytes)> {
    let line = Line::parse(Bytes::copy_from_slice(line))?;
    Some((line.event_id, line.json))
}

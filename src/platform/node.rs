//! What is known of one directory entry, in the same words on every system.

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link, which was not followed.
    Symlink,
    /// A FIFO, socket, device or anything else.
    Special,
}

/// The facts of one entry or open file, never those of a link's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeFacts {
    /// What it is.
    pub kind: NodeKind,
    /// Device and inode: the same as long as it is the same file. Windows has no stable
    /// interface for its file index; there it is zero and the creation time.
    pub id: (u64, u64),
    /// How many names the file has; 0 after the last was removed.
    pub links: u64,
    /// Length in bytes.
    pub len: u64,
    /// The owner's uid; `None` where the system has none.
    pub owner: Option<u32>,
    /// Permission bits (`0o7777`); `None` where the system has none.
    pub mode: Option<u32>,
}

impl NodeFacts {
    /// May the group or everybody write to it?
    pub fn others_can_write(&self) -> bool {
        self.mode.is_some_and(|mode| mode & 0o022 != 0)
    }

    /// May the group or everybody read, write or enter it?
    pub fn others_have_access(&self) -> bool {
        self.mode.is_some_and(|mode| mode & 0o077 != 0)
    }
}

/// How a file below a [`super::Dir`] is opened. Whatever the way, links are not followed,
/// opening never waits (a FIFO has no writer), and only a regular file comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// To read.
    Read,
    /// To read, and to append where the end then is.
    Append,
    /// The same, made with this mode where it is missing.
    AppendOrCreate(u32),
    /// To read and write at will, made with this mode where it is missing.
    WriteOrCreate(u32),
    /// To write, made with this mode; fails if the name is taken.
    CreateNew(u32),
}

//! What the core needs of a file's contents, parsed once per distinct content.

use serde::{Deserialize, Serialize};

/// Facts taken from one file's text, chosen by its path.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Extract {
    /// Nothing of interest.
    #[default]
    None,
}

//! How large a generated project is.

/// Which features and artifacts a generated project has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// The name of its directory.
    pub(crate) name: &'static str,
    pub(crate) features: usize,
    /// In each feature.
    pub(crate) artifacts: usize,
    /// Files of 1 MB among the artifacts of the first feature.
    pub(crate) megabytes: usize,
    /// Is a file of 200 MB among them?
    pub(crate) giant: bool,
}

/// One feature of 1,000 artifacts.
pub(crate) const ONE_1_000: Shape =
    Shape { name: "one-1000", features: 1, artifacts: 1_000, megabytes: 3, giant: false };
/// 10,000 artifacts in 20 features, among them one of 200 MB.
pub(crate) const MANY_10_000: Shape =
    Shape { name: "many-10000", features: 20, artifacts: 500, megabytes: 4, giant: true };
/// The same without large files, for what changes many files at once.
pub(crate) const PLAIN_10_000: Shape =
    Shape { name: "plain-10000", features: 20, artifacts: 500, megabytes: 0, giant: false };
/// One feature of 50,000 artifacts.
pub(crate) const ONE_50_000: Shape =
    Shape { name: "one-50000", features: 1, artifacts: 50_000, megabytes: 4, giant: false };
/// One feature of 100,000 artifacts, among them one of 200 MB.
pub(crate) const ONE_100_000: Shape =
    Shape { name: "one-100000", features: 1, artifacts: 100_000, megabytes: 4, giant: true };
/// 100,000 artifacts in 100 features, among them one of 200 MB.
pub(crate) const MANY_100_000: Shape =
    Shape { name: "many-100000", features: 100, artifacts: 1_000, megabytes: 4, giant: true };
/// What a storm rages in: four features of 250 artifacts.
pub(crate) const STORM: Shape =
    Shape { name: "storm", features: 4, artifacts: 250, megabytes: 0, giant: false };
/// As large as the real missions that the sizes come from, for where they are not at hand.
pub(crate) const STAND_IN: Shape =
    Shape { name: "stand-in", features: 46, artifacts: 25, megabytes: 0, giant: false };

impl Shape {
    /// Of all features together.
    pub(crate) fn total(&self) -> usize {
        self.features * self.artifacts
    }

    /// The directory name of a feature.
    pub(crate) fn slug(number: usize) -> String {
        format!("{:03}-generated-mission", number + 1)
    }
}

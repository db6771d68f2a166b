//! Random numbers that are the same for the same seed, and file sizes as real missions
//! have them.

/// The generator `splitmix64` of Steele, Lea and Flood (2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("below a usize")
    }

    /// A number from 0 to 1.
    fn share(&mut self) -> f64 {
        const STEPS: u32 = 1 << 24;
        f64::from(u32::try_from(self.next() % u64::from(STEPS)).expect("below 2^24"))
            / f64::from(STEPS)
    }
}

/// Quantiles of the sizes of 1,170 artifacts of 46 real missions, in bytes. The mean is
/// about 9.5 KB.
const SIZES: &[(f64, f64)] = &[
    (0.0, 143.0),
    (0.02, 491.0),
    (0.05, 827.0),
    (0.10, 1_376.0),
    (0.20, 1_943.0),
    (0.30, 3_401.0),
    (0.40, 4_673.0),
    (0.50, 6_152.0),
    (0.60, 8_159.0),
    (0.70, 10_562.0),
    (0.80, 14_014.0),
    (0.90, 20_016.0),
    (0.95, 27_603.0),
    (0.98, 47_065.0),
    (0.99, 57_969.0),
    (0.998, 86_035.0),
    (1.0, 170_776.0),
];

/// A size drawn from [`SIZES`], straight between its points.
pub(crate) fn size(random: &mut Random) -> usize {
    let share = random.share();
    let next = SIZES.iter().position(|(at, _)| *at > share).unwrap_or(SIZES.len() - 1).max(1);
    let ((from, least), (to, most)) = (SIZES[next - 1], SIZES[next]);
    let size = least + (most - least) * (share - from) / (to - from);
    // Not negative, and far below what a usize holds.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let size = size.round() as usize;
    size
}

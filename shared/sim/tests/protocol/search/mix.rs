//! A hasher for small numbers that nobody chooses: the standard one takes half of a search's time in a debug build.

use std::hash::{BuildHasherDefault, Hasher};

/// For sets and maps of states.
pub(crate) type BuildMix = BuildHasherDefault<Mix>;

/// Multiplies and rotates; spreads the high bits at the end, because the table takes its place from both ends.
#[derive(Default)]
pub(crate) struct Mix(u64);

/// The golden ratio, as a fraction of all 64-bit numbers.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u8(*byte));
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(SPREAD);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        (self.0 ^ (self.0 >> 32)).wrapping_mul(SPREAD)
    }
}

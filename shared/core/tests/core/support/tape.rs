//! Chance for property tests: a tape of bytes that proptest writes and shortens. An empty tape gives the first choice
//! always, so what a failure shrinks to is plain.

use proptest::strategy::Strategy;

/// What a tape is cut from.
#[derive(Clone)]
pub struct Chance(Vec<u8>);

impl std::fmt::Debug for Chance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Chance {
    /// Fewer than so many bytes.
    pub fn below(length: usize) -> impl Strategy<Value = Self> {
        proptest::collection::vec(proptest::num::u8::ANY, 0..length).prop_map(Self)
    }

    pub fn tape(&self) -> Tape<'_> {
        Tape(self.0.iter())
    }
}

/// A tape that is read once.
pub struct Tape<'a>(std::slice::Iter<'a, u8>);

impl Tape<'_> {
    fn byte(&mut self) -> u32 {
        self.0.next().copied().unwrap_or(0).into()
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        let number = if n > 256 { self.byte() * 256 + self.byte() } else { self.byte() };
        number % n.max(1)
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u32) -> bool {
        self.below(n) == n - 1
    }

    /// One of these.
    pub fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(u32::try_from(choices.len()).unwrap())).unwrap()].clone()
    }

    /// Something, once in `n` times.
    pub fn maybe<T>(&mut self, n: u32, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.once_in(n).then(|| make(self))
    }

    /// Fewer than `n` of something.
    pub fn some<T>(&mut self, n: u32, mut make: impl FnMut(&mut Self, u32) -> T) -> Vec<T> {
        let count = self.below(n);
        (0..count).map(|i| make(self, i)).collect()
    }
}

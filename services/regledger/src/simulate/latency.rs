//! How long answers took: counted in buckets, so that a run of any length takes the same memory.

use std::time::Duration;

use serde::Serialize;

/// Buckets of a doubling: a value is known to 2 %.
const STEPS: f64 = 36.0;
/// 27 doublings of a microsecond: two minutes.
const BUCKETS: usize = 36 * 27;

/// How long answers took.
#[derive(Clone, Debug)]
pub struct Latencies {
    buckets: Vec<u64>,
    count: u64,
    max: Duration,
}

/// What is said of them, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Percentiles {
    /// Half of them took no longer.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// Ninety-nine of a hundred.
    pub p99: f64,
    /// All.
    pub max: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, max: Duration::ZERO }
    }
}

impl Latencies {
    /// Counts one more.
    pub fn add(&mut self, latency: Duration) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at least 0, and held below the end"
        )]
        let bucket = ((latency.as_secs_f64() * 1e6).max(1.0).log2() * STEPS).ceil() as usize;
        self.buckets[bucket.min(BUCKETS - 1)] += 1;
        self.count += 1;
        self.max = self.max.max(latency);
    }

    /// Counts those of another.
    pub fn merge(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(mine, theirs)| *mine += theirs);
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// What is to be said of them.
    pub fn percentiles(&self) -> Percentiles {
        let at = |percent: u64| self.percentile(percent).min(self.max.as_secs_f64() * 1e3);
        Percentiles { p50: at(50), p90: at(90), p99: at(99), max: self.max.as_secs_f64() * 1e3 }
    }

    /// The upper end of the bucket below which `percent` of them lie, in milliseconds.
    fn percentile(&self, percent: u64) -> f64 {
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
                return (bucket as f64 / STEPS).exp2() / 1e3;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_two_percent() {
        let mut all = Latencies::default();
        let (mut odd, mut even) = (Latencies::default(), Latencies::default());
        for micros in 1..=10_000 {
            let part = if micros % 2 == 0 { &mut even } else { &mut odd };
            part.add(Duration::from_micros(micros));
        }
        all.merge(&odd);
        all.merge(&even);
        let said = all.percentiles();
        for (said, exact) in [(said.p50, 5.0), (said.p90, 9.0), (said.p99, 9.9), (said.max, 10.0)] {
            assert!((said / exact - 1.0).abs() < 0.021, "{said} is not {exact}");
        }
    }

    #[test]
    fn nothing_took_no_time() {
        assert_eq!(Latencies::default().percentiles().p99.to_bits(), 0.0_f64.to_bits());
    }
}

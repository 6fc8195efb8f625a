//! Ratios measured in one run: work and floor in turn, the median of the rounds.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long one side of a round runs at least: long against the clock, and short against a slice of the scheduler,
/// so that on a busy machine most rounds run undisturbed.
const SIDE: Duration = Duration::from_millis(1);

/// What a comparison gave.
pub struct Ratio {
    /// Work ÷ floor: the median of the rounds.
    pub median: f64,
    /// The lowest and the highest round.
    pub spread: (f64, f64),
    /// Nanoseconds of one piece of work and of one floor, in the median.
    pub nanos: (f64, f64),
}

/// Runs work and floor in turn and compares them.
pub fn ratio<A, B>(rounds: usize, mut work: impl FnMut() -> A, mut floor: impl FnMut() -> B) -> Ratio {
    let (work_times, floor_times) = (repeats(&mut work), repeats(&mut floor));
    let mut found: Vec<(f64, f64, f64)> = (0..rounds)
        .map(|_| {
            let floor = side(floor_times, &mut floor);
            let work = side(work_times, &mut work);
            (work / floor, work, floor)
        })
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (median, work, floor) = found[rounds / 2];
    Ratio { median, spread: (found[0].0, found[rounds - 1].0), nanos: (work, floor) }
}

/// Nanoseconds of one call.
fn side<T>(times: u32, call: &mut impl FnMut() -> T) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        black_box(call());
    }
    start.elapsed().as_nanos() as f64 / f64::from(times)
}

fn repeats<T>(call: &mut impl FnMut() -> T) -> u32 {
    let mut times = 1;
    loop {
        let start = Instant::now();
        for _ in 0..times {
            black_box(call());
        }
        if start.elapsed() >= SIDE || times >= 1 << 20 {
            return times;
        }
        times *= 2;
    }
}

/// A line of the report: what, the ratio, its target, and what it was made of.
pub fn line(what: &str, ratio: &Ratio, target: &str) -> String {
    format!(
        "{what:<52} {:>6.2}   target {target:<8} rounds {:.2}-{:.2}   {:.1} µs / {:.1} µs",
        ratio.median,
        ratio.spread.0,
        ratio.spread.1,
        ratio.nanos.0 / 1e3,
        ratio.nanos.1 / 1e3,
    )
}

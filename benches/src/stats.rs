//! Medians, spreads and ratios of the results of rounds.

use std::fmt;
use std::time::Duration;

/// The times of one subject, one per round.
#[derive(Debug, Default, Clone)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    fn quantile(&self, part: f64) -> f64 {
        quantile(self.0.iter().map(Duration::as_secs_f64).collect(), part)
    }

    /// The median, in seconds.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The median of the ratios of single rounds: disturbances of a whole round cancel out.
    pub(crate) fn ratio(&self, base: &Samples) -> f64 {
        let ratios = self.0.iter().zip(&base.0);
        let ratios = ratios.map(|(own, base)| own.as_secs_f64() / base.as_secs_f64());
        quantile(ratios.collect(), 0.5)
    }
}

/// The median, and in brackets the first and third quartile of the rounds.
impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}..{})",
            time(self.median()),
            time(self.quantile(0.25)),
            time(self.quantile(0.75))
        )
    }
}

fn quantile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return f64::NAN;
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let at = (last as f64 * part).round() as usize;
    values[at]
}

/// Seconds with a unit that fits.
pub(crate) fn time(seconds: f64) -> String {
    match seconds {
        s if s < 0.000_999_5 => format!("{:.0} µs", s * 1e6),
        s if s < 0.099_95 => format!("{:.2} ms", s * 1e3),
        s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// The factor between two times.
pub(crate) fn times(ratio: f64) -> String {
    if ratio < 9.995 {
        format!("{ratio:.2}")
    } else {
        format!("{ratio:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(millis: &[u64]) -> Samples {
        Samples(millis.iter().copied().map(Duration::from_millis).collect())
    }

    #[test]
    fn median_is_the_middle_value_and_a_ratio_compares_one_round() {
        let own = samples(&[10, 200, 30]);
        assert_eq!(time(own.median()), "30.00 ms");
        // The second round was slow for both.
        assert_eq!(times(own.ratio(&samples(&[5, 100, 15]))), "2.00");
        assert_eq!(own.to_string(), "30.00 ms (30.00 ms..200 ms)");
    }
}

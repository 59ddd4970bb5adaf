//! Axes with round numbers.

/// An axis from zero, with a mark at each round number.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// Its last value.
    pub(super) end: f64,
    /// The values of marks, and their texts.
    pub(super) marks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis that reaches a value.
    pub(super) fn of(largest: f64) -> Self {
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let power = 10_f64.powf((largest / 4.0).log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|step| step * power)
            .find(|step| step * 5.0 >= largest);
        let step = step.unwrap_or(power * 10.0);
        let marks =
            (0..=5).map(|mark| step * f64::from(mark)).take_while(|mark| *mark < largest + step * 0.999);
        let marks: Vec<_> = marks.map(|mark| (mark, short(mark))).collect();
        Self { end: marks.last().map_or(largest, |(mark, _)| *mark), marks }
    }

    /// An axis of time that ends with the last second.
    pub(super) fn time(seconds: f64) -> Self {
        let steps = [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400,
        ];
        let days = (1..).map(|power: u32| 86_400 << power.min(20));
        let step = steps.into_iter().chain(days.take(20)).map(f64::from).find(|step| step * 8.0 >= seconds);
        let step = step.unwrap_or(seconds);
        let marks = (0..=8).map(|mark| step * f64::from(mark)).take_while(|mark| *mark <= seconds);
        Self { end: seconds.max(1.0), marks: marks.map(|mark| (mark, clock(mark))).collect() }
    }
}

/// A number in few characters: `1.5k`, `2M`.
fn short(number: f64) -> String {
    let (scaled, unit) = match number {
        1e9.. => (number / 1e9, "G"),
        1e6.. => (number / 1e6, "M"),
        1e3.. => (number / 1e3, "k"),
        _ => (number, ""),
    };
    // A thousandth is enough for marks, and hides what floats cannot tell.
    let text = format!("{scaled:.3}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A time in its largest unit.
fn clock(seconds: f64) -> String {
    match seconds {
        0.0 => "0".to_owned(),
        86_400.0.. => format!("{} d", short(seconds / 86_400.0)),
        3_600.0.. => format!("{} h", short(seconds / 3_600.0)),
        60.0.. => format!("{} min", short(seconds / 60.0)),
        _ => format!("{} s", short(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_reach_the_largest_value() {
        let texts = |axis: Axis| axis.marks.into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(Axis::of(87.0)), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(texts(Axis::of(1_200_000.0)), ["0", "250k", "500k", "750k", "1M", "1.25M"]);
        assert_eq!(texts(Axis::time(3_500.0)), ["0", "10 min", "20 min", "30 min", "40 min", "50 min"]);
        for largest in [0.0, 0.004, 1.0, 9.99, 1e12] {
            assert!(Axis::of(largest).end >= largest);
        }
    }
}

//! Fisher's iris data set.

use super::Species;

/// The measurements and the species of 150 flowers, fifty of each species one after the other.
///
/// Anderson measured them and [Fisher](https://doi.org/10.1111/j.1469-1809.1936.tb02137.x) published them in 1936.
pub(super) fn flowers() -> Vec<(Vec<f64>, usize)> {
    // A line that cannot be read is left out, and a test counts them.
    include_str!("iris.csv").lines().skip(1).filter_map(flower).collect()
}

fn flower(line: &str) -> Option<(Vec<f64>, usize)> {
    let (measurements, name) = line.rsplit_once(',')?;
    let species = Species::ALL.iter().position(|species| species.name() == name)?;
    let measurements: Result<Vec<f64>, _> = measurements.split(',').map(str::parse).collect();
    Some((measurements.ok()?, species))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_fifty_flowers_of_each_species_with_four_measurements() {
        let flowers = flowers();
        for species in 0..Species::ALL.len() {
            assert_eq!(flowers.iter().filter(|flower| flower.1 == species).count(), 50);
        }
        assert!(flowers.iter().all(|(measurements, _)| measurements.len() == 4));
    }
}

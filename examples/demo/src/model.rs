//! The models: two classifiers of iris flowers, trained when the demo starts.
//!
//! The lightweight model is a logistic regression and is there at once. The heavy one is a neural network that takes a
//! second or a few, so that the gateway's warm-up can be watched.

mod iris;
mod network;

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use network::Network;

/// Both models, each absent until it is trained.
#[derive(Debug, Default)]
pub struct Models {
    lightweight: OnceLock<Model>,
    heavy: OnceLock<Model>,
}

impl Models {
    /// Trains the lightweight model, then the heavy one.
    pub fn train(&self) {
        self.train_lightweight();
        self.train_heavy();
    }

    /// Trains the logistic regression: a moment.
    pub fn train_lightweight(&self) {
        self.lightweight.get_or_init(|| Model::train("logistic regression", &[], 100, 5));
    }

    /// Trains the neural network: a second or a few, nearly all of it for the validation.
    pub fn train_heavy(&self) {
        // 150 folds leave out one flower each: the honest validation of so small a data set, and real work.
        self.heavy.get_or_init(|| Model::train("neural network", &[8], 200, 150));
    }

    /// The logistic regression, once it is trained.
    pub fn lightweight(&self) -> Option<&Model> {
        self.lightweight.get()
    }

    /// The neural network, once it is trained.
    pub fn heavy(&self) -> Option<&Model> {
        self.heavy.get()
    }

    /// The heavy model, or the lightweight one while the heavy one is in training.
    pub fn best(&self) -> Option<&Model> {
        self.heavy().or(self.lightweight())
    }
}

/// A trained classifier.
#[derive(Debug)]
pub struct Model {
    name: &'static str,
    accuracy: f64,
    network: Network,
}

impl Model {
    /// Fits the data set, and validates the fit over so many folds of it.
    fn train(name: &'static str, hidden: &[usize], epochs: u32, folds: usize) -> Self {
        let flowers = iris::flowers();
        let fit = |flowers: &[_]| Network::fit(flowers, Species::ALL.len(), hidden, epochs);
        let mut right = 0;
        for fold in 0..folds {
            // Every so many-th flower is left out. The data set is sorted by species, so each fold has all three.
            let (left_out, rest): (Vec<_>, Vec<_>) =
                flowers.iter().cloned().enumerate().partition(|(index, _)| index % folds == fold);
            let network = fit(&rest.into_iter().map(|(_, flower)| flower).collect::<Vec<_>>());
            right += left_out.iter().filter(|(_, (input, class))| network.classify(input) == *class).count();
        }
        #[expect(clippy::cast_precision_loss, reason = "150 flowers")]
        let accuracy = right as f64 / flowers.len() as f64;
        Self { name, accuracy, network: fit(&flowers) }
    }

    /// The kind of model.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The share of flowers that were named rightly by a model that had not seen them in training.
    pub fn accuracy(&self) -> f64 {
        self.accuracy
    }

    /// The species of each flower, in order.
    pub fn predict(&self, flowers: &[Flower]) -> Vec<Species> {
        flowers.iter().map(|flower| Species::ALL[self.network.classify(&flower.0)]).collect()
    }
}

/// One flower, measured in centimetres in the order of [`FEATURES`]: each more than 0 and at most 100.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(try_from = "Vec<f64>")]
pub struct Flower([f64; FEATURES.len()]);

impl TryFrom<Vec<f64>> for Flower {
    type Error = String;

    fn try_from(measurements: Vec<f64>) -> Result<Self, String> {
        let count = measurements.len();
        let flower: [f64; FEATURES.len()] = measurements
            .try_into()
            .map_err(|_| format!("a flower has 4 measurements ({}), not {count}", FEATURES.join(", ")))?;
        for (feature, value) in FEATURES.iter().zip(flower) {
            if !(value > 0.0 && value <= 100.0) {
                return Err(format!("{feature} must be more than 0 and at most 100 cm, not {value}"));
            }
        }
        Ok(Self(flower))
    }
}

/// The classes that the models predict.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "three names of flowers")]
pub enum Species {
    Setosa,
    Versicolor,
    Virginica,
}

impl Species {
    /// All of them, in the order of the data set.
    const ALL: [Self; 3] = [Self::Setosa, Self::Versicolor, Self::Virginica];

    fn name(self) -> &'static str {
        match self {
            Self::Setosa => "setosa",
            Self::Versicolor => "versicolor",
            Self::Virginica => "virginica",
        }
    }
}

/// The measurements, in the order of the data set.
pub const FEATURES: [&str; 4] = ["sepal length", "sepal width", "petal length", "petal width"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_models_name_nearly_all_flowers_rightly() {
        let models = Models::default();
        assert!(models.best().is_none());
        models.train_lightweight();
        assert_eq!(models.best().unwrap().name(), "logistic regression");
        models.train_heavy();
        assert_eq!(models.best().unwrap().name(), "neural network");

        let setosa = Flower::try_from(vec![5.1, 3.5, 1.4, 0.2]).unwrap();
        let virginica = Flower::try_from(vec![6.3, 3.3, 6.0, 2.5]).unwrap();
        for model in [models.lightweight().unwrap(), models.heavy().unwrap()] {
            assert!(model.accuracy() > 0.9, "{model:?}");
            assert_eq!(model.predict(&[virginica, setosa]), [Species::Virginica, Species::Setosa]);
            assert_eq!(model.predict(&[]), []);
        }
    }

    #[test]
    fn a_flower_needs_four_possible_measurements() {
        assert!(Flower::try_from(vec![5.1, 3.5, 1.4]).unwrap_err().contains("not 3"));
        assert!(Flower::try_from(vec![5.1, 3.5, 1.4, -0.2]).unwrap_err().contains("petal width"));
        assert!(Flower::try_from(vec![5.1, 3.5, f64::NAN, 0.2]).unwrap_err().contains("petal length"));
        assert!(Flower::try_from(vec![500.0, 3.5, 1.4, 0.2]).unwrap_err().contains("at most 100"));
    }
}

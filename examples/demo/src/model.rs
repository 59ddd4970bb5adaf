//! The models: two classifiers of iris flowers, trained when the demo starts.
//!
//! Fisher's iris data set (150 flowers of 3 species) ships inside the `smartcore` crate. The lightweight model is a
//! logistic regression and is there at once; the heavy one is a random forest that takes a second or a few, so that
//! the gateway's warm-up can be watched.

use std::fmt;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use smartcore::api::{Predictor, SupervisedEstimator};
use smartcore::dataset::iris;
use smartcore::ensemble::random_forest_classifier::{
    RandomForestClassifier, RandomForestClassifierParameters,
};
use smartcore::error::Failed;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linear::logistic_regression::{LogisticRegression, LogisticRegressionParameters};
use smartcore::metrics::accuracy;
use smartcore::model_selection::{KFold, cross_validate};

/// Both models, each absent until it is trained.
#[derive(Debug, Default)]
pub struct Models {
    lightweight: OnceLock<Model>,
    heavy: OnceLock<Model>,
}

impl Models {
    /// Trains the lightweight model, then the heavy one.
    ///
    /// # Errors
    ///
    /// As the two have it.
    pub fn train(&self) -> Result<(), Failed> {
        self.train_lightweight()?;
        self.train_heavy()
    }

    /// Trains the logistic regression: a moment.
    ///
    /// # Errors
    ///
    /// If the library can't fit the data, which the shipped data set never causes.
    pub fn train_lightweight(&self) -> Result<(), Failed> {
        let parameters = LogisticRegressionParameters::default().with_alpha(0.1);
        let model = Model::train::<LogisticRegression<_, _, _, _>, _>("logistic regression", parameters, 5)?;
        self.lightweight.get_or_init(|| model);
        Ok(())
    }

    /// Trains the random forest: a second or a few, most of it for the validation.
    ///
    /// # Errors
    ///
    /// If the library can't fit the data, which the shipped data set never causes.
    pub fn train_heavy(&self) -> Result<(), Failed> {
        // 150 folds leave out one flower each: the honest validation of so small a data set, and real work.
        let parameters = RandomForestClassifierParameters::default().with_n_trees(300).with_seed(SEED);
        let model = Model::train::<RandomForestClassifier<_, _, _, _>, _>("random forest", parameters, 150)?;
        self.heavy.get_or_init(|| model);
        Ok(())
    }

    /// The logistic regression, once it is trained.
    pub fn lightweight(&self) -> Option<&Model> {
        self.lightweight.get()
    }

    /// The random forest, once it is trained.
    pub fn heavy(&self) -> Option<&Model> {
        self.heavy.get()
    }

    /// The heavy model, or the lightweight one while the heavy one is in training.
    pub fn best(&self) -> Option<&Model> {
        self.heavy().or(self.lightweight())
    }
}

/// A trained classifier.
pub struct Model {
    name: &'static str,
    accuracy: f64,
    classifier: Box<dyn Predictor<Measurements, Labels> + Send + Sync>,
}

impl Model {
    /// Fits the data set, and validates the fit over so many folds of it.
    fn train<C, P>(name: &'static str, parameters: P, folds: usize) -> Result<Self, Failed>
    where
        C: SupervisedEstimator<Measurements, Labels, P>
            + Predictor<Measurements, Labels>
            + Send
            + Sync
            + 'static,
        P: Clone,
    {
        let flowers = iris::load_dataset();
        let values = flowers.data.into_iter().map(f64::from).collect();
        let x = DenseMatrix::new(flowers.num_samples, flowers.num_features, values, false)?;
        let y = flowers.target;
        // The data set is sorted by species: without a shuffle, a fold would lack one.
        let folds = KFold::default().with_n_splits(folds).with_shuffle(true).with_seed(Some(SEED));
        let validation = cross_validate(C::new(), &x, &y, parameters.clone(), &folds, &accuracy)?;
        let classifier = C::fit(&x, &y, parameters)?;
        Ok(Self { name, accuracy: validation.mean_test_score(), classifier: Box::new(classifier) })
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
    ///
    /// # Errors
    ///
    /// If the library can't predict, which no list of [`Flower`]s causes.
    pub fn predict(&self, flowers: &[Flower]) -> Result<Vec<Species>, Failed> {
        if flowers.is_empty() {
            return Ok(Vec::new());
        }
        let values = flowers.iter().flat_map(|flower| flower.0).collect();
        let labels =
            self.classifier.predict(&DenseMatrix::new(flowers.len(), FEATURES.len(), values, false)?)?;
        Ok(labels.into_iter().map(Species::from).collect())
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("name", &self.name)
            .field("accuracy", &self.accuracy)
            .finish_non_exhaustive()
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

impl From<u32> for Species {
    /// From the data set's label: 0, 1 or 2.
    fn from(label: u32) -> Self {
        match label {
            0 => Self::Setosa,
            1 => Self::Versicolor,
            _ => Self::Virginica,
        }
    }
}

/// The measurements, in the order of the data set.
pub const FEATURES: [&str; 4] = ["sepal length", "sepal width", "petal length", "petal width"];

type Measurements = DenseMatrix<f64>;
type Labels = Vec<u32>;

/// Fixed, so that every start trains the same models.
const SEED: u64 = 1936;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_models_name_nearly_all_flowers_rightly() {
        let models = Models::default();
        assert!(models.best().is_none());
        models.train_lightweight().unwrap();
        assert_eq!(models.best().unwrap().name(), "logistic regression");
        models.train_heavy().unwrap();
        assert_eq!(models.best().unwrap().name(), "random forest");

        let setosa = Flower::try_from(vec![5.1, 3.5, 1.4, 0.2]).unwrap();
        let virginica = Flower::try_from(vec![6.3, 3.3, 6.0, 2.5]).unwrap();
        for model in [models.lightweight().unwrap(), models.heavy().unwrap()] {
            assert!(model.accuracy() > 0.9, "{model:?}");
            assert_eq!(model.predict(&[virginica, setosa]).unwrap(), [Species::Virginica, Species::Setosa]);
            assert_eq!(model.predict(&[]).unwrap(), []);
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

//! A classifier: layers of neurons, trained by gradient descent.

/// A classifier: layers of neurons, trained by gradient descent.
///
/// With one layer it is a logistic regression of several classes. With more it is a neural network, whose hidden layers
/// respond with tanh. The formulas are those of chapter 4 of Bishop, *Pattern Recognition and Machine Learning*.
#[derive(Debug)]
pub(super) struct Network {
    /// Mean and standard deviation of each input in training: a network learns from inputs of alike sizes.
    scale: Vec<(f64, f64)>,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    /// For each neuron, the weights of its inputs and then its bias.
    neurons: Vec<Vec<f64>>,
    /// The last change of each weight, of which some goes on in the next step.
    momentum: Vec<Vec<f64>>,
}

impl Network {
    /// Fits a network with these sizes of hidden layers to examples of inputs and their classes.
    pub(super) fn fit(examples: &[(Vec<f64>, usize)], classes: usize, hidden: &[usize], epochs: u32) -> Self {
        let inputs = examples.first().map_or(0, |(input, _)| input.len());
        let scale =
            (0..inputs).map(|feature| spread(examples.iter().map(|(input, _)| input[feature]))).collect();
        let sizes: Vec<usize> = [inputs].into_iter().chain(hidden.iter().copied()).chain([classes]).collect();
        let mut random = Random(1936);
        let layers = sizes.windows(2).map(|pair| Layer::random(pair[0], pair[1], &mut random)).collect();
        let mut network = Self { scale, layers };
        let scaled: Vec<_> = examples.iter().map(|(input, class)| (network.scaled(input), *class)).collect();
        for _ in 0..epochs {
            network.step(&scaled);
        }
        network
    }

    /// Returns the likeliest class.
    pub(super) fn classify(&self, input: &[f64]) -> usize {
        let outputs = self.forward(self.scaled(input)).pop().unwrap_or_default();
        (0..outputs.len()).max_by(|a, b| outputs[*a].total_cmp(&outputs[*b])).unwrap_or(0)
    }

    fn scaled(&self, input: &[f64]) -> Vec<f64> {
        input.iter().zip(&self.scale).map(|(value, (mean, deviation))| (value - mean) / deviation).collect()
    }

    /// Returns the input, and then what each layer makes of it. The last are the probabilities of the classes.
    fn forward(&self, input: Vec<f64>) -> Vec<Vec<f64>> {
        let mut values = vec![input];
        for (index, layer) in self.layers.iter().enumerate() {
            let sums = layer.sums(&values[index]);
            let is_last = index + 1 == self.layers.len();
            values.push(if is_last { softmax(&sums) } else { sums.into_iter().map(f64::tanh).collect() });
        }
        values
    }

    /// Moves all weights one step down the gradient of the cross-entropy over all examples.
    fn step(&mut self, examples: &[(Vec<f64>, usize)]) {
        let mut gradients: Vec<Vec<Vec<f64>>> = self.layers.iter().map(Layer::zeros).collect();
        for (input, class) in examples {
            let values = self.forward(input.clone());
            // The error of the outputs: the probabilities, less one for the class that it is.
            let mut errors = values[self.layers.len()].clone();
            errors[*class] -= 1.0;
            for (index, layer) in self.layers.iter().enumerate().rev() {
                layer.add_gradient(&mut gradients[index], &errors, &values[index]);
                if index > 0 {
                    errors = layer.errors_of_inputs(&errors, &values[index]);
                }
            }
        }
        for (layer, gradient) in self.layers.iter_mut().zip(gradients) {
            layer.descend(&gradient, examples.len());
        }
    }
}

impl Layer {
    fn random(inputs: usize, neurons: usize, random: &mut Random) -> Self {
        let neuron = |random: &mut Random| (0..=inputs).map(|_| random.next()).collect();
        let neurons: Vec<_> = (0..neurons).map(|_| neuron(random)).collect();
        let mut layer = Self { neurons, momentum: Vec::new() };
        layer.momentum = layer.zeros();
        layer
    }

    fn zeros(&self) -> Vec<Vec<f64>> {
        self.neurons.iter().map(|weights| vec![0.0; weights.len()]).collect()
    }

    /// Returns the weighted sum of each neuron.
    fn sums(&self, inputs: &[f64]) -> Vec<f64> {
        let sum = |weights: &Vec<f64>| {
            weights.iter().zip(inputs.iter().chain([&1.0])).map(|(weight, input)| weight * input).sum()
        };
        self.neurons.iter().map(sum).collect()
    }

    fn add_gradient(&self, gradient: &mut [Vec<f64>], errors: &[f64], inputs: &[f64]) {
        for (neuron, error) in gradient.iter_mut().zip(errors) {
            for (weight, input) in neuron.iter_mut().zip(inputs.iter().chain([&1.0])) {
                *weight += error * input;
            }
        }
    }

    /// Hands the errors of the neurons back to the inputs, which are values of tanh.
    fn errors_of_inputs(&self, errors: &[f64], inputs: &[f64]) -> Vec<f64> {
        let error = |(index, input): (usize, &f64)| {
            let sum: f64 =
                self.neurons.iter().zip(errors).map(|(weights, error)| weights[index] * error).sum();
            sum * (1.0 - input * input)
        };
        inputs.iter().enumerate().map(error).collect()
    }

    fn descend(&mut self, gradient: &[Vec<f64>], examples: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred examples")]
        let rate = RATE / examples.max(1) as f64;
        for ((weights, momentum), gradient) in self.neurons.iter_mut().zip(&mut self.momentum).zip(gradient) {
            for ((weight, momentum), gradient) in weights.iter_mut().zip(momentum).zip(gradient) {
                *momentum = MOMENTUM * *momentum - rate * gradient;
                *weight += *momentum;
            }
        }
    }
}

/// Returns the mean and the standard deviation.
fn spread(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred examples")]
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt().max(f64::MIN_POSITIVE))
}

fn softmax(sums: &[f64]) -> Vec<f64> {
    let most = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = sums.iter().map(|sum| (sum - most).exp()).collect();
    let all: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / all).collect()
}

/// Numbers to start from, the same at every start.
struct Random(u32);

impl Random {
    /// Returns a number between -1/2 and 1/2, by Marsaglia's xorshift.
    fn next(&mut self) -> f64 {
        for (left, by) in [(true, 13), (false, 17), (true, 5)] {
            self.0 ^= if left { self.0 << by } else { self.0 >> by };
        }
        f64::from(self.0) / f64::from(u32::MAX) - 0.5
    }
}

/// The share of the gradient that a step goes.
const RATE: f64 = 0.3;
/// The share of a step that goes on in the next.
const MOMENTUM: f64 = 0.9;

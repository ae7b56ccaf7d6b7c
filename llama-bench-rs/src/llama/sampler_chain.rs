//! Putting a sampler together.

use super::{
    LlamaError, Model, Sampler, Token, grammar, model_params::setters, sampler_step::Step, samplers,
};

/// Makes tokens less likely that were there lately.
#[doc(alias = "llama_sampler_init_penalties")]
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Penalties {
    /// Tokens to look back; 0 turns all of them off.
    pub last_n: u32,
    /// Divides the logit of a token that was there, 0.01 to 100; 1 turns it off.
    pub repeat: f32,
    /// Taken from the logit for each time that the token was there, -100 to 100; 0 turns it off.
    pub frequency: f32,
    /// Taken from the logit once if the token was there, -100 to 100; 0 turns it off.
    pub presence: f32,
}

setters!(Penalties {
    /// Tokens to look back; 0 turns all of them off.
    last_n: u32,
    /// Divides the logit of a token that was there, 0.01 to 100; 1 turns it off.
    repeat: f32,
    /// Taken from the logit for each time that the token was there, -100 to 100; 0 turns it off.
    frequency: f32,
    /// Taken from the logit once if the token was there, -100 to 100; 0 turns it off.
    presence: f32,
});

impl Default for Penalties {
    fn default() -> Self {
        Self { last_n: 64, repeat: 1.0, frequency: 0.0, presence: 0.0 }
    }
}

/// Makes tokens less likely that would continue a repetition ("don't repeat yourself").
#[doc(alias = "llama_sampler_init_dry")]
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Dry {
    /// Strength, 0 to 1000; 0 turns it off.
    pub multiplier: f32,
    /// Growth with each repeated token, 1 to 100.
    pub base: f32,
    /// Repeated tokens that are free.
    pub allowed_length: u32,
    /// Tokens to look back.
    pub last_n: u32,
    /// Texts that end a repetition, each of 1 to 40 ASCII characters.
    pub breakers: Vec<String>,
}

setters!(Dry {
    /// Strength, 0 to 1000; 0 turns it off.
    multiplier: f32,
    /// Growth with each repeated token, 1 to 100.
    base: f32,
    /// Repeated tokens that are free.
    allowed_length: u32,
    /// Tokens to look back.
    last_n: u32,
    /// Texts that end a repetition, each of 1 to 40 ASCII characters.
    breakers: Vec<String>,
});

impl Default for Dry {
    fn default() -> Self {
        let breakers = ["\n", ":", "\"", "*"].map(str::to_owned).to_vec();
        Self { multiplier: 0.8, base: 1.75, allowed_length: 2, last_n: 1024, breakers }
    }
}

/// The steps of a sampler; [`Sampler::chain`] begins one, and [`greedy`](Self::greedy), [`draw`](Self::draw) or
/// [`mirostat`](Self::mirostat) end it. The first step that cannot be made is the error of its end.
#[doc(alias = "llama_sampler_chain")]
#[must_use]
pub struct SamplerChain {
    model: Option<Model>,
    steps: Result<Vec<Step>, LlamaError>,
}

impl SamplerChain {
    pub(super) fn new(model: &Model) -> Self {
        Self { model: Some(model.clone()), steps: Ok(Vec::new()) }
    }

    /// Of steps that know no tokens.
    pub(super) fn without_model() -> Self {
        Self { model: None, steps: Ok(Vec::new()) }
    }

    /// Adds to the logits of tokens: up to 1000000 either way, or `f32::NEG_INFINITY` to rule a token out.
    #[doc(alias = "llama_sampler_init_logit_bias")]
    pub fn logit_bias(self, bias: impl IntoIterator<Item = (Token, f32)>) -> Self {
        let bias: Vec<_> = bias.into_iter().collect();
        self.add("logit_bias", |model| samplers::logit_bias(model, &bias))
    }

    /// Makes tokens less likely that were there lately.
    pub fn penalties(self, penalties: Penalties) -> Self {
        self.add("penalties", |model| samplers::penalties(model, &penalties))
    }

    /// Makes tokens less likely that would continue a repetition.
    pub fn dry(self, dry: &Dry) -> Self {
        self.add("dry", |model| samplers::dry(model, dry))
    }

    /// Only tokens that a grammar allows, in llama.cpp's notation (GBNF); the text begins with the rule `root`.
    ///
    /// llama.cpp follows every way to read the text so far at once: a grammar that reads the same text in many ways takes
    /// time and memory for each of them.
    ///
    /// ```
    /// # use llama_bench_rs::{gguf::{Shape, Synthetic}, llama::{Model, Sampler}};
    /// # let path = Synthetic::new(Shape::preset("tiny-llama")?).vocabulary(true).cached()?;
    /// # let model = Model::load(path)?;
    /// let sampler = Sampler::chain(&model).grammar("root ::= \"yes\" | \"no\"", "root").greedy()?;
    /// let error = Sampler::chain(&model).grammar("root ::= yes", "root").greedy().unwrap_err();
    /// assert!(error.to_string().contains("rule yes is used and not defined"), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "llama_sampler_init_grammar")]
    pub fn grammar(self, grammar: &str, root: &str) -> Self {
        self.add("grammar", |model| grammar::step(model, grammar, root))
    }

    /// Only tokens whose logit is at most `n` standard deviations below the largest.
    #[doc(alias = "llama_sampler_init_top_n_sigma")]
    pub fn top_n_sigma(self, n: f32) -> Self {
        self.add("top_n_sigma", |_| samplers::top_n_sigma(n))
    }

    /// Only the most likely `k` tokens; 0 for all.
    #[doc(alias = "llama_sampler_init_top_k")]
    pub fn top_k(self, k: u32) -> Self {
        self.add("top_k", |_| samplers::top_k(k))
    }

    /// Only tokens about as surprising as the distribution is on average, which together have this probability; 1 for
    /// all.
    #[doc(alias = "llama_sampler_init_typical")]
    pub fn typical(self, p: f32) -> Self {
        self.add("typical", |_| samplers::typical(p))
    }

    /// Only the most likely tokens that together have this probability; 1 for all.
    #[doc(alias = "llama_sampler_init_top_p")]
    pub fn top_p(self, p: f32) -> Self {
        self.add("top_p", |_| samplers::top_p(p))
    }

    /// Only tokens at least this share as likely as the most likely one; 0 for all.
    #[doc(alias = "llama_sampler_init_min_p")]
    pub fn min_p(self, p: f32) -> Self {
        self.add("min_p", |_| samplers::min_p(p))
    }

    /// With this probability, drops all tokens of at least the threshold but the least likely of them ("exclude top
    /// choices"); a threshold above 0.5 turns it off.
    #[doc(alias = "llama_sampler_init_xtc")]
    pub fn xtc(self, probability: f32, threshold: f32, seed: u32) -> Self {
        self.add("xtc", |_| samplers::xtc(probability, threshold, seed))
    }

    /// Flattens (above 1) or sharpens (below 1) the distribution, from 0.000001; 0 leaves the most likely token alone.
    #[doc(alias = "llama_sampler_init_temp")]
    pub fn temperature(self, temperature: f32) -> Self {
        self.add("temperature", |_| samplers::temperature(temperature))
    }

    /// A temperature that follows the entropy of the distribution, between `temperature - range` and
    /// `temperature + range`; the exponent, up to 10, bends the way between.
    #[doc(alias = "llama_sampler_init_temp_ext")]
    pub fn dynamic_temperature(self, temperature: f32, range: f32, exponent: f32) -> Self {
        self.add("dynamic_temperature", |_| samplers::dynamic_temperature(temperature, range, exponent))
    }

    /// Ends the chain: the most likely token.
    ///
    /// # Errors
    /// A value of a step is out of range, a grammar cannot be used, a step is there twice or needs a vocabulary that the
    /// model does not have, or memory ran out.
    #[doc(alias = "llama_sampler_init_greedy")]
    pub fn greedy(self) -> Result<Sampler, LlamaError> {
        self.end(samplers::greedy)
    }

    /// Ends the chain: a token drawn by its probability. The seed `u32::MAX` is another one each time.
    ///
    /// # Errors
    /// As [`greedy`](Self::greedy).
    #[doc(alias = "llama_sampler_init_dist")]
    pub fn draw(self, seed: u32) -> Result<Sampler, LlamaError> {
        self.end(|| samplers::draw(seed))
    }

    /// Ends the chain: a token drawn among those that keep the text's surprise near `tau` bits (up to 100), learning at
    /// the rate `eta` (up to 1). This is Mirostat 2.0; llama.cpp's 1.0 divides by what may be 0.
    ///
    /// # Errors
    /// As [`greedy`](Self::greedy); a value is out of range.
    #[doc(alias = "llama_sampler_init_mirostat_v2")]
    pub fn mirostat(self, tau: f32, eta: f32, seed: u32) -> Result<Sampler, LlamaError> {
        self.end(|| samplers::mirostat(tau, eta, seed))
    }

    fn end(self, choice: impl FnOnce() -> Result<Step, LlamaError>) -> Result<Sampler, LlamaError> {
        let mut steps = self.steps?;
        steps.push(choice()?);
        Ok(Sampler::of_steps(steps, self.model))
    }

    fn add(
        mut self,
        name: &'static str,
        step: impl FnOnce(Option<&Model>) -> Result<Step, LlamaError>,
    ) -> Self {
        if let Ok(steps) = &mut self.steps {
            // Twice the same could take logits beyond what a number holds.
            let is_there = steps.iter().any(|step| step.name() == name);
            let made = if is_there { Err(twice(name)) } else { step(self.model.as_ref()) };
            match made {
                Ok(step) => steps.push(step),
                Err(error) => self.steps = Err(error),
            }
        }
        self
    }
}

fn twice(name: &'static str) -> LlamaError {
    LlamaError::Parameter { name, value: "twice".into(), remedy: "a chain takes each step once".into() }
}

impl std::fmt::Debug for SamplerChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let steps = self.steps.as_ref().map(|steps| steps.iter().map(Step::name).collect::<Vec<_>>());
        f.debug_struct("SamplerChain").field("steps", &steps).finish_non_exhaustive()
    }
}
